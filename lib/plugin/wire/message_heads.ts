/**
 * Heads of requests and responses on the wire: how they are formatted and how untrusted ones are
 * parsed. Every field is validated, and an invalid head is a protocol error. This module must not
 * correct or guess a value.
 */

import { ProtocolError } from "./frames.ts";
import type { FileReference } from "./file_types.ts";

/** Header names and values in alternation, in their order; a repeated name stays repeated. */
export type FlatHeaders = readonly string[];

/** What a request's head says about its origin; see {@link RequestHead.note}. */
export type MessageNote = readonly [string, string | number, tag?: string];

/** Head of a request; it opens a call. */
export interface RequestHead {
  readonly method: string;
  /** From the server an absolute URL; from a cell a path with its query. */
  readonly url: string;
  readonly headers: FlatHeaders;
  /** Whether the body follows in CHUNK frames. */
  readonly isStreamed: boolean;
  /** Whether there is a body. An empty body differs from an absent one. */
  readonly hasBody: boolean;
  /**
   * From the server: tier and name of the caller, and the entity tag of the world that the request
   * concerns, if known. From a cell: the kind of subrequest and the id of the request it belongs
   * to.
   */
  readonly note: MessageNote;
}

/** Head of a response. */
export interface ResponseHead {
  readonly status: number;
  readonly statusText: string;
  readonly headers: FlatHeaders;
  readonly isStreamed: boolean;
  /** The file that is the body. Only a cell may name one. */
  readonly file?: FileReference;
}

const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
/**
 * A field value (RFC 9110 §5.5): visible characters, space, tab and obs-text, and nothing else.
 * Deno accepts other control characters, also U+007F, and aborts the process when it writes one
 * (2.9.6).
 */
const VALUE = /^[\t\u0020-\u007e\u0080-\u00ff]*$/;
// deno-lint-ignore no-control-regex -- the pattern must match control characters
const URL_TEXT = /^[^\u0000-\u0020\u007f]+$/;
/** Largest number of headers of one message. */
export const MAX_HEADERS = 256;

/** Formats the head of a request as JSON. */
export function formatRequestHead(head: RequestHead): string {
  const flags = (head.isStreamed ? 2 : 0) | (head.hasBody ? 1 : 0);
  return JSON.stringify([head.method, head.url, head.headers, flags, head.note]);
}

/**
 * Parses the head of a request.
 *
 * @param value the parsed JSON of the other end
 * @throws {ProtocolError} a field is missing or invalid
 */
export function parseRequestHead(value: unknown): RequestHead {
  if (!Array.isArray(value) || value.length !== 5) {
    throwInvalidHead("the number of fields");
  }
  const [method, url, headers, flags, note]: unknown[] = value;
  if (typeof method !== "string" || method.length > 32 || !TOKEN.test(method)) {
    throwInvalidHead("the method");
  }
  if (typeof url !== "string" || url.length > 16_384 || !URL_TEXT.test(url)) {
    throwInvalidHead("the URL");
  }
  if (flags !== 0 && flags !== 1 && flags !== 3) throwInvalidHead("the flags");
  if (!Array.isArray(note) || note.length < 2 || note.length > 3) throwInvalidHead("the note");
  const [first, second, tag]: unknown[] = note;
  if (typeof first !== "string" || first.length > 16) throwInvalidHead("the note");
  if (typeof second !== "string" && typeof second !== "number") throwInvalidHead("the note");
  if (tag !== undefined && typeof tag !== "string") throwInvalidHead("the note");
  return {
    method,
    url,
    headers: parseHeaders(headers),
    isStreamed: flags === 3,
    hasBody: flags !== 0,
    note: tag === undefined ? [first, second] : [first, second, tag],
  };
}

/** Formats the head of a response as JSON. */
export function formatResponseHead(head: ResponseHead): string {
  const { status, statusText, headers, isStreamed, file } = head;
  if (file === undefined) return JSON.stringify([status, statusText, headers, isStreamed ? 1 : 0]);
  const { path, offset, length, fingerprint } = file;
  return JSON.stringify([status, statusText, headers, [path, offset, length, fingerprint]]);
}

/**
 * Parses the head of a response.
 *
 * @param value the parsed JSON of the other end
 * @throws {ProtocolError} a field is missing or invalid
 */
export function parseResponseHead(value: unknown): ResponseHead {
  if (!Array.isArray(value) || value.length !== 4) {
    throwInvalidHead("the number of fields");
  }
  const [status, statusText, headers, flags]: unknown[] = value;
  if (typeof status !== "number" || !Number.isInteger(status) || status < 200 || status > 599) {
    throwInvalidHead("the status");
  }
  if (typeof statusText !== "string" || statusText.length > 256 || !VALUE.test(statusText)) {
    throwInvalidHead("the status text");
  }
  if (Array.isArray(flags)) {
    return {
      status,
      statusText,
      headers: parseHeaders(headers),
      isStreamed: false,
      file: parseFile(flags),
    };
  }
  if (flags !== 0 && flags !== 1) throwInvalidHead("the flags");
  return { status, statusText, headers: parseHeaders(headers), isStreamed: flags === 1 };
}

function parseFile(value: unknown[]): FileReference {
  const [path, offset, length, fingerprint] = value;
  if (value.length !== 4 || typeof path !== "string" || typeof fingerprint !== "string") {
    throwInvalidHead("the file");
  }
  if (path.length > 4096 || fingerprint.length > 256) throwInvalidHead("the file");
  if (typeof offset !== "number" || !Number.isSafeInteger(offset) || offset < 0) {
    throwInvalidHead("the file");
  }
  if (typeof length !== "number" || !Number.isSafeInteger(length) || length < -1) {
    throwInvalidHead("the file");
  }
  return { path, offset, length, fingerprint };
}

function parseHeaders(value: unknown): FlatHeaders {
  if (!Array.isArray(value) || value.length % 2 !== 0 || value.length > 2 * MAX_HEADERS) {
    throwInvalidHead("the headers");
  }
  const flat: string[] = [];
  for (let i = 0; i < value.length; i++) {
    const text: unknown = value[i];
    if (typeof text !== "string") throwInvalidHead("the headers");
    if (!(i % 2 === 0 ? TOKEN : VALUE).test(text)) throwInvalidHead("a header name or value");
    flat[i] = text;
  }
  return flat;
}

/**
 * Returns whether the other end will accept these headers. `Headers` of Deno accepts control
 * characters that the other end must refuse, and a refusal there ends the whole connection.
 */
export function canSendHeaders(flat: FlatHeaders): boolean {
  if (flat.length > 2 * MAX_HEADERS) return false;
  for (let i = 1; i < flat.length; i += 2) if (!VALUE.test(flat[i]!)) return false;
  return true;
}

/** Converts Headers to a flat list. Each `Set-Cookie` stays a separate entry. */
export function flattenHeaders(headers: Headers): string[] {
  const flat: string[] = [];
  let at = 0;
  headers.forEach((value, name) => {
    flat[at++] = name;
    flat[at++] = value;
  });
  return flat;
}

/** Converts a flat list to Headers. */
export function unflattenHeaders(flat: FlatHeaders): Headers {
  const headers = new Headers();
  for (let i = 0; i < flat.length; i += 2) headers.append(flat[i]!, flat[i + 1]!);
  return headers;
}

/**
 * Appends the headers of a flat list to a message and returns the message. The constructor of
 * Request or Response would validate and copy them once more, at twice the cost of everything else
 * here.
 *
 * @param without header names in lower case that are left out
 */
export function appendHeaders<M extends Request | Response>(
  message: M,
  flat: FlatHeaders,
  without?: Pick<ReadonlySet<string>, "has">,
): M {
  const { headers } = message;
  for (let i = 0; i < flat.length; i += 2) {
    const name = flat[i]!;
    if (!without?.has(name.toLowerCase())) headers.append(name, flat[i + 1]!);
  }
  return message;
}

/**
 * Returns whether a response with this status has no body (RFC 9110 §15, Fetch "null body status").
 */
export function hasNoBody(status: number): boolean {
  return status === 204 || status === 205 || status === 304;
}

function throwInvalidHead(what: string): never {
  throw new ProtocolError(`Cannot parse a head: ${what} is invalid`);
}
