import { assert, assertEquals, assertMatch } from "../support/assert.ts";
import { EventReader } from "../support/event_reader.ts";
import { bearer, CLOSED, startTestServer, type TestServer, TOKEN } from "../support/test_server.ts";

/** A parsed line of the log. */
interface Row {
  readonly client: string;
  readonly by?: string;
  readonly method: string;
  readonly path: string;
  readonly status: number;
  readonly bytes: number;
  readonly ms: number;
  readonly aborted?: true;
}

/** Runs a test on a server with a log, and returns the log after the server stopped. */
async function withLog(
  env: Record<string, string>,
  act: (server: TestServer, logged: (what: string | number) => Promise<void>) => Promise<void>,
): Promise<string> {
  const decoder = new TextDecoder();
  let written = "";
  let onWrite = () => {};
  const has = (what: string | number) =>
    typeof what === "string" ? written.includes(what) : rows(written).length >= what;
  /** Waits until the log contains a text, or a number of lines. */
  const logged = async (what: string | number): Promise<void> => {
    while (!has(what)) await new Promise<void>((resolve) => onWrite = resolve);
  };
  const server = await startTestServer({
    env: { ELASTIK_LOG: "json", ...env },
    write: (bytes) => {
      written += decoder.decode(bytes, { stream: true });
      onWrite();
      return Promise.resolve(bytes.length);
    },
  });
  try {
    await act(server, logged);
  } finally {
    await server.close();
  }
  for (const secret of server.secrets) assert(!written.includes(secret), "the log shows a secret");
  return written;
}

/** The complete lines. */
function rows(written: string): Row[] {
  return written.split("\n").slice(0, -1).map((line) => JSON.parse(line))
    .filter(({ path }) => !path.startsWith("/boot"));
}

Deno.test("AccessLog logs every response with caller, size and path, without the query", async () => {
  const written = await withLog(CLOSED, async (server, logged) => {
    const cap = server.capability("/home/a b", "rw");
    let asked = 0;
    const ask = async (method: string, target: string, headers = {}, body?: string) => {
      await server.send({ method, target, headers, ...(body === undefined ? {} : { body }) });
      // Another server of a cluster can answer the next request, and write its line first.
      await logged(++asked);
    };
    await ask("PUT", "/home/a%20b/x?ext=md", bearer(cap), "12345");
    await ask("GET", "/home/a%20b/x?raw", bearer(TOKEN));
    await ask("HEAD", "/home/a%20b/x?raw", bearer(TOKEN));
    await ask("GET", "/home/a%20b/x?raw", { ...bearer(TOKEN), range: "bytes=1-2" });
    await ask("GET", "/home/nothing", bearer("no-such-token"));
    await ask("BREW", "/home/x?secret=s3cr3t");
    await ask("GET", "/home/../etc/x?t=s3cr3t");
    await ask("DELETE", "/home/a%20b/x", bearer(server.approveToken));
  });
  assert(!written.includes("s3cr3t"));
  const found = rows(written);
  for (const { client, ms } of found) {
    assertEquals(client, "127.0.0.1");
    assert(ms >= 0 && ms < 60_000);
  }
  assertEquals(
    found.map(({ by, method, path, status, bytes }) => [by, method, path, status, bytes]),
    [
      ["cap:/home/a b", "PUT", "/home/a%20b/x", 201, 25],
      ["T2", "GET", "/home/a%20b/x", 200, 5],
      ["T2", "HEAD", "/home/a%20b/x", 200, 0],
      ["T2", "GET", "/home/a%20b/x", 206, 2],
      ["T1", "GET", "/home/nothing", 404, found[4]?.bytes],
      [undefined, "BREW", "/home/x", 501, found[5]?.bytes],
      [undefined, "GET", "/home/../etc/x", 400, found[6]?.bytes],
      ["T3", "DELETE", "/home/a%20b/x", 200, found[7]?.bytes],
    ],
  );
});

Deno.test("AccessLog logs the client behind a trusted proxy, and ignores untrusted headers", async () => {
  const forwarded = { "x-forwarded-for": "198.51.100.9" };
  const trusted = {
    ...CLOSED,
    ELASTIK_TRUST_PROXY_HEADER: "X-Forwarded-For",
    ELASTIK_TRUST_PROXY_FROM: "127.0.0.1",
  };
  const seen: string[] = [];
  for (const env of [trusted, CLOSED]) {
    const written = await withLog(env, async (server, logged) => {
      await server.send({
        method: "GET",
        target: "/home/",
        headers: { ...bearer(TOKEN), ...forwarded },
      });
      await logged(1);
      await server.send({ method: "GET", target: "/home/", headers: forwarded });
    });
    const found = rows(written);
    assertEquals(found.map(({ status }) => status), [200, 401]);
    seen.push(...found.map(({ client }) => client));
  }
  assertEquals(seen, ["198.51.100.9", "198.51.100.9", "127.0.0.1", "127.0.0.1"]);
});

Deno.test("AccessLog logs an event stream at its end, with all bytes sent", async () => {
  let wire = 0;
  const written = await withLog({}, async (server, logged) => {
    await server.approve("PUT", "/home/x", "one");
    const stream = await EventReader.open(`http://127.0.0.1:${server.port}/stream/home/x`);
    await stream.next();
    await server.approve("PUT", "/home/x", "two");
    await stream.next();
    wire = stream.wire.length;
    await stream.close();
    await logged("/stream/");
  });
  const found = rows(written);
  assertEquals(found.map(({ method, path }) => `${method} ${path}`).sort(), [
    "GET /stream/home/x",
    "PUT /home/x",
    "PUT /home/x",
  ]);
  const stream = found.find(({ path }) => path.startsWith("/stream"));
  assertEquals(stream?.aborted, true);
  assertEquals(stream?.by, "T2:local");
  assert(stream.bytes >= wire && wire > 100);
});

Deno.test("AccessLog logs a stream that is ended by the shutdown", async () => {
  let stream: EventReader | undefined;
  const written = await withLog({}, async (server) => {
    stream = await EventReader.open(`http://127.0.0.1:${server.port}/stream/home/`);
    await stream.next();
  });
  await stream?.close();
  assertEquals(rows(written).map(({ path }) => path), ["/stream/home"]);
});

Deno.test("AccessLog does not change responses", async () => {
  const answers: string[][] = [];
  const ask = async (server: TestServer) => {
    await server.approve("PUT", "/home/x", "twelve bytes");
    const found: string[] = [];
    for (const method of ["GET", "HEAD"]) {
      for (const target of ["/home/x", "/home/x?raw", "/home/", "/proc/version", "/nothing"]) {
        const reply = await server.send({ method, target });
        const headers = new Map(reply.headers);
        for (const name of ["date", "last-modified"]) headers.delete(name);
        if (method === "GET" && target !== "/home/x?raw") {
          // Without Content-Length the chunks are counted.
          for (const name of ["transfer-encoding", "content-length"]) headers.delete(name);
        }
        const response = JSON.stringify([target, reply.status, reply.text, [...headers].sort()]);
        found.push(response.replace(/20\d\d-[^"\\]*/g, ""));
      }
    }
    answers.push(found);
  };
  await withLog({ ELASTIK_LOG: "line" }, ask);
  await withLog({ ELASTIK_LOG: "off" }, ask);
  assertEquals(answers[0], answers[1]);
});

Deno.test("AccessLog writes lines, and nothing with the format off", async () => {
  const ask = async (server: TestServer) => {
    await server.send({ method: "GET", target: "/proc/version" });
  };
  assertMatch(
    (await withLog({ ELASTIK_LOG: "line" }, ask)).split("\n").find((line) =>
      line.includes("version")
    ) ??
      "",
    /^\S+Z 127\.0\.0\.1 T2:local GET \/proc\/version 200 \d+ [\d.]+ms$/,
  );
  assertEquals(await withLog({ ELASTIK_LOG: "off" }, ask), "");
});
