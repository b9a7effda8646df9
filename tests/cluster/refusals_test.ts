/**
 * Refusals of a node that is behind. Each case changes something at one node while no node can follow, then
 * sends a request to the other node that only the change makes right. The node follows when it asks to.
 */

import { assertEquals } from "../support/assert.ts";
import { NODE_APPROVE, sendTo } from "../support/cluster_servers.ts";
import { postgresTest, sharedServer } from "../support/postgres_servers.ts";
import { withStaleNode } from "./stale_node.ts";

const server = sharedServer();
const LOCK_INFO =
  `<D:lockinfo xmlns:D="DAV:"><D:lockscope><D:exclusive/></D:lockscope><D:locktype><D:write/></D:locktype></D:lockinfo>`;
const PROPERTIES =
  `<D:propertyupdate xmlns:D="DAV:"><D:set><D:prop><a xmlns="urn:x">1</a></D:prop></D:set></D:propertyupdate>`;
const XML = { "content-type": "application/xml" };
const SECOND = { "if-match": '"2"' };
const T3 = { authorization: `Bearer ${NODE_APPROVE}` };

/** Paths that both nodes have, with version 1. */
const KNOWN = ["put", "append", "patch", "delete", "stale", "folder/x"];

interface Case {
  /** What the first node does: paths to write in this order. */
  readonly made: readonly string[];
  readonly line: string;
  readonly headers?: Record<string, string>;
  readonly body?: string;
  readonly status: number;
}

const CASES: readonly Case[] = [
  { made: ["put"], line: "PUT /home/put", headers: SECOND, body: "3", status: 200 },
  { made: ["append"], line: "POST /home/append", headers: SECOND, body: "3", status: 200 },
  {
    made: ["patch"],
    line: "PATCH /home/patch",
    headers: { ...SECOND, "content-type": "application/json-patch+json" },
    body: "[]",
    status: 200,
  },
  { made: ["delete"], line: "DELETE /home/delete", headers: SECOND, status: 200 },
  { made: ["folder"], line: "DELETE /home/folder", status: 200 },
  { made: ["tree/x"], line: "DELETE /home/tree/", status: 200 },
  { made: ["restored", "restored"], line: "PUT /home/restored?from=1", status: 200 },
  { made: ["moved"], line: "MOVE /home/moved", headers: { destination: "/home/to" }, status: 201 },
  {
    made: ["copied/x"],
    line: "COPY /dav/home/copied",
    headers: { destination: "/dav/home/copies" },
    status: 201,
  },
  { made: ["parent/x"], line: "MKCOL /dav/home/parent/new", status: 201 },
  { made: ["place/x"], line: "PUT /dav/home/place/new", body: "1", status: 201 },
  {
    made: ["locks/x"],
    line: "LOCK /dav/home/locks/new",
    headers: XML,
    body: LOCK_INFO,
    status: 201,
  },
  {
    made: ["described"],
    line: "PROPPATCH /dav/home/described",
    headers: XML,
    body: PROPERTIES,
    status: 207,
  },
  { made: ["/lib/p"], line: "PUT /lib/p/state", body: "disabled", status: 200 },
  // What is refused although the node has followed.
  {
    made: ["stale"],
    line: "PUT /home/stale",
    headers: { "if-match": '"1"' },
    body: "3",
    status: 412,
  },
  { made: [], line: "MOVE /home/absent", headers: { destination: "/home/a2" }, status: 404 },
];

postgresTest(
  "a node that is behind refuses no change that another node would accept",
  () =>
    withStaleNode(server(), async ({ current, stale, hold, release }) => {
      for (const path of KNOWN) await sendTo(current, `PUT /home/${path}`, { body: "1" });
      const fresh = { headers: { "cache-control": "no-cache" } };
      for (const path of KNOWN) await sendTo(stale, `GET /home/${path}`, fresh);
      const answers: string[] = [];
      for (const { made, line, headers = {}, body, status } of CASES) {
        await hold();
        for (const path of made) {
          const target = path.startsWith("/") ? path : `/home/${path}`;
          const { status } = await sendTo(current, `PUT ${target}`, {
            headers: T3,
            body: JSON.stringify(path),
          });
          assertEquals(status < 300, true, `${target}: ${status}`);
        }
        const reply = await sendTo(stale, line, {
          headers: { ...T3, ...headers },
          ...(body === undefined ? {} : { body }),
        });
        answers.push(`${line} ${reply.status} ${reply.status === status ? "" : reply.text}`);
        await release();
        await sendTo(stale, "GET /home/", fresh);
      }
      assertEquals(answers, CASES.map(({ line, status }) => `${line} ${status} `));
    }),
);
