/**
 * One answered request as one line of the access log. What a stranger sent can stand in it only as
 * visible ASCII without spaces or as a JSON string of such: nothing can forge a second line, move a
 * terminal's cursor or turn its writing round. Queries, bodies and credentials never come in here.
 */

/** What is known of a request once its answer is delivered. */
export interface AccessRecord {
  /** Unix milliseconds at which the answer was delivered. */
  readonly time: number;
  /** The client's address. */
  readonly client: string;
  /** The caller as events name it, `T2` or `cap:/home/x`; absent when the gate let nobody in. */
  readonly by?: string;
  readonly method: string;
  /** Canonical path, percent-encoded, or what was sent in its place; without its query. */
  readonly path: string;
  readonly status: number;
  /** Length of the content. */
  readonly bytes: number;
  /** From the request to the end of its answer. */
  readonly ms: number;
  /** The caller went away before the answer was delivered. */
  readonly aborted?: true;
}

/** How the log is written. */
export type LogFormat = "line" | "json";

/** Longest method, path and caller that are written, in characters. */
const METHOD_LENGTH = 20;
const PATH_LENGTH = 1024;
const BY_LENGTH = 512;
const CLIENT_LENGTH = 64;

const encoder = new TextEncoder();
const NOT_VISIBLE = /[^\x21-\x7e]/gu;
const NOT_ASCII = /[^\x20-\x7e]/g;

/** Writes a record, with its line break. */
export function formatRecord(record: AccessRecord, form: LogFormat): string {
  return form === "json" ? jsonOf(record) : lineOf(record);
}

function lineOf(record: AccessRecord): string {
  const { time, client, by, method, path, status, bytes, ms, aborted } = record;
  return [
    new Date(time).toISOString(),
    word(client, CLIENT_LENGTH),
    word(by ?? "-", BY_LENGTH),
    word(method, METHOD_LENGTH),
    word(path, PATH_LENGTH),
    status,
    bytes,
    `${rounded(ms)}ms`,
  ].join(" ") + (aborted === true ? " aborted\n" : "\n");
}

function jsonOf({ time, ms, client, by, method, path, ...facts }: AccessRecord): string {
  const text = JSON.stringify({
    time: new Date(time).toISOString(),
    client: client.slice(0, CLIENT_LENGTH),
    ...(by === undefined ? {} : { by: by.slice(0, BY_LENGTH) }),
    method: method.slice(0, METHOD_LENGTH),
    path: path.slice(0, PATH_LENGTH),
    ...facts,
    ms: rounded(ms),
  });
  return text.replace(
    NOT_ASCII,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`,
  ) + "\n";
}

/** A text without anything that is not visible ASCII, percent-encoded as in a URL. */
function word(text: string, most: number): string {
  const encoded = text.slice(0, most).replace(NOT_VISIBLE, (char) => {
    return Array.from(
      encoder.encode(char),
      (byte) => `%${byte.toString(16).toUpperCase().padStart(2, "0")}`,
    ).join("");
  });
  return encoded === "" ? "-" : encoded;
}

function rounded(ms: number): number {
  return Math.round(ms * 100) / 100;
}
