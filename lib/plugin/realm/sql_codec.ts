/**
 * Encodes SQL queries and their results. A query is a u32 length, the query as JSON, and the
 * database if it is sent along. A value that JSON cannot express is wrapped in an object with one
 * key. Both ends run this code, so nothing is validated here.
 */

import type { SqlOptions, SqlResult, SqlValue } from "./sql_types.ts";

/** A query without its database. */
export interface SqlQuery extends Omit<SqlOptions, "timeoutMs"> {
  readonly sql: string;
  readonly params: readonly SqlValue[] | Readonly<Record<string, SqlValue>>;
  /** Path of the database file; if absent, the database follows the query. */
  readonly path?: string;
}

/** A value in JSON: `i` is a bigint, `n` a number that is not finite, `b` bytes in base64. */
type EncodedValue = string | number | null | { i: string } | { n: string } | { b: string };

/**
 * Encodes a query with its database.
 *
 * @param source path of a database file, or the database itself
 * @throws {TypeError} a parameter has a type that SQLite does not have
 */
export function encodeSqlQuery(
  query: Omit<SqlQuery, "path">,
  source: string | Uint8Array | ReadableStream<Uint8Array>,
): Uint8Array<ArrayBuffer> | ReadableStream<Uint8Array> {
  const { params } = query;
  const head = JSON.stringify({
    ...query,
    params: Array.isArray(params)
      ? params.map(encodeValue)
      : Object.entries(params).map(([name, value]) => [name, encodeValue(value)]),
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

/**
 * Decodes the output of {@link encodeSqlQuery}. `image` is the database; empty if a path is given.
 */
export function decodeSqlQuery(
  bytes: Uint8Array<ArrayBuffer>,
): { query: SqlQuery; image: Uint8Array<ArrayBuffer> } {
  const length = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0);
  const head = JSON.parse(new TextDecoder().decode(bytes.subarray(4, 4 + length)));
  const params = head.named
    ? Object.fromEntries(
      head.params.map(([name, value]: [string, EncodedValue]) => [name, decodeParam(value)]),
    )
    : head.params.map(decodeParam);
  return { query: { ...head, params }, image: bytes.subarray(4 + length) };
}

/** Encodes a result as JSON text. */
export function encodeSqlResult(result: SqlResult): string {
  return JSON.stringify({ ...result, rows: result.rows.map((row) => row.map(encodeValue)) });
}

/** Encodes an error as JSON text. */
export function encodeSqlError(error: unknown): string {
  const { name, message } = error instanceof Error
    ? error
    : new Error("the thrown value is not an Error");
  return JSON.stringify({ error: { name, message } });
}

/**
 * Decodes the output of {@link encodeSqlResult} or {@link encodeSqlError}.
 *
 * @throws {Error} the encoded error, with its name and message
 */
export function decodeSqlResult(text: string): SqlResult {
  const { error, columns, rows, truncated } = JSON.parse(text);
  if (error) {
    const { name, message } = error;
    throw Object.assign(name === "TypeError" ? new TypeError(message) : new Error(message), {
      name,
    });
  }
  return { columns, rows: rows.map((row: EncodedValue[]) => row.map(decodeValue)), truncated };
}

function encodeValue(value: SqlValue): EncodedValue {
  if (value === null || typeof value === "string") return value;
  if (typeof value === "number") return Number.isFinite(value) ? value : { n: String(value) };
  if (typeof value === "bigint") return { i: String(value) };
  if (value instanceof Uint8Array) return { b: value.toBase64() };
  throw new TypeError(
    `Cannot query: a parameter is of type ${typeof value}; use a string, number, bigint, Uint8Array or null`,
  );
}

function decodeParam(value: EncodedValue): SqlValue {
  return typeof value === "object" && value !== null && "i" in value
    ? BigInt(value.i)
    : decodeValue(value);
}

function decodeValue(value: EncodedValue): string | number | null | Uint8Array {
  if (value === null || typeof value !== "object") return value;
  if ("b" in value) return Uint8Array.fromBase64(value.b);
  return "n" in value ? Number(value.n) : value.i;
}
