/** Changes that keep a part of what is stored: what another node wrote a moment ago is kept, too. */

import type { RunningServer } from "../../lib/server/start.ts";
import { assertEquals } from "../support/assert.ts";
import { sendTo, withNodes } from "../support/cluster_servers.ts";
import { postgresTest, sharedServer } from "../support/postgres_servers.ts";

const server = sharedServer();
const XML = { "content-type": "application/xml" };

async function proppatch(node: RunningServer | undefined, path: string, inner: string) {
  const body = `<D:propertyupdate xmlns:D="DAV:">${inner}</D:propertyupdate>`;
  const { status, text } = await sendTo(node, `PROPPATCH ${path}`, { headers: XML, body });
  assertEquals([path, status, text.includes(" 200 ")], [path, 207, true], text);
}

const setting = (name: string) =>
  `<D:set><D:prop><${name} xmlns="urn:x">1</${name}></D:prop></D:set>`;
const removing = (name: string) => `<D:remove><D:prop><${name} xmlns="urn:x"/></D:prop></D:remove>`;

/** Names of the properties that a node returns after it has followed the others. */
async function propertiesAt(node: RunningServer | undefined, path: string): Promise<string[]> {
  const headers = { depth: "0", "cache-control": "no-cache" };
  const { text } = await sendTo(node, `PROPFIND ${path}`, { headers });
  return [...text.matchAll(/<(?:\w+:)?(p\d+)\b/g)].map(([, name = ""]) => name).sort();
}

postgresTest(
  "properties that two nodes set one after the other or at once are all kept",
  () =>
    withNodes(server(), 3, async (nodes) => {
      const [a, b, c] = nodes;
      for (let round = 0; round < 4; round++) {
        const path = `/dav/home/${round}`;
        await sendTo(a, `PUT /home/${round}`, { body: "x" });
        await proppatch(a, path, setting("p1"));
        await proppatch(b, path, setting("p2"));
        await proppatch(c, path, setting("p3"));
        await proppatch(a, path, removing("p2"));
        assertEquals(await propertiesAt(b, path), ["p1", "p3"]);
        await proppatch(c, path, removing("p1") + removing("p3"));
        await proppatch(b, path, setting("p4"));
        assertEquals(await propertiesAt(a, path), ["p4"]);
      }
      await sendTo(a, "PUT /home/many", { body: "x" });
      const names = Array.from({ length: 12 }, (_, at) => `p${at + 10}`);
      await Promise.all(
        names.map((name, at) => proppatch(nodes[at % 3], "/dav/home/many", setting(name))),
      );
      assertEquals(await propertiesAt(b, "/dav/home/many"), names);
    }),
);

postgresTest(
  "a PUT by WebDAV keeps the metadata that another node has just written",
  () =>
    withNodes(server(), 2, async ([a, b]) => {
      for (let round = 0; round < 4; round++) {
        const name = `home/${round}`;
        await sendTo(a, `PUT /${name}`, { body: "x" });
        await sendTo(b, `GET /${name}`, { headers: { "cache-control": "no-cache" } });
        await sendTo(a, `PUT /${name}`, { body: "y", headers: { "x-meta-owner": `r${round}` } });
        const written = await sendTo(b, `PUT /dav/${name}`, { body: "z" });
        assertEquals(written.status, 204);
        const { headers, text } = await sendTo(b, `GET /${name}?raw`);
        assertEquals([text, headers.get("x-meta-owner")], ["z", `r${round}`]);
      }
    }),
);

postgresTest(
  "text without a type keeps the extension that another node has just given",
  () =>
    withNodes(server(), 2, async ([a, b]) => {
      for (let round = 0; round < 4; round++) {
        const line = `PUT /home/${round}`;
        await sendTo(a, line, { body: "one" });
        await sendTo(b, `GET /home/${round}`, { headers: { "cache-control": "no-cache" } });
        await sendTo(a, line, { body: "a,b", headers: { "content-type": "text/csv" } });
        await sendTo(b, line, { body: "c,d" });
        const { headers, text } = await sendTo(b, `GET /home/${round}?raw`);
        assertEquals([text, headers.get("content-type")], ["c,d", "text/csv; charset=utf-8"]);
      }
    }),
);
