/**
 * No interface shows a caller a name, a text, a count or a time of a world that its GET would refuse. Each
 * interface is asked before and after changes of hidden worlds: the two answers must be the same, so that
 * not even a cursor, an entity tag or a length tells that something happened.
 */

import { assert, assertEquals } from "../support/assert.ts";
import { setTimeout as delay } from "node:timers/promises";
import { eventually } from "../plugin/plugin_test_server.ts";
import { type As, callTool, type Members, sendRpc } from "../plugins/mcp/mcp_server.ts";
import { EventReader } from "../support/event_reader.ts";
import { withPluginServer } from "../support/plugin_server.ts";
import { APPROVE, bearer, type TestServer, TOKEN } from "../support/test_server.ts";

/** Longest time until the indexes have followed a change, in milliseconds. */
const INDEX_MS = 2_500;
/** In the names and texts of hidden worlds, and in no other. */
const MARK = "hiddenmark";
const TEXT = { accept: "text/plain" };
const JSON_FORM = { accept: "application/json" };

/** Interfaces that answer about many worlds. */
const INTERFACES: readonly (readonly [target: string, headers: Record<string, string>])[] = [
  ["/proc/worlds", JSON_FORM],
  ["/proc/worlds", TEXT],
  ["/proc/log/", JSON_FORM],
  ["/proc/log/home/?limit=5", JSON_FORM],
  ["/proc/changes/", JSON_FORM],
  ["/proc/changes/?after=now", JSON_FORM],
  ["/proc/changes/home/?limit=3", JSON_FORM],
  [`/proc/search/?q=${MARK}`, JSON_FORM],
  [`/proc/search/?q=${MARK}`, TEXT],
  ["/proc/search/?q=shared&limit=2", JSON_FORM],
  ["/proc/search/home/?q=s", TEXT],
  ["/proc/trash/", JSON_FORM],
  ["/proc/trash/home/", TEXT],
  ["/home/?deep", JSON_FORM],
  ["/home/team/?deep&contents", JSON_FORM],
  ["/home/?deep&sort=time&limit=3", TEXT],
  ["/home/", JSON_FORM],
  ["/", TEXT],
];

/** Tools of the plugin `mcp` that answer about many worlds. */
const TOOLS: readonly (readonly [tool: string, args: Members])[] = [
  ["list", {}],
  ["list", { prefix: "/home/", deep: true }],
  ["list", { prefix: "/home/", deep: true, sort: "time", limit: 3 }],
  ["list", { prefix: "/", trash: true }],
  ["search", { query: MARK }],
  ["search", { query: "shared", prefix: "/home/", limit: 2 }],
  ["history", { path: "/" }],
  ["history", { path: "/home/", limit: 3 }],
];
/** Requests about one hidden world, which are refused alike whether or not it exists. */
const REFUSED: readonly (readonly [method: string, before: string, after: string])[] = [
  ["GET", "", ""],
  ["HEAD", "", "?raw"],
  ["GET", "", "?at=1"],
  ["GET", "", "?diff=1"],
  ["GET", "", "?lines=1-2"],
  ["GET", "", "?wait=1&v=1"],
  ["GET", "", "/"],
  ["OPTIONS", "", ""],
  ["PUT", "", "?from=1"],
  ["PUT", "", "?trash=20200101T000000000Z-000000000000"],
  ["GET", "/proc/audit", ""],
  ["GET", "/proc/log", ""],
  ["GET", "/proc/log", "/"],
  ["GET", "/proc/changes", "/"],
  ["GET", "/proc/search", "/?q=shared"],
  ["GET", "/proc/trash", "/"],
  ["GET", "/proc/snapshot", ""],
  ["GET", "/stream", ""],
  ["GET", "/stream", "/"],
  ["GET", "/dav", ""],
  ["OPTIONS", "/dav", ""],
  ["PROPFIND", "/dav", ""],
  ["DELETE", "/dav", ""],
];
/** A plugin that sends the requests of the test: with its own grants, or on behalf of the caller. */
const PROBE = `
export const routes = ["/probe"];
export const auth = "T1";
export const grants = { "/home/team/": "r" };
export default { async fetch(request, env) {
  const query = new URL(request.url).searchParams;
  const headers = { accept: query.get("accept") };
  const reply = await env[query.get("as")].fetch(query.get("target"), { headers });
  const head = [...reply.headers].filter(([name]) => name !== "date");
  return Response.json([reply.status, head, await reply.text()]);
} };
`;

interface Case {
  readonly title: string;
  readonly headers: (server: TestServer) => As;
  /** Worlds that the caller cannot read. */
  readonly hidden: readonly string[];
  /** The plugin asks with its own grants. */
  readonly isMachine?: true;
}

const PRIVATE = ["var/cache/x", "boot/x", "etc/shadow/x"];
const CASES: readonly Case[] = [
  { title: "T2", headers: () => bearer(TOKEN), hidden: PRIVATE },
  {
    title: "a capability for a folder",
    headers: (server) => bearer(server.capability("/home/team", "r")),
    hidden: [...PRIVATE, "home/other", "home/teams", "etc/x", "var/x"],
  },
  {
    title: "a capability for a world",
    headers: (server) => bearer(server.capability("/home/team/a", "rw")),
    hidden: [...PRIVATE, "home/team/b", "home/team/ab"],
  },
  {
    title: "a capability for everything",
    headers: (server) => bearer(server.capability("/", "rw")),
    hidden: PRIVATE,
  },
  {
    title: "a plugin with its own grants",
    headers: () => bearer(APPROVE),
    hidden: [...PRIVATE, "home/other", "home/teams", "etc/x", "var/x"],
    isMachine: true,
  },
];

async function change(server: TestServer, hidden: readonly string[]): Promise<void> {
  const headers = bearer(APPROVE);
  for (const folder of hidden) {
    const target = `/${folder}/${MARK}`;
    for (const body of [`${MARK} shared 1`, `${MARK} shared 2`]) {
      const { status, text } = await server.send({ method: "PUT", target, headers, body });
      assert(status < 300, `PUT ${target}: ${text}`);
    }
    const moved = { ...headers, destination: `/dav/${folder}/${MARK}-2` };
    await server.send({ method: "PUT", target: `/${folder}/${MARK}-1`, headers, body: MARK });
    await server.send({ method: "MOVE", target: `/dav/${folder}/${MARK}-1`, headers: moved });
    await server.send({ method: "DELETE", target: `/${folder}/${MARK}-2`, headers });
  }
}

/** Asks all interfaces; a response without what differs between any two. */
async function askAll(
  server: TestServer,
  headers: As,
  { hidden, isMachine }: Case,
): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  const as = isMachine ? "machine" : "caller";
  for (const [target, form] of INTERFACES) {
    const query = new URLSearchParams({ as, target, accept: form.accept ?? "" });
    const reply = await server.send({ method: "GET", target: `/probe?${query}`, headers });
    assertEquals(reply.status, 200, reply.text);
    found[`${target} ${form.accept} by ${as}`] = reply.text;
  }
  if (isMachine) return found;
  for (const [tool, args] of TOOLS) {
    found[`tool ${tool} ${JSON.stringify(args)}`] = JSON.stringify(
      await callTool(server, headers, tool, args),
    );
  }
  found["resources"] = JSON.stringify(await sendRpc(server, headers, "resources/list"));
  for (const folder of hidden) {
    const uri = `elastik:///${folder}/${MARK}`;
    const resource = await sendRpc(server, headers, "resources/read", { uri });
    const refused = [JSON.stringify(resource)];
    for (const [method, before, after] of REFUSED) {
      const target = `${before}/${folder}/${MARK}${after}`;
      const { status, head, text } = await server.send({ method, target, headers });
      assert(
        method === "OPTIONS" || status === 403 || status === 405,
        `${method} ${target} ${text}`,
      );
      refused.push(`${method} ${target} ${head.replace(/^date:.*$/im, "")}\n${text}`);
    }
    found[`refusals below ${folder}`] = refused.join("\n").replaceAll(MARK, "name");
  }
  for (const [target, form] of INTERFACES) {
    const reply = await server.send({ method: "GET", target, headers: { ...headers, ...form } });
    const head = reply.head.split("\r\n").filter((line) => !/^date:/i.test(line)).join("\n");
    found[`${target} ${form.accept}`] = `${head}\n${reply.text}`;
  }
  const stream = await EventReader.open(`http://127.0.0.1:${server.port}/stream/`, headers);
  if (stream.response.status === 200) {
    const event = await stream.next();
    found["/stream/"] = `${event?.lastEventId} ${event?.data}`;
  }
  await stream.close();
  return found;
}

for (const scenario of CASES) {
  const { title, headers, hidden } = scenario;
  Deno.test(`no interface shows hidden worlds: ${title}`, () =>
    withPluginServer({ plugins: ["mcp", ["probe", PROBE]] }, async (server) => {
      for (const name of ["a", "a/1", "b/2", "c"]) {
        const request = {
          target: `/home/team/${name}`,
          headers: bearer(TOKEN),
          body: "shared text",
        };
        await server.send({ method: "PUT", ...request });
      }
      // The namespaces themselves are not secret.
      for (const space of ["etc", "var"]) await server.approve("PUT", `/${space}/known`, "x");
      await server.untilBooted();
      const credential = headers(server);
      // The caller's own worlds are in the indexes before the first answers.
      await delay(INDEX_MS);
      const before = await eventually(async () => {
        const first = await askAll(server, credential, scenario);
        await delay(300);
        const second = await askAll(server, credential, scenario);
        return JSON.stringify(first) === JSON.stringify(second) ? second : undefined;
      }, "the same answers twice");
      await change(server, hidden);
      await delay(INDEX_MS);
      const after = await askAll(server, credential, scenario);
      for (const [name, text] of Object.entries(after)) {
        const own = text.replaceAll(`q=${MARK}`, "").replaceAll(`"query":"${MARK}"`, "");
        assert(!own.includes(MARK), `${name} shows a hidden world: ${text.slice(0, 500)}`);
        assertEquals(text, before[name], name);
      }
    }));
}
