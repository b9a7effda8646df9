/**
 * A world that appears at the destination of a COPY or MOVE after its checks: with `Overwrite: T` it
 * is replaced and its bytes stay an earlier version, unless it is locked; with `Overwrite: F` the
 * request answers 412 and changes nothing.
 */

import { DatabaseSync } from "node:sqlite";
import { assertEquals, assertMatch } from "../support/assert.ts";
import { withTempFolder } from "../support/temp_folder.ts";
import {
  bearer,
  oneServerTest,
  startTestServer,
  type TestServer,
  TWO_WRITERS,
} from "../support/test_server.ts";

const LOCK = `<?xml version="1.0"?><D:lockinfo xmlns:D="DAV:"><D:lockscope><D:exclusive/>
</D:lockscope><D:locktype><D:write/></D:locktype></D:lockinfo>`;
const PROPPATCH = `<?xml version="1.0"?><D:propertyupdate xmlns:D="DAV:" xmlns:Z="urn:z">
<D:set><D:prop><Z:a>VALUE</Z:a></D:prop></D:set></D:propertyupdate>`;

/** What makes the request wait. */
const LOCKED = "another process locks a file";

/** Readers of a write-ahead log wait only for a connection in this mode. */
const EXCLUSIVE = "PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE";

interface Answer {
  readonly status: number;
  readonly text: string;
}

async function ask(
  server: TestServer,
  request: string,
  { body, headers = bearer(server.approveToken) }: {
    body?: string;
    headers?: Record<string, string>;
  } = {},
): Promise<Answer> {
  const [method = "", target = ""] = request.split(" ");
  const response = await fetch(`http://127.0.0.1:${server.port}${target}`, {
    method,
    headers,
    ...(body === undefined ? {} : { body }),
  });
  return { status: response.status, text: await response.text() };
}

/**
 * Sends a COPY or MOVE of `/home/a` that waits after its checks, because another process has locked
 * the world, and runs `meanwhile`.
 */
async function transferWhile(
  request: "COPY /dav/home/a" | "MOVE /dav/home/a",
  overwrite: "T" | "F",
  meanwhile: (server: TestServer) => Promise<void>,
  check: (server: TestServer, answer: Answer) => Promise<void>,
): Promise<void> {
  await withTempFolder(async (folder) => {
    const data = `${folder}/data`;
    const first = await startTestServer({ data });
    await first.approve("PUT", "/home/a", "source");
    await ask(first, "PROPPATCH /dav/home/a", { body: PROPPATCH.replace("VALUE", "of-a") });
    await first.stop();
    const env = { ELASTIK_CACHE: "0", ELASTIK_LOCK_WAIT: "600000" };
    const server = await startTestServer({ data, env: { ...TWO_WRITERS, ...env } });
    try {
      // Without it, the checks of the request would wait for the lock too.
      await ask(server, "PROPFIND /dav/home/a");
      const other = new DatabaseSync(`${data}/home%2Fa/universe.db`);
      // The server can have the file open at this moment, for a read of its indexes.
      other.exec("PRAGMA busy_timeout = 60000");
      other.exec(request.startsWith("MOVE") ? "BEGIN IMMEDIATE" : EXCLUSIVE);
      const headers = {
        ...bearer(server.approveToken),
        destination: "/dav/home/b",
        overwrite,
      };
      const transfer = ask(server, request, { headers });
      // The lock is held until the request is behind its checks; each pass is a request.
      for (let i = 0; i < 20; i++) await ask(server, "GET /proc/version");
      try {
        await meanwhile(server);
      } finally {
        other.exec("ROLLBACK");
        other.close();
      }
      await check(server, await transfer);
      for (const name of ["a", "b"]) {
        const { status, text } = await ask(server, `GET /proc/audit/home/${name}`);
        if (status === 200) assertEquals(JSON.parse(text).ok, true);
      }
    } finally {
      await server.close();
    }
  });
}

const putB = async (server: TestServer) => {
  assertEquals((await ask(server, "PUT /home/b", { body: "appeared" })).status, 201);
};

oneServerTest(
  "MOVE with Overwrite T replaces a world that appeared at the destination",
  LOCKED,
  () =>
    transferWhile("MOVE /dav/home/a", "T", putB, async (server, { status, text }) => {
      assertEquals(status, 204, text);
      assertEquals((await ask(server, "GET /home/b?raw")).text, "source");
      assertEquals((await ask(server, "GET /home/b?at=1&raw")).text, "appeared");
      assertEquals((await ask(server, "GET /home/a")).status, 404);
      assertMatch((await ask(server, "PROPFIND /dav/home/b")).text, /of-a/);
    }),
);

oneServerTest(
  "MOVE with Overwrite F answers 412 and keeps both worlds and their properties",
  LOCKED,
  () =>
    transferWhile("MOVE /dav/home/a", "F", async (server) => {
      await putB(server);
      const body = PROPPATCH.replace("VALUE", "of-b");
      assertEquals((await ask(server, "PROPPATCH /dav/home/b", { body })).status, 207);
    }, async (server, { status, text }) => {
      assertEquals(status, 412, text);
      assertEquals((await ask(server, "GET /home/a?raw")).text, "source");
      assertEquals((await ask(server, "GET /home/b?raw")).text, "appeared");
      assertMatch((await ask(server, "PROPFIND /dav/home/a")).text, /of-a/);
      assertMatch((await ask(server, "PROPFIND /dav/home/b")).text, /of-b/);
    }),
);

oneServerTest(
  "MOVE with Overwrite T answers 423 if the world that appeared is locked",
  LOCKED,
  () =>
    transferWhile("MOVE /dav/home/a", "T", async (server) => {
      await putB(server);
      assertEquals((await ask(server, "LOCK /dav/home/b", { body: LOCK })).status, 200);
    }, async (server, { status, text }) => {
      assertEquals(status, 423, text);
      assertEquals((await ask(server, "GET /home/a?raw")).text, "source");
      assertEquals((await ask(server, "GET /home/b?raw")).text, "appeared");
    }),
);

for (const [overwrite, expected] of [["T", 204], ["F", 412]] as const) {
  oneServerTest(
    `COPY with Overwrite ${overwrite} answers ${expected} if a world appeared at the destination`,
    LOCKED,
    () =>
      transferWhile("COPY /dav/home/a", overwrite, putB, async (server, { status, text }) => {
        assertEquals(status, expected, text);
        const content = overwrite === "T" ? "source" : "appeared";
        assertEquals((await ask(server, "GET /home/b?raw")).text, content);
        assertEquals((await ask(server, "GET /home/b?at=1&raw")).text, "appeared");
        assertEquals((await ask(server, "GET /home/a?raw")).text, "source");
      }),
  );
}
