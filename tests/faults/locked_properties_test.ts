/**
 * Property: a response never says that nothing was changed if a world was deleted, moved or written
 * and only its dead properties are locked by another process.
 */

import { DatabaseSync } from "node:sqlite";
import { assertEquals, assertMatch } from "../support/assert.ts";
import { withTempFolder } from "../support/temp_folder.ts";
import { bearer, oneServerTest, startTestServer, type TestServer } from "../support/test_server.ts";
import { recordWorldName } from "../../lib/dav/resource/property_record.ts";

const PROPPATCH = `<propertyupdate xmlns="DAV:"><set><prop><x xmlns="urn:x">value</x></prop></set>
</propertyupdate>`;

/** What makes the properties unavailable. */
const LOCKED = "another process locks a file";

function withServer(use: (server: TestServer, data: string) => Promise<void>): Promise<void> {
  return withTempFolder(async (folder) => {
    const data = `${folder}/data`;
    const server = await startTestServer({ data, env: { ELASTIK_LOCK_WAIT: "500" } });
    try {
      await use(server, data);
    } finally {
      await server.close();
    }
  });
}

async function ask(server: TestServer, request: string, body?: string) {
  const [method = "", target = "", , destination] = request.split(" ");
  const response = await fetch(`http://127.0.0.1:${server.port}${target}`, {
    method,
    ...(body === undefined ? {} : { body }),
    headers: {
      ...bearer(server.approveToken),
      ...(method === "PROPFIND" ? { depth: "0" } : {}),
      ...(destination === undefined ? {} : { destination }),
    },
  });
  return { status: response.status, text: await response.text() };
}

/** Creates a resource with a dead property. */
async function create(server: TestServer, path: string): Promise<void> {
  const method = path.endsWith("/") ? "MKCOL" : "PUT";
  assertEquals((await ask(server, `${method} /dav${path}`)).status, 201);
  assertEquals((await ask(server, `PROPPATCH /dav${path}`, PROPPATCH)).status, 207);
}

/** Sends a request while another process has locked the properties of a path. */
async function askLocked(server: TestServer, data: string, path: string, request: string) {
  const folder = encodeURIComponent(recordWorldName(path));
  const db = new DatabaseSync(`${data}/${folder}/universe.db`);
  db.exec("PRAGMA busy_timeout = 60000; BEGIN IMMEDIATE");
  try {
    return await ask(server, request);
  } finally {
    db.close();
  }
}

async function hasProperty(server: TestServer, path: string): Promise<boolean> {
  return (await ask(server, `PROPFIND /dav${path}`)).text.includes("value");
}

oneServerTest(
  "a world is deleted and moved although the record of its properties is locked",
  LOCKED,
  () =>
    withServer(async (server, data) => {
      await create(server, "/home/a");
      await create(server, "/home/b");
      assertEquals((await askLocked(server, data, "/home/a", "DELETE /dav/home/a")).status, 204);
      const move = "MOVE /dav/home/b > /dav/home/c";
      assertEquals((await askLocked(server, data, "/home/b", move)).status, 201);
      assertEquals(await hasProperty(server, "/home/c"), true);
      for (const path of ["/home/a", "/home/b"]) {
        assertEquals((await ask(server, `GET ${path}`)).status, 404);
        assertEquals((await ask(server, `PUT ${path}`, "new")).status, 201);
        assertEquals(await hasProperty(server, path), false);
      }
    }),
);

oneServerTest(
  "a collection whose properties cannot be removed remains, and the response names it",
  LOCKED,
  () =>
    withServer(async (server, data) => {
      await create(server, "/home/t/");
      await create(server, "/home/t/a");
      const { status, text } = await askLocked(server, data, "/home/t", "DELETE /dav/home/t/");
      assertEquals(status, 207);
      assertMatch(text, /<D:href>\/dav\/home\/t\/<\/D:href><D:status>HTTP\/1.1 503/);
      assertEquals((await ask(server, "GET /home/t/a")).status, 404);
      assertEquals((await ask(server, "DELETE /dav/home/t/")).status, 204);
      assertEquals((await ask(server, "MKCOL /dav/home/t/")).status, 201);
      assertEquals(await hasProperty(server, "/home/t/"), false);
    }),
);

for (const method of ["COPY", "MOVE"]) {
  oneServerTest(
    `${method} says that it has written a world without its properties`,
    LOCKED,
    () =>
      withServer(async (server, data) => {
        await create(server, "/home/a");
        await create(server, "/home/b");
        const request = `${method} /dav/home/a > /dav/home/b`;
        const { status, text } = await askLocked(server, data, "/home/b", request);
        assertEquals(status, 503);
        assertMatch(text, /properties of \/home\/b: .*; \/home\/b itself was written/);
        assertEquals((await ask(server, "PROPPATCH /dav/home/b", PROPPATCH)).status, 207);
      }),
  );
}
