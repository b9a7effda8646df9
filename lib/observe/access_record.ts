/**
 * Formats one request as one line of the access log. Untrusted values appear only as visible ASCII
 * without spaces or as ASCII JSON strings. They can therefore not forge a line, control a terminal
 * or reverse the direction of text. Queries, bodies and credentials are never logged.
 */

/** What is logged about a request after its response was delivered. */
export interface AccessRecord {
  /** Unix milliseconds at which the response was delivered. */
  readonly time: number;
  /** Address of the client. */
  readonly client: string;
  /**
   * Name of the caller as in the event chain, `T2` or `cap:/home/x`; absent if the gate refused the
   * request.
   */
  readonly by?: string;
  readonly method: string;
  /** Canonical path, percent-encoded, or the path as sent; without the query. */
  readonly path: string;
  readonly status: number;
  /** Length of the content in bytes. */
  readonly bytes: number;
  /** Milliseconds from the request to the end of its response. */
  readonly ms: number;
  /** The client disconnected before the response was delivered. */
  readonly aborted?: true;
}

/** Format of the lines. */
export type LogFormat = "line" | "json";

/** Longest values that are logged, in characters. */
const MAX_METHOD_CHARS = 20;
const MAX_PATH_CHARS = 1024;
const MAX_BY_CHARS = 512;
const MAX_CLIENT_CHARS = 64;

const encoder = new TextEncoder();
const NOT_VISIBLE = /[^\x21-\x7e]/gu;
const NOT_ASCII = /[^\x20-\x7e]/g;

/** Formats a record as one line, with its line break. */
export function formatRecord(record: AccessRecord, format: LogFormat): string {
  return format === "json" ? formatJson(record) : formatLine(record);
}

function formatLine(record: AccessRecord): string {
  const { time, client, by, method, path, status, bytes, ms, aborted } = record;
  return [
    new Date(time).toISOString(),
    encodeVisible(client, MAX_CLIENT_CHARS),
    encodeVisible(by ?? "-", MAX_BY_CHARS),
    encodeVisible(method, MAX_METHOD_CHARS),
    encodeVisible(path, MAX_PATH_CHARS),
    status,
    bytes,
    `${roundMs(ms)}ms`,
  ].join(" ") + (aborted === true ? " aborted\n" : "\n");
}

function formatJson({ time, ms, client, by, method, path, ...rest }: AccessRecord): string {
  const text = JSON.stringify({
    time: new Date(time).toISOString(),
    client: client.slice(0, MAX_CLIENT_CHARS),
    ...(by === undefined ? {} : { by: by.slice(0, MAX_BY_CHARS) }),
    method: method.slice(0, MAX_METHOD_CHARS),
    path: path.slice(0, MAX_PATH_CHARS),
    ...rest,
    ms: roundMs(ms),
  });
  return text.replace(
    NOT_ASCII,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`,
  ) + "\n";
}

/** Percent-encodes every character that is not visible ASCII, and shortens the text. */
function encodeVisible(text: string, maxChars: number): string {
  const encoded = text.slice(0, maxChars).replace(NOT_VISIBLE, (char) => {
    return Array.from(
      encoder.encode(char),
      (byte) => `%${byte.toString(16).toUpperCase().padStart(2, "0")}`,
    ).join("");
  });
  return encoded === "" ? "-" : encoded;
}

function roundMs(ms: number): number {
  return Math.round(ms * 100) / 100;
}
