/**
 * A proxy for the server of a browser test, which delays one kind of responses. On a busy computer the
 * response to a write, a read or the stream of changes can arrive long after the two others, so neither
 * the page nor a test may depend on their order. Runs with `TEST_LATE` find what does.
 */

import { assert } from "../support/assert.ts";

/** Environment variable with the kind of the responses that arrive late in all tests of the browser. */
const TEST_LATE = "TEST_LATE";
/** Kinds of responses that a proxy delays. */
const KINDS = ["writes", "reads", "streams"] as const;
type LateKind = typeof KINDS[number];

/** How long a response waits, in milliseconds: longer than the page takes for anything that it does next. */
const LATE_MS = 800;
const READ_BYTES = 256 * 1024;
/** The first line of a request that only reads; requests of other methods write. */
const READS = /^(?:GET|HEAD|OPTIONS|PROPFIND) \S+ HTTP\/1\.1\r\n/;
const REQUEST = /^[A-Z]+ \S+ HTTP\/1\.1\r\n/;
const STREAM = /^HTTP\/1\.1 200[^]*\r\ncontent-type: text\/event-stream/i;

/** A proxy that runs. */
export interface LateProxy {
  /** `http://127.0.0.1:41234`, without a slash at the end. */
  readonly url: string;
  close(): Promise<void>;
}

/**
 * Starts a proxy in front of a server if `TEST_LATE` has a kind of responses, such as `writes`.
 *
 * @param url the server, such as `http://127.0.0.1:41234`
 * @throws {AssertionError} for another kind
 */
export function startLateProxy(url: string): LateProxy | undefined {
  const wanted = Deno.env.get(TEST_LATE);
  if (wanted === undefined) return undefined;
  const late = KINDS.find((kind) => kind === wanted);
  assert(late !== undefined, `${TEST_LATE} is "${wanted}"; it can be ${KINDS.join(", ")}`);
  const port = Number(new URL(url).port);
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const open = new Set<Deno.Conn>();
  const ended = accept(listener, open, port, late);
  return {
    url: `http://127.0.0.1:${listener.addr.port}`,
    async close() {
      listener.close();
      for (const connection of open) end(connection, open);
      await ended;
    },
  };
}

async function accept(
  listener: Deno.TcpListener,
  open: Set<Deno.Conn>,
  port: number,
  late: LateKind,
): Promise<void> {
  const exchanges: Promise<void>[] = [];
  try {
    for await (const client of listener) exchanges.push(forward(client, open, port, late));
  } catch (error) {
    if (!(error instanceof Deno.errors.BadResource)) throw error; // closed
  }
  await Promise.all(exchanges);
}

/** Forwards one connection until a side ends it. The pieces of each direction keep their order. */
async function forward(
  client: Deno.Conn,
  open: Set<Deno.Conn>,
  port: number,
  late: LateKind,
): Promise<void> {
  open.add(client);
  let server: Deno.Conn | undefined;
  let kind: LateKind = "reads";
  const copies: Promise<void>[] = [];
  try {
    server = await Deno.connect({ hostname: "127.0.0.1", port });
    open.add(server);
    copies.push(
      copy(client, server, (text) => {
        if (REQUEST.test(text)) kind = READS.test(text) ? "reads" : "writes";
        return 0;
      }),
      copy(server, client, (text) => {
        if (kind === "reads" && STREAM.test(text)) kind = "streams";
        return kind === late ? LATE_MS : 0;
      }),
    );
    await Promise.race(copies);
  } catch {
    // Safe to ignore: one side has ended the connection, and the other one finds out.
  } finally {
    end(client, open);
    if (server !== undefined) end(server, open);
  }
  await Promise.allSettled(copies);
}

/** @param delayOf how long a piece waits, in milliseconds, by its text in Latin-1 */
async function copy(
  from: Deno.Conn,
  to: Deno.Conn,
  delayOf: (text: string) => number,
): Promise<void> {
  const decoder = new TextDecoder("latin1");
  const buffer = new Uint8Array(READ_BYTES);
  for (;;) {
    const count = await from.read(buffer);
    if (count === null) return;
    const piece = buffer.subarray(0, count);
    const delay = delayOf(decoder.decode(piece));
    if (delay > 0) await new Promise((resolve) => setTimeout(resolve, delay));
    for (let at = 0; at < count;) at += await to.write(piece.subarray(at));
  }
}

function end(connection: Deno.Conn, open: Set<Deno.Conn>): void {
  if (open.delete(connection)) connection.close();
}
