/**
 * The heads of requests and responses on the wire, as values: how they are written and how a
 * stranger's are read. A head that does not validate is a broken rule, never a guess.
 */

import { ProtocolError } from "./frames.ts";
import type { FileReference } from "../realm/env_files.ts";

/** Header names and values in turn, in order, repeated names kept. */
export type FlatHeaders = readonly string[];

/** See {@link RequestHead}. */
export type MessageNote = readonly [string, string | number, tag?: string];

/** What opens an exchange. */
export interface RequestHead {
  readonly method: string;
  /** From the host an absolute URL; from a cell a path with its query. */
  readonly url: string;
  readonly headers: FlatHeaders;
  /** Whether the body follows in frames of its own. */
  readonly isStreamed: boolean;
  /** Whether there is a body at all; an empty one differs from none. */
  readonly hasBody: boolean;
  /**
   * From the host the caller's tier and name, and the entity tag of what the request is about where it
   * is known; from a cell the kind of call and its request's id.
   */
  readonly note: MessageNote;
}

/** What answers it. */
export interface ResponseHead {
  readonly status: number;
  readonly statusText: string;
  readonly headers: FlatHeaders;
  readonly isStreamed: boolean;
  /** The file whose bytes are the body; only a cell may name one. */
  readonly file?: FileReference;
}

const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
/**
 * RFC 9110 §5.5: visible characters, space, tab and obs-text. Exactly that: the runtime's server takes
 * any other control character, U+007F too, and aborts the whole process when it writes it (seen).
 */
const VALUE = /^[\t\u0020-\u007e\u0080-\u00ff]*$/;
// deno-lint-ignore no-control-regex -- control characters are what is refused
const URL_TEXT = /^[^\u0000-\u0020\u007f]+$/;
/** Most headers of one message. */
export const MAX_HEADERS = 256;

/** Writes a request's head. */
export function formatRequestHead(head: RequestHead): string {
  const flags = (head.isStreamed ? 2 : 0) | (head.hasBody ? 1 : 0);
  return JSON.stringify([head.method, head.url, head.headers, flags, head.note]);
}

/** Reads a request's head. @throws {ProtocolError} */
export function parseRequestHead(value: unknown): RequestHead {
  if (!Array.isArray(value) || value.length !== 5) fault("a request head is five fields");
  const [method, url, headers, flags, note]: unknown[] = value;
  if (typeof method !== "string" || method.length > 32 || !TOKEN.test(method)) fault("its method");
  if (typeof url !== "string" || url.length > 16_384 || !URL_TEXT.test(url)) fault("its URL");
  if (flags !== 0 && flags !== 1 && flags !== 3) fault("its flags");
  if (!Array.isArray(note) || note.length < 2 || note.length > 3) fault("its note");
  const [word, more, tag]: unknown[] = note;
  if (typeof word !== "string" || word.length > 16) fault("its note");
  if (typeof more !== "string" && typeof more !== "number") fault("its note");
  if (tag !== undefined && typeof tag !== "string") fault("its note");
  return {
    method,
    url,
    headers: readHeaders(headers),
    isStreamed: flags === 3,
    hasBody: flags !== 0,
    note: tag === undefined ? [word, more] : [word, more, tag],
  };
}

/** Writes a response's head. */
export function formatResponseHead(head: ResponseHead): string {
  const { status, statusText, headers, isStreamed: streamed, file } = head;
  if (file === undefined) return JSON.stringify([status, statusText, headers, streamed ? 1 : 0]);
  const { path, offset, length, fingerprint: seen } = file;
  return JSON.stringify([status, statusText, headers, [path, offset, length, seen]]);
}

/** Reads a response's head. @throws {ProtocolError} */
export function parseResponseHead(value: unknown): ResponseHead {
  if (!Array.isArray(value) || value.length !== 4) fault("a response head is four fields");
  const [status, statusText, headers, flags]: unknown[] = value;
  if (typeof status !== "number" || !Number.isInteger(status) || status < 200 || status > 599) {
    fault("its status");
  }
  if (typeof statusText !== "string" || statusText.length > 256 || !VALUE.test(statusText)) {
    fault("its status text");
  }
  if (Array.isArray(flags)) {
    return {
      status,
      statusText,
      headers: readHeaders(headers),
      isStreamed: false,
      file: file(flags),
    };
  }
  if (flags !== 0 && flags !== 1) fault("its flags");
  return { status, statusText, headers: readHeaders(headers), isStreamed: flags === 1 };
}

function file(value: unknown[]): FileReference {
  const [path, offset, length, seen] = value;
  if (value.length !== 4 || typeof path !== "string" || typeof seen !== "string") fault("its file");
  if (path.length > 4096 || seen.length > 256) fault("its file");
  if (typeof offset !== "number" || !Number.isSafeInteger(offset) || offset < 0) fault("its file");
  if (typeof length !== "number" || !Number.isSafeInteger(length) || length < -1) fault("its file");
  return { path, offset, length, fingerprint: seen };
}

function readHeaders(value: unknown): FlatHeaders {
  if (!Array.isArray(value) || value.length % 2 !== 0 || value.length > 2 * MAX_HEADERS) {
    fault("its headers");
  }
  const flat: string[] = [];
  for (let i = 0; i < value.length; i++) {
    const text: unknown = value[i];
    if (typeof text !== "string") fault("its headers");
    if (!(i % 2 === 0 ? TOKEN : VALUE).test(text)) fault("a header's characters");
    flat[i] = text;
  }
  return flat;
}

/**
 * Whether a message's own headers may go on the wire. The runtime's `Headers` take control characters
 * that the other end must refuse, and refusing there costs the whole connection.
 */
export function canSendHeaders(flat: FlatHeaders): boolean {
  if (flat.length > 2 * MAX_HEADERS) return false;
  for (let i = 1; i < flat.length; i += 2) if (!VALUE.test(flat[i]!)) return false;
  return true;
}

/** Headers as the flat list of the wire; each `Set-Cookie` stays its own. */
export function flattenHeaders(headers: Headers): string[] {
  const flat: string[] = [];
  let at = 0;
  headers.forEach((value, name) => {
    flat[at++] = name;
    flat[at++] = value;
  });
  return flat;
}

/** The flat list as Headers. */
export function unflattenHeaders(flat: FlatHeaders): Headers {
  const headers = new Headers();
  for (let i = 0; i < flat.length; i += 2) headers.append(flat[i]!, flat[i + 1]!);
  return headers;
}

/**
 * A message with the headers of the flat list. They are put into the message's own: handed to its
 * constructor they would be checked and copied once more, which costs twice as much as all the rest.
 *
 * @param without names, in lower case, that are left out
 */
export function appendHeaders<M extends Request | Response>(
  message: M,
  flat: FlatHeaders,
  without?: ReadonlySet<string>,
): M {
  const { headers } = message;
  for (let i = 0; i < flat.length; i += 2) {
    const name = flat[i]!;
    if (!without?.has(name.toLowerCase())) headers.append(name, flat[i + 1]!);
  }
  return message;
}

/** Whether a response of this status never has a body (RFC 9110 §15, Fetch "null body status"). */
export function hasNoBody(status: number): boolean {
  return status === 204 || status === 205 || status === 304;
}

function fault(what: string): never {
  throw new ProtocolError(`Cannot read a head: ${what} does not fit`);
}
