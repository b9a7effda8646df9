/**
 * A request that needs a world that another process has locked waits at most `ELASTIK_LOCK_WAIT`,
 * measured from its arrival, also behind other requests for the same world, and if it needs several
 * worlds or one of them several times. Then it answers 503 with Retry-After. Requests for other
 * worlds do not wait.
 */

import { DatabaseSync } from "node:sqlite";
import { assert, assertEquals } from "../support/assert.ts";
import { withTempFolder } from "../support/temp_folder.ts";
import { assertInTime, withMoreTime } from "../support/slow_computer.ts";
import { bearer, startTestServer, type TestServer } from "../support/test_server.ts";

/** Values of `ELASTIK_LOCK_WAIT`: a larger one if the computer is too slow for the smaller one. */
const WAITS_MS = [1_500, 6_000, 24_000];
/** Two waits in a row take longer than this. */
const limitOf = (waitMs: number) => 2 * waitMs - 50;
const WORLDS = ["/home/one", "/home/two", "/home/t/a", "/home/t/b", "/home/t/c", "/home/free"];
const PLUGIN = `export const description = "x"; export const routes = ["/x"];
export default { fetch: () => new Response("x") };`;

interface Answer {
  readonly request: string;
  readonly status: number;
  readonly text: string;
  readonly retryAfter: string | null;
  readonly ms: number;
}

/** Runs a test on a server without a cache that has the worlds in {@link WORLDS}. */
function withWorlds(use: (server: TestServer, waitMs: number) => Promise<void>): Promise<void> {
  return withMoreTime(WAITS_MS, (waitMs) =>
    withTempFolder(async (folder) => {
      const env = { ELASTIK_LOCK_WAIT: `${waitMs}`, ELASTIK_CACHE: "0" };
      const server = await startTestServer({ data: `${folder}/data`, env });
      try {
        for (const path of WORLDS) await server.approve("PUT", path, "old");
        await use(server, waitMs);
      } finally {
        await server.close();
      }
    }));
}

/** Sends a request on a connection of its own: `MOVE /home/a > /home/b`. */
async function ask(server: TestServer, request: string, body?: string): Promise<Answer> {
  const [method = "", target = "", , destination] = request.split(" ");
  const started = performance.now();
  const response = await fetch(`http://127.0.0.1:${server.port}${target}`, {
    method,
    ...(body === undefined ? {} : { body }),
    headers: {
      ...bearer(server.approveToken),
      ...(destination === undefined ? {} : { destination }),
    },
  });
  const text = await response.text();
  const ms = performance.now() - started;
  const retryAfter = response.headers.get("retry-after");
  return { request, status: response.status, text, retryAfter, ms };
}

/** Opens the file of a world as another program would, and locks it. */
function lock(server: TestServer, path: string, statements = "BEGIN IMMEDIATE"): DatabaseSync {
  const folder = path.slice(1).replaceAll("/", "%2F");
  const db = new DatabaseSync(`${server.data}/${folder}/universe.db`);
  // The server can have the file open at this moment, for a read of its indexes.
  db.exec(`PRAGMA busy_timeout = 60000; ${statements}`);
  return db;
}

function unlock(...locks: readonly DatabaseSync[]): void {
  for (const db of locks) {
    db.exec("ROLLBACK");
    db.close();
  }
}

const EXCLUSIVE = "PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE";

function assertInUse(answer: Answer, waitMs: number): void {
  const { request, status, text, retryAfter, ms } = answer;
  assertEquals([request, status, retryAfter], [request, 503, "5"], text);
  // A MOVE or DELETE that is tried again stops the audits and copies of the world each time.
  assert(/another process has locked its file|moves or deletions stopped it/.test(text), text);
  assertInTime(ms < limitOf(waitMs), `${request} took ${Math.round(ms)} ms`);
}

/** Sends requests for another world until `done`; returns the longest time of one. */
async function probeFree(server: TestServer, done: Promise<unknown>): Promise<number> {
  let isDone = false;
  void done.then(() => isDone = true);
  let longest = 0;
  while (!isDone) {
    for (const request of ["PUT /home/free", "GET /home/free?raw"]) {
      const answer = await ask(server, request, request.startsWith("PUT") ? "new" : undefined);
      assertEquals(answer.status, 200);
      longest = Math.max(longest, answer.ms);
    }
  }
  return longest;
}

const QUEUES: Record<string, readonly string[]> = {
  "MOVEs of one world": ["MOVE /dav/home/one > /dav/home/new"],
  "MOVEs onto one world": ["MOVE /dav/home/two > /dav/home/one"],
  "DELETEs": ["DELETE /home/one", "DELETE /dav/home/one"],
  "changes of every kind": [
    "MOVE /dav/home/one > /dav/home/new",
    "PUT /home/one",
    "POST /home/one",
    "DELETE /home/one",
    "PUT /dav/home/one",
    "PROPPATCH /dav/home/one",
    "COPY /dav/home/two > /dav/home/one",
    "MOVE /dav/home/two > /dav/home/one",
  ],
};

const PROPPATCH = `<?xml version="1.0"?><D:propertyupdate xmlns:D="DAV:" xmlns:Z="urn:z">
<D:set><D:prop><Z:a>1</Z:a></D:prop></D:set></D:propertyupdate>`;

function bodyOf(request: string): string | undefined {
  if (request.startsWith("PROPPATCH")) return PROPPATCH;
  return /^(?:PUT|POST)/.test(request) ? "new" : undefined;
}

for (const [what, requests] of Object.entries(QUEUES)) {
  Deno.test(`${what} that queue behind a lock are all answered within ELASTIK_LOCK_WAIT`, () =>
    withWorlds(async (server, waitMs) => {
      const other = lock(server, "/home/one");
      const all = Promise.all(
        Array.from({ length: 3 }, () => requests.map((of) => ask(server, of, bodyOf(of)))).flat(),
      );
      const longest = await probeFree(server, all);
      for (const answer of await all) assertInUse(answer, waitMs);
      assertInTime(longest < waitMs, `another world waited ${Math.round(longest)} ms`);
      unlock(other);
      assertEquals((await ask(server, "GET /home/one?raw")).text, "old");
      assertEquals((await ask(server, "GET /home/two?raw")).text, "old");
      assertEquals(JSON.parse((await ask(server, "GET /proc/audit/home/one")).text).ok, true);
      // A failed attempt leaves nothing in the trash.
      const trash = await Array.fromAsync(Deno.readDir(`${server.data}/.trash`)).catch(() => []);
      assertEquals(trash.filter(({ isDirectory }) => isDirectory), []);
    }));
}

Deno.test("PROPPATCHes of one world queue behind a lock no longer than ELASTIK_LOCK_WAIT", () =>
  withWorlds(async (server, waitMs) => {
    const other = lock(server, "/home/one");
    const all = Array.from({ length: 6 }, () => ask(server, "PROPPATCH /dav/home/one", PROPPATCH));
    for (const answer of await Promise.all(all)) assertInUse(answer, waitMs);
    unlock(other);
    assertEquals((await ask(server, "PROPPATCH /dav/home/one", PROPPATCH)).status, 207);
  }));

Deno.test("reads of a world that nothing can read wait no longer behind MOVEs and DELETEs of it", () =>
  withWorlds(async (server, waitMs) => {
    await server.stop();
    const env = { ELASTIK_LOCK_WAIT: `${waitMs}`, ELASTIK_CACHE: "0" };
    const again = await startTestServer({ data: server.data, env });
    try {
      const requests = [
        "GET /home/one",
        "GET /home/one?at=1",
        "GET /proc/audit/home/one",
        "GET /proc/log/home/one",
        "GET /proc/snapshot/home/one",
        "COPY /dav/home/one > /dav/home/new",
        "MOVE /dav/home/one > /dav/home/new",
        "DELETE /home/one",
      ];
      // Starts the Workers, which takes seconds on a busy computer, without opening the world itself.
      for (const path of WORLDS.slice(1)) await again.approve("PUT", path, "old");
      for (const request of requests.slice(0, -1)) {
        await ask(again, request.replaceAll("one", "two"));
      }
      const other = lock(again, "/home/one", EXCLUSIVE);
      const all = Promise.all(
        [...requests, ...requests, ...requests].map((request) => ask(again, request)),
      );
      const longest = await probeFree(again, all);
      for (const answer of await all) assertInUse(answer, waitMs);
      assertInTime(longest < waitMs, `another world waited ${Math.round(longest)} ms`);
      unlock(other);
      assertEquals((await ask(again, "GET /home/one?raw")).text, "old");
    } finally {
      await again.stop();
    }
  }));

Deno.test("a request for a tree waits once for all of its locked worlds", () =>
  withWorlds(async (server, waitMs) => {
    const locks = ["/home/t/a", "/home/t/c"].map((path) => lock(server, path));
    for (
      const request of [
        "MOVE /dav/home/t/ > /dav/home/u/",
        "DELETE /dav/home/u/",
        "DELETE /dav/home/t/",
        "DELETE /home/t/",
      ]
    ) {
      const { status, ms, text } = await ask(server, request);
      assert([207, 503, 204, 404].includes(status), `${request}: ${status} ${text}`);
      assertInTime(ms < limitOf(waitMs), `${request} took ${Math.round(ms)} ms`);
    }
    unlock(...locks);
    for (const path of ["/home/t/a", "/home/t/c"]) {
      assertEquals((await ask(server, `GET ${path}?raw`)).text, "old");
    }
  }));

Deno.test("state changes of a plugin whose source is locked do not queue beyond ELASTIK_LOCK_WAIT", () =>
  withWorlds(async (server, waitMs) => {
    await server.approve("PUT", "/lib/x", PLUGIN);
    await server.approve("PUT", "/lib/x/state", "active");
    const other = lock(server, "/lib/x");
    const all = Array.from({ length: 5 }, () => ask(server, "PUT /lib/x/state", "disabled"));
    for (const answer of await Promise.all(all)) assertInUse(answer, waitMs);
    unlock(other);
    assertEquals((await ask(server, "PUT /lib/x/state", "disabled")).status, 200);
  }));

Deno.test("a locked ledger of names delays only requests that need it", () =>
  withWorlds(async (server, waitMs) => {
    // Opens the ledger.
    await ask(server, "DELETE /home/two");
    const other = new DatabaseSync(`${server.data}/.names.db`);
    other.exec("BEGIN IMMEDIATE");
    const all = Promise.all(
      ["DELETE /home/one", "MOVE /dav/home/t/a > /dav/home/x", "DELETE /home/t/b"]
        .map((request) => ask(server, request)),
    );
    const longest = await probeFree(server, all);
    for (const { request, status, ms } of await all) {
      assertEquals([request, status], [request, 503]);
      // The first use of the ledger in each writer waits in it for LEDGER_BUSY_MS.
      assertInTime(ms < limitOf(waitMs) + 500, `${request} took ${Math.round(ms)} ms`);
    }
    assertInTime(longest < 2 * waitMs, `another world waited ${Math.round(longest)} ms`);
    unlock(other);
    assertEquals((await ask(server, "DELETE /home/one")).status, 200);
  }));

Deno.test("every request that waits for a lock is carried out after its release", () =>
  withTempFolder(async (folder) => {
    const server = await startTestServer({
      data: `${folder}/data`,
      env: { ELASTIK_LOCK_WAIT: "600000" },
    });
    try {
      for (const path of WORLDS) await server.approve("PUT", path, "old");
      const other = lock(server, "/home/one");
      const moves = ["MOVE /dav/home/one > /dav/home/x", "MOVE /dav/home/one > /dav/home/y"]
        .map((request) => ask(server, request));
      await probeFree(server, new Promise((resume) => setTimeout(resume, 100)));
      unlock(other);
      const statuses = (await Promise.all(moves)).map(({ status }) => status);
      assertEquals(statuses.toSorted(), [201, 404]);
      assertEquals((await ask(server, "GET /home/one")).status, 404);
    } finally {
      await server.close();
    }
  }));

Deno.test("each read waits for its own lock, whatever an earlier request has loaded or waited for", () =>
  withWorlds(async (server, waitMs) => {
    const locked = lock(server, "/home/one", EXCLUSIVE);
    // The first move loads the module of WebDAV: the runtime then keeps the context of the request.
    assertInUse(await ask(server, "MOVE /home/one > /home/new"), waitMs);
    assertInUse(await ask(server, "GET /home/one?raw"), waitMs);
    for (const request of ["GET /home/two?raw", "GET /home/two?raw&at=1", "GET /home/two"]) {
      const other = lock(server, "/home/two", EXCLUSIVE);
      const lockedAt = performance.now();
      const answer = ask(server, request);
      await new Promise((resume) => setTimeout(resume, waitMs / 4));
      unlock(other);
      const { status } = await answer;
      const isEarly = performance.now() - lockedAt < waitMs;
      assertInTime(status === 200 || isEarly, "the lock was held for too long");
      assertEquals(status, 200, request);
    }
    unlock(locked);
  }));
