/**
 * A question to a database and its answer as bytes: a length, the question as JSON, then the database
 * where it travels along. Values JSON has no form for are marked. Pure; both ends are our own.
 */

import type { SqlOptions, SqlResult, SqlValue } from "./sql_types.ts";

/** What is asked, without the database. */
export interface SqlQuery extends Omit<SqlOptions, "timeoutMs"> {
  readonly sql: string;
  readonly params: readonly SqlValue[] | Readonly<Record<string, SqlValue>>;
  /** The file to ask; the database follows the question otherwise. */
  readonly path?: string;
}

type Marked = string | number | null | { i: string } | { n: string } | { b: string };

/** Writes a question and what it is put to. */
export function encodeSqlQuery(
  question: Omit<SqlQuery, "path">,
  source: string | Uint8Array | ReadableStream<Uint8Array>,
): Uint8Array<ArrayBuffer> | ReadableStream<Uint8Array> {
  const { params } = question;
  const head = JSON.stringify({
    ...question,
    params: Array.isArray(params)
      ? params.map(mark)
      : Object.entries(params).map(([name, value]) => [name, mark(value)]),
    named: !Array.isArray(params),
    ...(typeof source === "string" && { path: source }),
  });
  const text = new TextEncoder().encode(head);
  const bytes = new Uint8Array(4 + text.length);
  new DataView(bytes.buffer).setUint32(0, text.length);
  bytes.set(text, 4);
  if (typeof source === "string") return bytes;
  const rest = source instanceof Uint8Array ? [source] : source;
  return ReadableStream.from(
    async function* () {
      yield bytes;
      for await (const piece of rest) yield piece;
    }(),
  );
}

/** Reads what {@link encodeSqlQuery} wrote; the database is what follows. */
export function decodeSqlQuery(
  bytes: Uint8Array<ArrayBuffer>,
): { question: SqlQuery; image: Uint8Array<ArrayBuffer> } {
  const length = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0);
  const head = JSON.parse(new TextDecoder().decode(bytes.subarray(4, 4 + length)));
  const params = head.named
    ? Object.fromEntries(
      head.params.map(([name, value]: [string, Marked]) => [name, unmark(value)]),
    )
    : head.params.map(unmark);
  return { question: { ...head, params }, image: bytes.subarray(4 + length) };
}

/** Writes an answer. */
export function encodeSqlResult(result: SqlResult): string {
  return JSON.stringify({ ...result, rows: result.rows.map((row) => row.map(mark)) });
}

/** Writes why there is no answer. */
export function encodeSqlError(error: unknown): string {
  const { name, message } = error instanceof Error ? error : new Error("it threw no Error");
  return JSON.stringify({ refusal: { name, message } });
}

/**
 * Reads an answer.
 *
 * @throws {Error} under the name and with the words of {@link encodeSqlError}
 */
export function decodeSqlResult(text: string): SqlResult {
  const { refusal, columns, rows, truncated } = JSON.parse(text);
  if (refusal) {
    const { name, message } = refusal;
    throw Object.assign(name === "TypeError" ? new TypeError(message) : new Error(message), {
      name,
    });
  }
  return { columns, rows: rows.map((row: Marked[]) => row.map(plain)), truncated };
}

function mark(value: SqlValue): Marked {
  if (value === null || typeof value === "string") return value;
  if (typeof value === "number") return Number.isFinite(value) ? value : { n: String(value) };
  if (typeof value === "bigint") return { i: String(value) };
  if (value instanceof Uint8Array) return { b: value.toBase64() };
  throw new TypeError("Cannot query: a parameter is text, a number, a bigint, bytes or null");
}

function unmark(value: Marked): SqlValue {
  return typeof value === "object" && value !== null && "i" in value
    ? BigInt(value.i)
    : plain(value);
}

function plain(value: Marked): string | number | null | Uint8Array {
  if (value === null || typeof value !== "object") return value;
  if ("b" in value) return Uint8Array.fromBase64(value.b);
  return "n" in value ? Number(value.n) : value.i;
}
