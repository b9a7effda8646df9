/**
 * Malformed requests on plain sockets: two lengths, broken chunks, incomplete bodies, floods and random
 * bytes. The server must store no incomplete body, must process no request that is hidden in another
 * (request smuggling), and must serve other clients at the same time.
 */

import { assert, assertEquals, assertMatch, assertStrictEquals } from "../support/assert.ts";
import { APPROVE, bearer, CLOSED, suite, type TestServer, TOKEN } from "../support/test_server.ts";
import { Connection } from "../support/wire.ts";
import { createRandom } from "../support/random.ts";

const test = suite("the server handles malformed, incomplete and pipelined messages", {
  env: CLOSED,
});

const HOST = "host: localhost\r\n";
const AUTH = `${HOST}authorization: Bearer ${TOKEN}\r\n`;
const SMUGGLED = `PUT /home/smuggled HTTP/1.1\r\n${AUTH}content-length: 1\r\n\r\nx`;

/** Every world with its version. */
async function worlds(server: TestServer): Promise<string> {
  const headers = { ...bearer(APPROVE), accept: "application/json" };
  const { text } = await server.send({ method: "GET", target: "/proc/worlds", headers });
  const rows: unknown = JSON.parse(text);
  assert(Array.isArray(rows));
  return rows.map(({ name, version }) => `${name} ${version}`).join("\n");
}

/** The last request of a message: its response shows that the server has processed all others. */
const LAST = `GET /proc/version HTTP/1.1\r\n${HOST}connection: close\r\n\r\n`;
/** How long the server may wait for more bytes before the test disconnects, in milliseconds. */
const MAX_WAIT_MS = 500;

/** Sends bytes that end with {@link LAST} after valid requests; returns all answers. */
async function sendWhole(server: TestServer, bytes: string): Promise<string> {
  const connection = await Connection.open(server.port);
  try {
    await connection.write(bytes);
    return await connection.rest();
  } finally {
    connection.close();
  }
}

/** Sends bytes and returns what the server sends until either side disconnects. */
async function sendBytes(server: TestServer, bytes: string | Uint8Array): Promise<string> {
  const connection = await Connection.open(server.port);
  const timer = setTimeout(() => connection.close(), MAX_WAIT_MS);
  try {
    await connection.write(bytes);
    return await connection.rest();
  } catch (error) {
    // The server may disconnect before it has read everything; the timer when it waits for more.
    if (isDisconnect(error)) return "";
    throw error;
  } finally {
    clearTimeout(timer);
    connection.close();
  }
}

function isDisconnect(error: unknown): boolean {
  return error instanceof Deno.errors.ConnectionReset || error instanceof Deno.errors.BrokenPipe ||
    error instanceof Deno.errors.Interrupted || error instanceof Deno.errors.BadResource;
}

/** Sends valid requests one after the other until it is stopped; a failure fails the test. */
function startReader(server: TestServer): { stop(least: number): Promise<void> } {
  let isRunning = true;
  let least = 0;
  const run = async () => {
    for (let count = 0; isRunning || count < least; count++) {
      const reply = await server.send({ method: "GET", target: "/usr/bin/boot?raw" });
      assertEquals(reply.status, 200);
    }
  };
  const running = run();
  running.catch(() => {}); // `stop` returns the error; a test that failed before does not call it
  return {
    /** @param least requests that it sends in any case, on a busy computer the last of them now */
    stop: (atLeast) => {
      least = atLeast;
      isRunning = false;
      return running;
    },
  };
}

/** Ambiguous framings (RFC 9112 §6.3, §11.2), each with a hidden request. */
const FRAMINGS: readonly (readonly [name: string, message: string])[] = [
  ["both lengths", `content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n${SMUGGLED}`],
  [
    "both lengths, in the other order",
    `transfer-encoding: chunked\r\ncontent-length: 5\r\n\r\n0\r\n\r\n${SMUGGLED}`,
  ],
  ["two lengths", `content-length: 0\r\ncontent-length: ${SMUGGLED.length}\r\n\r\n${SMUGGLED}`],
  ["a list of lengths", `content-length: 0, ${SMUGGLED.length}\r\n\r\n${SMUGGLED}`],
  ["a signed length", `content-length: +0\r\n\r\n${SMUGGLED}`],
  ["a negative length", `content-length: -1\r\n\r\n${SMUGGLED}`],
  ["a length in hex", `content-length: 0x0\r\n\r\n${SMUGGLED}`],
  ["a length beyond 64 bits", `content-length: 99999999999999999999\r\n\r\n${SMUGGLED}`],
  ["a length without digits", `content-length: \r\n\r\n${SMUGGLED}`],
  ["a space before the colon", `content-length : 0\r\n\r\n${SMUGGLED}`],
  ["a folded header", `x-a: b\r\n content-length: 0\r\n\r\n${SMUGGLED}`],
  ["an unknown coding", `transfer-encoding: xchunked\r\n\r\n${SMUGGLED}`],
  ["chunked, then identity", `transfer-encoding: chunked, identity\r\n\r\n0\r\n\r\n${SMUGGLED}`],
  [
    "chunked twice",
    `transfer-encoding: chunked\r\ntransfer-encoding: identity\r\n\r\n0\r\n\r\n${SMUGGLED}`,
  ],
  ["a coding in quotes", `transfer-encoding: "chunked"\r\n\r\n0\r\n\r\n${SMUGGLED}`],
  ["a coding after a vertical tab", `transfer-encoding: \x0bchunked\r\n\r\n0\r\n\r\n${SMUGGLED}`],
  ["a bad chunk size", `transfer-encoding: chunked\r\n\r\nzz\r\nabc\r\n0\r\n\r\n`],
  ["a negative chunk size", `transfer-encoding: chunked\r\n\r\n-3\r\nabc\r\n0\r\n\r\n`],
  ["a chunk size in 0x", `transfer-encoding: chunked\r\n\r\n0x3\r\nabc\r\n0\r\n\r\n`],
  [
    "a chunk size beyond 64 bits",
    `transfer-encoding: chunked\r\n\r\nfffffffffffffffff\r\nabc\r\n0\r\n\r\n`,
  ],
  ["a chunk longer than it says", `transfer-encoding: chunked\r\n\r\n1\r\nabc\r\n0\r\n\r\n`],
  ["a NUL in a header", `x-a: a\0b\r\ncontent-length: 3\r\n\r\nabc`],
  ["a header without a colon", `garbage\r\ncontent-length: 3\r\n\r\nabc`],
  ["a header without a name", `: x\r\ncontent-length: 3\r\n\r\nabc`],
];

/** Requests that their sender does not finish. */
const UNFINISHED: typeof FRAMINGS = [
  ["a chunk shorter than it says", `transfer-encoding: chunked\r\n\r\n9\r\nabc\r\n0\r\n\r\n`],
  ["no last chunk", `transfer-encoding: chunked\r\n\r\n3\r\nabc\r\n`],
  ["half of the last chunk", `transfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n`],
  ["an incomplete body", `content-length: 10\r\n\r\nabc`],
  ["a missing body", `content-length: 10\r\n\r\n`],
  ["incomplete headers", `content-length: 3\r\n`],
];

test("PUT and POST store nothing if the framing is ambiguous or incomplete", async (server, t) => {
  await server.send({
    method: "PUT",
    target: "/home/there",
    headers: bearer(TOKEN),
    body: "as it was",
  });
  const before = await worlds(server);
  const reader = startReader(server);
  for (const [name, rest] of FRAMINGS) {
    await t.step(name, async () => {
      for (const start of ["PUT /home/new", "PUT /home/there", "POST /home/there"]) {
        const answer = await sendBytes(server, `${start} HTTP/1.1\r\n${AUTH}${rest}${LAST}`);
        assert(!/^HTTP\/1\.1 2/m.test(answer), answer);
      }
      assertStrictEquals(await worlds(server), before);
    });
  }
  for (const [name, rest] of UNFINISHED) {
    await t.step(name, async () => {
      for (const start of ["PUT /home/new", "PUT /home/there", "POST /home/there"]) {
        const connection = await Connection.open(server.port);
        await connection.write(`${start} HTTP/1.1\r\n${AUTH}${rest}`);
        await connection.closeWrite();
        assert(!/^HTTP\/1\.1 2/m.test(await connection.rest()));
        connection.close();
      }
      assertStrictEquals(await worlds(server), before);
    });
  }
  await reader.stop(1);
  assertEquals(server.log, []);
});

test("PUT accepts chunk extensions and trailers, and ignores headers in a trailer", async (server) => {
  const chunked = `PUT /home/chunks HTTP/1.1\r\n${AUTH}transfer-encoding: Chunked\r\n\r\n`;
  const answer = await sendWhole(
    server,
    `${chunked}3;name=value\r\nabc\r\n0002\r\nde\r\n0\r\nx-meta-late: 1\r\n\r\n${LAST}`,
  );
  assertMatch(answer, /^HTTP\/1\.1 201 /);
  const reply = await server.send({ method: "GET", target: "/home/chunks?raw" });
  assertEquals(reply.text, "abcde");
  assertEquals(reply.headers.get("x-meta-late"), undefined);
  const unsigned = `PUT /home/late HTTP/1.1\r\n${HOST}transfer-encoding: chunked\r\n\r\n`;
  const late = await sendWhole(
    server,
    `${unsigned}3\r\nabc\r\n0\r\nauthorization: Bearer ${TOKEN}\r\n\r\n${LAST}`,
  );
  assertMatch(late, /^HTTP\/1\.1 401 /);
});

test("PUT and POST store nothing of an upload whose sender disconnects", async (server) => {
  await server.send({
    method: "PUT",
    target: "/home/there",
    headers: bearer(TOKEN),
    body: "as it was",
  });
  const before = await worlds(server);
  const half = "x".repeat(200_000);
  for (let round = 0; round < 10; round++) {
    for (const start of ["PUT /home/new", "PUT /home/there", "POST /home/there"]) {
      for (
        const framing of [
          "content-length: 400000\r\n\r\n",
          "transfer-encoding: chunked\r\n\r\n61a80\r\n",
        ]
      ) {
        const connection = await Connection.open(server.port);
        await connection.write(`${start} HTTP/1.1\r\n${AUTH}${framing}${half}`);
        connection.close();
      }
    }
  }
  // The next request to the same world does not wait for clients that disconnected.
  const reply = await server.send({
    method: "POST",
    target: "/home/there",
    headers: bearer(TOKEN),
    body: "!",
  });
  assertEquals(reply.status, 200);
  assertEquals(
    (await server.send({ method: "GET", target: "/home/there?raw" })).text,
    "as it was!",
  );
  assertStrictEquals(await worlds(server), before.replace("home/there 1", "home/there 2"));
});

test("GET answers pipelined requests in order", async (server) => {
  const connection = await Connection.open(server.port);
  let message = "";
  for (let i = 1; i <= 20; i++) {
    message += `POST /home/log HTTP/1.1\r\n${AUTH}content-length: 2\r\n\r\n${i % 10},`;
    message += `GET /home/log?raw HTTP/1.1\r\n${HOST}\r\n`;
  }
  message += `GET /nowhere HTTP/1.1\r\n${HOST}\r\nHEAD /home/log HTTP/1.1\r\n${HOST}\r\n`;
  await connection.write(message);
  let text = "";
  for (let i = 1; i <= 20; i++) {
    text += `${i % 10},`;
    assertStrictEquals((await connection.reply()).status, i === 1 ? 201 : 200);
    assertStrictEquals((await connection.reply()).text, text);
  }
  assertEquals((await connection.reply()).status, 404);
  assertEquals((await connection.reply(true)).headers.get("etag")?.slice(0, 4), '"20-');
  connection.close();
});

const MAX_TARGET = 8192;

test("GET answers 414 to a request target of more than 8192 bytes", async (server) => {
  const statusOf = async (target: string, method = "GET") =>
    (await server.send({ method, target, headers: bearer(TOKEN) })).status;
  const fill = (path: string, length: number) => path + "a".repeat(length - path.length);
  assertEquals(await statusOf(fill("/bin?x=", MAX_TARGET)), 400);
  assertEquals(await statusOf(fill("/bin?x=", MAX_TARGET + 1)), 414);
  assertEquals(await statusOf(fill("/bin?x=", 60_000)), 414);
  assertEquals(await statusOf(fill("/home/", MAX_TARGET)), 400);
  assertEquals(await statusOf(fill("/home/", MAX_TARGET + 1)), 414);
  assertEquals(await statusOf(fill("/home/", MAX_TARGET + 1), "PUT"), 414);
  assertEquals(await statusOf(`/home${"/a".repeat(4000)}`), 400);
  assertEquals(await statusOf(`/home${"/a".repeat(10_000)}`), 414);
  assertEquals(await statusOf(`/home/${"%C3%A9".repeat(1300)}`), 400);
  // curl sends letters outside ASCII as UTF-8; they name the same world as their escapes.
  assertEquals(await statusOf("/home/café", "PUT"), 201);
  assertEquals(await statusOf("/home/caf%C3%A9"), 200);
});

test("GET of other clients succeeds during floods and random bytes", async (server) => {
  const before = await worlds(server);
  const reader = startReader(server);
  const random = createRandom(20_240_229);
  const noise = (length: number) => Uint8Array.from({ length }, () => random() * 256);
  const start = `GET /usr/bin/boot HTTP/1.1\r\n${HOST}`;
  const messages: (string | Uint8Array)[] = [
    `${start}${"x-flood: 1\r\n".repeat(5000)}\r\n`,
    `${start}${Array.from({ length: 300 }, (_, i) => `x-${i}: 1\r\n`).join("")}\r\n`,
    `${start}x-long: ${"a".repeat(500_000)}\r\n\r\n`,
    `${start}${"x".repeat(70_000)}: a\r\n\r\n`,
    `${start}authorization: Bearer ${"a".repeat(30_000)}\r\n\r\n`,
    `${start}authorization: Basic ${btoa(":".repeat(3000))}\r\n\r\n`,
    `${start}accept: ${"text/html;q=0.1,".repeat(2000)}\r\n\r\n`,
    `${start}accept: ${",".repeat(9000)}\r\n\r\n`,
    `${start}if-none-match: ${'"a",'.repeat(5000)}\r\n\r\n`,
    `${start}if-none-match: ${'W/"'.repeat(5000)}\r\n\r\n`,
    `${start}range: bytes=${"0-1,".repeat(5000)}\r\n\r\n`,
    `${start}if-modified-since: ${"Mon, ".repeat(5000)}\r\n\r\n`,
    `${start}cookie: ${"a=b; ".repeat(5000)}\r\n\r\n`,
    `${start}x-forwarded-for: ${"1.2.3.4,".repeat(5000)}\r\n\r\n`,
    `${start}expect: 200-ok\r\n\r\n`,
    `${start}upgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-key: x\r\n\r\n`,
    `${start}upgrade: h2c\r\nconnection: upgrade, http2-settings\r\nhttp2-settings: x\r\n\r\n`,
    `${"A".repeat(20_000)} /usr/bin/boot HTTP/1.1\r\n${HOST}\r\n`,
    `GET /usr/bin/boot HTTP/9.9\r\n${HOST}\r\n`,
    `GET /usr/bin/boot\r\n\r\n`,
    `GET  /usr/bin/boot HTTP/1.1\r\n${HOST}\r\n`,
    `GET /usr/bin/boot HTTP/1.1\r${HOST}\r`,
    `GET /home/a b HTTP/1.1\r\n${HOST}\r\n`,
    `GET /home/\xff HTTP/1.1\r\n${HOST}\r\n`,
    `OPTIONS * HTTP/1.1\r\n${HOST}\r\n`,
    `CONNECT localhost:22 HTTP/1.1\r\n${HOST}\r\n`,
    `CONNECT /usr/bin/boot HTTP/1.1\r\n${HOST}\r\n`,
    `TRACE / HTTP/1.1\r\n${HOST}\r\n`,
    "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "\r\n\r\n\r\n",
    "\0".repeat(1000),
    ...Array.from({ length: 40 }, (_, i) => noise(i * 50 + 1)),
    ...Array.from({ length: 20 }, () => {
      const bytes = new TextEncoder().encode(
        `PUT /home/new HTTP/1.1\r\n${AUTH}content-length: 0\r\n\r\n`,
      );
      // One byte of the request line or of a header name, so that the request cannot be valid.
      bytes[Math.floor(random() * 20)] = 0x80 + random() * 0x7f;
      return bytes;
    }),
  ];
  // All at the same time: many of them wait for an end that is not sent.
  await Promise.all(messages.map(async (message) => {
    const answer = await sendBytes(server, message);
    assert(!/^HTTP\/1\.1 (2\d\d|500)/m.test(answer) || String(message).startsWith("GET"), answer);
    assert(!/^HTTP\/1\.1 500/m.test(answer), `${String(message).slice(0, 100)}: ${answer}`);
  }));
  // 200 incomplete requests stay open while other requests are served.
  const idle = await Promise.all(Array.from({ length: 200 }, async (_, i) => {
    const connection = await Connection.open(server.port);
    await connection.write(
      i % 2 === 0 ? "GET /home/bo" : `PUT /home/new HTTP/1.1\r\n${AUTH}content-length: 9\r\n\r\nab`,
    );
    return connection;
  }));
  assertEquals((await server.send({ method: "GET", target: "/proc/version" })).status, 200);
  await reader.stop(10);
  for (const connection of idle) connection.close();
  assertStrictEquals(await worlds(server), before);
  assertEquals(server.log, []);
});
