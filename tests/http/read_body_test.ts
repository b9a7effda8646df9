import { assertEquals, assertRejects, assertStrictEquals } from "../support/assert.ts";
import { keepBody, readBody } from "../../lib/http/read_body.ts";
import { Problem } from "../../lib/http/problem.ts";
import { bearer, CLOSED, type TestServer, TOKEN, withServer } from "../support/test_server.ts";
import { bytesOf, Connection } from "../support/wire.ts";

const MOST = 1000;
const T2 = bearer(TOKEN);

function request(body: BodyInit | null, headers: Record<string, string> = {}): Request {
  return new Request("http://machine/home/x", { method: "PUT", body, headers });
}

/** A body of unknown length, in chunks. */
function stream(...pieces: (number | Error)[]): ReadableStream<Uint8Array> {
  return new ReadableStream({
    pull(controller) {
      const piece = pieces.shift();
      if (piece === undefined) controller.close();
      else if (piece instanceof Error) controller.error(piece);
      else controller.enqueue(new Uint8Array(piece).fill(7));
    },
  });
}

function is(type: string): (error: unknown) => boolean {
  return (error) => error instanceof Problem && error.type === type;
}

Deno.test("readBody() returns the bytes, in any number of chunks", async () => {
  assertEquals(await readBody(request(null), MOST), new Uint8Array());
  assertEquals(await readBody(request("abc"), MOST), bytesOf("abc"));
  assertEquals(await readBody(request(stream(2, 0, 3)), MOST), new Uint8Array(5).fill(7));
  assertEquals(await readBody(request(stream()), MOST), new Uint8Array());
  const declared = request("abc", { "content-length": "3" });
  assertEquals(await readBody(declared, MOST), bytesOf("abc"));
});

Deno.test("readBody() returns the bytes of a kept body again", async () => {
  const kept = request(stream(2, 3));
  keepBody(kept);
  assertStrictEquals(await readBody(kept, MOST), await readBody(kept, MOST));
  await assertRejects(readBody(kept, 4), is("body-too-large"));
  const once = request("abc");
  await readBody(once, MOST);
  await assertRejects(readBody(once, MOST));
});

Deno.test("readBody() accepts the maximum and no byte more", async () => {
  assertStrictEquals((await readBody(request(stream(600, 400)), MOST)).length, MOST);
  await assertRejects(readBody(request(stream(600, 401)), MOST), is("body-too-large"));
  assertStrictEquals((await readBody(request(new Uint8Array(MOST)), MOST)).length, MOST);
  await assertRejects(readBody(request(new Uint8Array(MOST + 1)), MOST), is("body-too-large"));
});

Deno.test("readBody() rejects a declared length unread, and a false one while reading", async () => {
  let pulled = false;
  const unread = new ReadableStream({ pull: () => void (pulled = true) }, { highWaterMark: 0 });
  const long = request(unread, { "content-length": "1001" });
  await assertRejects(readBody(long, MOST), is("body-too-large"));
  assertEquals(pulled, false);
  const understated = request(new Uint8Array(MOST + 1), { "content-length": "3" });
  await assertRejects(readBody(understated, MOST), is("body-too-large"));
});

Deno.test("readBody() stops reading at the first byte beyond the limit", async () => {
  let pulls = 0;
  let cancelled = false;
  const endless = new ReadableStream<Uint8Array>({
    pull(controller) {
      pulls++;
      controller.enqueue(new Uint8Array(400));
    },
    cancel: () => void (cancelled = true),
  }, { highWaterMark: 0 });
  await assertRejects(readBody(request(endless), MOST), is("body-too-large"));
  assertEquals([pulls, cancelled], [3, true]);
});

Deno.test("readBody() reports for a truncated body that nothing was stored", async () => {
  const broken = () => stream(5, new Error("reset"));
  await assertRejects(readBody(request(broken()), MOST), is("bad-body"));
  await assertRejects(readBody(request(broken(), { "content-length": "9" }), MOST), is("bad-body"));
});

async function versionOf(server: TestServer, path: string): Promise<number | undefined> {
  const { status, text } = await server.send({ method: "GET", target: path });
  return status === 200 ? Number(JSON.parse(text).version) : undefined;
}

function chunked(total: number, piece: number): string {
  const chunk = `${piece.toString(16)}\r\n${"c".repeat(piece)}\r\n`;
  const rest = total % piece;
  const last = rest === 0 ? "" : `${rest.toString(16)}\r\n${"c".repeat(rest)}\r\n`;
  return `${chunk.repeat(Math.floor(total / piece))}${last}0\r\n\r\n`;
}

Deno.test("PUT and POST store bodies up to the limit, with and without Content-Length", async (t) => {
  await withServer({ env: { ...CLOSED, ELASTIK_MAX_BODY: String(MOST) } }, async (server) => {
    for (
      const [how, method, bytes, status] of [
        ["declared", "PUT", MOST, 201],
        ["declared", "PUT", MOST + 1, 413],
        ["declared", "POST", MOST, 201],
        ["declared", "POST", MOST + 1, 413],
        ["chunked", "PUT", MOST, 201],
        ["chunked", "PUT", MOST + 1, 413],
        ["chunked", "POST", MOST, 201],
        ["chunked", "POST", MOST + 1, 413],
        ["chunked", "PUT", 50 * MOST, 413],
      ] as const
    ) {
      await t.step(`${method} of ${bytes} bytes, ${how}, answers ${status}`, async () => {
        const target = `/home/${method}-${how}-${bytes}`;
        const reply = await server.send({
          method,
          target,
          headers: { ...T2, ...(how === "chunked" ? { "transfer-encoding": "chunked" } : {}) },
          body: how === "chunked" ? chunked(bytes, 300) : "c".repeat(bytes),
        });
        assertStrictEquals(reply.status, status, reply.text);
        assertStrictEquals(await versionOf(server, target), status === 201 ? 1 : undefined);
        if (status === 201) {
          const raw = await server.send({ method: "GET", target: `${target}?raw` });
          assertStrictEquals(raw.text, "c".repeat(bytes));
        }
      });
    }
  });
});

Deno.test("PUT answers 413 before the body is sent if Content-Length is too large", async () => {
  await withServer({ env: CLOSED }, async (server) => {
    const connection = await Connection.open(server.port);
    await connection.write(
      `PUT /home/big HTTP/1.1\r\nhost: localhost\r\nauthorization: ${T2.authorization}\r\n` +
        `content-length: 99999999999\r\n\r\n`,
    );
    const reply = await connection.reply();
    assertEquals(reply.status, 413);
    assertEquals(reply.headers.get("content-type"), "application/problem+json");
    connection.close();
    assertEquals(await versionOf(server, "/home/big"), undefined);
  });
});

Deno.test("POST answers 413 if the world would exceed its limit", async () => {
  await withServer({ env: { ...CLOSED, ELASTIK_MAX_WORLD: "10" } }, async (server) => {
    const append = (body: string) =>
      server.send({ method: "POST", target: "/home/log", headers: T2, body });
    assertEquals((await append("12345")).status, 201);
    assertEquals((await append("67890")).status, 200);
    const over = await append("x");
    assertEquals(over.status, 413);
    assertEquals(
      (await server.send({ method: "GET", target: "/home/log?raw" })).text,
      "1234567890",
    );
    assertEquals(await versionOf(server, "/home/log"), 2);
  });
});

Deno.test("readBody() refuses a transfer coding other than chunked", async () => {
  const encoded = request("abc", { "transfer-encoding": "gzip, chunked" });
  await assertRejects(readBody(encoded, MOST), is("not-implemented"));
  const chunked = request("abc", { "transfer-encoding": "Chunked" });
  assertEquals(await readBody(chunked, MOST), bytesOf("abc"));
});
