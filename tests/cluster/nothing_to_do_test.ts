/**
 * Answers of a node that is behind, which say that there is nothing to do. Each case begins with the same
 * state at both nodes. The first one changes it while the second one cannot follow, and then the second one
 * is asked for what its memory has. The request must be judged by what it finds when it has followed.
 */

import { ServerClient } from "../../lib/cli/client/server_client.ts";
import { assertEquals } from "../support/assert.ts";
import { NODE_APPROVE, sendTo, withNodes } from "../support/cluster_servers.ts";
import { postgresTest, sharedServer } from "../support/postgres_servers.ts";
import { type StaleNode, withStaleNode } from "./stale_node.ts";

const server = sharedServer();
const T3 = { authorization: `Bearer ${NODE_APPROVE}` };
const FRESH = { ...T3, "cache-control": "no-cache" };
const XML = { "content-type": "application/xml" };
const LOCK_INFO =
  `<D:lockinfo xmlns:D="DAV:"><D:lockscope><D:exclusive/></D:lockscope><D:locktype><D:write/></D:locktype></D:lockinfo>`;

const PATCH = { "content-type": "application/json" };
const updateOf = (change: "set" | "remove") =>
  `<D:propertyupdate xmlns:D="DAV:"><D:${change}><D:prop><a xmlns="urn:x"/></D:prop></D:${change}></D:propertyupdate>`;

/** A request: its line, and its content. */
type Step = readonly [line: string, body?: string];

interface Case {
  readonly what: string;
  /** What both nodes have. */
  readonly before: readonly Step[];
  /** What the first node does while the second one cannot follow. */
  readonly change: readonly Step[];
  /** What the second node is asked for then, and its status. */
  readonly asked: Step;
  readonly status: number;
  /** Reads at both nodes, and what their answers match. */
  readonly after: readonly (readonly [line: string, found: RegExp])[];
}

const pluginOf = (route: string, text: string) =>
  `export const routes = ["${route}"];\nexport default { fetch: () => new Response("${text}") };`;
const active = (name: string, route: string): readonly Step[] => [
  [`PUT /lib/${name}`, pluginOf(route, "first")],
  [`PUT /lib/${name}/state`, "active"],
];

const CASES: readonly Case[] = [
  {
    what: "a plugin that was disabled is approved",
    before: active("off", "/off"),
    change: [["PUT /lib/off/state", "disabled"]],
    asked: ["PUT /lib/off/state", "active"],
    status: 200,
    after: [["GET /lib/off/state", /"state":"active"/], ["GET /off", /^first$/]],
  },
  {
    what: "a plugin whose source was replaced is approved",
    before: active("new", "/new"),
    change: [["PUT /lib/new", pluginOf("/new", "second")]],
    asked: ["PUT /lib/new/state", "active"],
    status: 200,
    after: [["GET /lib/new/state", /"state":"active"/], ["GET /new", /^second$/]],
  },
  {
    what: "a plugin that was approved is disabled",
    before: [...active("on", "/on"), ["PUT /lib/on/state", "disabled"]],
    change: [["PUT /lib/on/state", "active"]],
    asked: ["PUT /lib/on/state", "disabled"],
    status: 200,
    after: [["GET /lib/on/state", /"state":"disabled"/]],
  },
  {
    what: "a plugin gets the route of one that was disabled",
    before: [...active("old", "/taken"), ["PUT /lib/next", pluginOf("/taken", "next")]],
    change: [["PUT /lib/old/state", "disabled"]],
    asked: ["PUT /lib/next/state", "active"],
    status: 200,
    after: [["GET /taken", /^next$/]],
  },
  {
    what: "a collection that a world was written to is not made",
    before: [],
    change: [["PUT /home/made/x", "x"]],
    asked: ["MKCOL /dav/home/made"],
    status: 405,
    after: [],
  },
  {
    what: "a lock of a world that was deleted creates one",
    before: [["PUT /home/locked", "x"]],
    change: [["DELETE /home/locked"]],
    asked: ["LOCK /dav/home/locked", LOCK_INFO],
    status: 201,
    after: [["GET /home/locked?raw", /^$/]],
  },
  {
    what: "an edit asks for the line that was there before",
    before: [["PUT /home/edited", "X"]],
    change: [["PUT /home/edited", "Y"]],
    asked: ["PATCH /home/edited", '{"line":1,"replace":"X"}'],
    status: 200,
    after: [["GET /home/edited?raw", /^X$/]],
  },
  {
    what: "a property is removed that was just set",
    before: [["PUT /home/described", "x"]],
    change: [["PROPPATCH /dav/home/described", updateOf("set")]],
    asked: ["PROPPATCH /dav/home/described", updateOf("remove")],
    status: 207,
    after: [["PROPFIND /dav/home/described", /^(?!.*urn:x)/s]],
  },
];

async function send(node: StaleNode["stale"], [line, body]: Step) {
  const type = line.startsWith("PATCH") ? PATCH : /^(?:LOCK|PROPPATCH)/.test(line) ? XML : {};
  const headers = { ...T3, ...type };
  return await sendTo(node, line, { headers, ...(body === undefined ? {} : { body }) });
}

async function runCase(
  { current, stale, hold, release }: StaleNode,
  { before, change, asked, after }: Case,
): Promise<{ readonly answer: string; readonly found: readonly string[] }> {
  const make = async (steps: readonly Step[]) => {
    for (const step of steps) {
      const { status, text } = await send(current, step);
      assertEquals(status < 300, true, `${step[0]}: ${status} ${text}`);
    }
  };
  await make(before);
  for (const [line] of after) await sendTo(stale, line, { headers: FRESH });
  await hold();
  await make(change);
  const { status } = await send(stale, asked);
  await release();
  const found: string[] = [];
  for (const [line] of after) {
    for (const node of [stale, current]) {
      found.push((await sendTo(node, line, { headers: FRESH })).text);
    }
  }
  return { answer: `${asked[0]} ${status}`, found };
}

postgresTest(
  "a node that is behind says that there is nothing to do only after it has followed",
  () =>
    withStaleNode(server(), async (nodes) => {
      const wrong: string[] = [];
      for (const each of CASES) {
        const { answer, found } = await runCase(nodes, each);
        if (answer !== `${each.asked[0]} ${each.status}`) wrong.push(`${each.what}: ${answer}`);
        const expected = each.after.flatMap((read) => [read, read]);
        for (const [at, [line, pattern]] of expected.entries()) {
          if (pattern.test(found[at] ?? "")) continue;
          wrong.push(
            `${each.what}: ${line} at ${at % 2 === 0 ? "stale" : "current"}: ${found[at]}`,
          );
        }
      }
      assertEquals(wrong, []);
    }),
);

postgresTest(
  "a command decides by what another node has acknowledged",
  () =>
    withStaleNode(server(), async ({ current, stale, hold, release }) => {
      const client = new ServerClient(stale?.url ?? "");
      const read = () => client.request("GET", "/home/list?raw", { credential: NODE_APPROVE });
      assertEquals((await read()).status, 404);
      await hold();
      await sendTo(current, "PUT /home/list", { body: "newer" });
      assertEquals((await read()).text, "newer");
      await release();
    }),
);

postgresTest(
  "of several simultaneous MKCOL of a collection one succeeds, on whichever nodes",
  () =>
    withNodes(server(), 2, async ([a, b]) => {
      for (const [at, nodes] of [[a, a, a], [a, b, a, b]].entries()) {
        const line = `MKCOL /dav/home/mk${at}/`;
        const replies = await Promise.all(nodes.map((node) => send(node, [line])));
        const statuses = replies.map(({ status }) => status).sort();
        assertEquals(statuses, [201, ...nodes.slice(1).map(() => 405)], line);
        // It can be made again when it was deleted.
        assertEquals((await send(b, [`DELETE /dav/home/mk${at}/`])).status, 204);
        assertEquals((await send(a, [line])).status, 201);
      }
    }),
);
