/**
 * No interface shows a caller a name, a text, a count or a time of a world that its GET would refuse. Each
 * interface is asked before and after changes of hidden worlds: the two answers must be the same, so that
 * not even a cursor, an entity tag or a length tells that something happened.
 */

import { assert, assertEquals } from "../support/assert.ts";
import { setTimeout as delay } from "node:timers/promises";
import { eventually } from "../plugin/plugin_test_server.ts";
import { EventReader } from "../support/event_reader.ts";
import {
  APPROVE,
  bearer,
  CLOSED,
  type TestServer,
  TOKEN,
  withServer,
} from "../support/test_server.ts";

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

interface Case {
  readonly title: string;
  readonly headers: (server: TestServer) => Record<string, string>;
  /** Worlds that the caller cannot read. */
  readonly hidden: readonly string[];
}

const PRIVATE = ["var/cache/x", "boot/x", "etc/shadow/x"];
const CASES: readonly Case[] = [
  { title: "T2", headers: () => bearer(TOKEN), hidden: PRIVATE },
  {
    title: "a capability for a folder",
    headers: (server) => bearer(server.capability("/home/team", "r")),
    hidden: [...PRIVATE, "home/other", "home/teams", "etc/x", "lib-x"],
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
];

async function change(server: TestServer, hidden: readonly string[]): Promise<void> {
  const headers = bearer(APPROVE);
  for (const folder of hidden.filter((name) => !name.startsWith("lib"))) {
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
  headers: Record<string, string>,
): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
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

for (const { title, headers, hidden } of CASES) {
  Deno.test(`no interface shows hidden worlds: ${title}`, () =>
    withServer({ env: CLOSED }, async (server) => {
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
        const first = await askAll(server, credential);
        await delay(300);
        const second = await askAll(server, credential);
        return JSON.stringify(first) === JSON.stringify(second) ? second : undefined;
      }, "the same answers twice");
      await change(server, hidden);
      await delay(INDEX_MS);
      const after = await askAll(server, credential);
      for (const [name, text] of Object.entries(after)) {
        const own = text.replaceAll(`q=${MARK}`, "");
        assert(!own.includes(MARK), `${name} shows a hidden world: ${text.slice(0, 500)}`);
        assertEquals(text, before[name], name);
      }
    }));
}
