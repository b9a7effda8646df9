/**
 * Extensions and media types: the `Content-Type` of a world's bytes, and the extension of a new
 * world. Types come from the `mime` library, with overrides for source code and notes. The type
 * decides what a browser does with untrusted bytes, so `isActiveExt` returns true in cases of
 * doubt.
 */

import { isUtf8 as nativeIsUtf8 } from "node:buffer";
import { mime } from "../deps/mime.ts";
import { MAX_EXT_CHARS } from "../limits.ts";

/** Extensions that the library does not know, or for which it has a less common type. */
const OVERRIDES: Readonly<Record<string, string>> = {
  ts: "text/typescript", // the library has MPEG transport stream
  mts: "text/typescript",
  cts: "text/typescript",
  tsx: "text/typescript",
  cjs: "text/javascript",
  jsonl: "application/jsonl",
  ndjson: "application/x-ndjson",
  yaml: "application/yaml", // RFC 9512
  yml: "application/yaml",
  ico: "image/x-icon",
  org: "text/org", // the library has Lotus Organizer
  sh: "text/x-shellscript",
  bash: "text/x-shellscript",
  zsh: "text/x-shellscript",
  ps1: "text/x-powershell",
  bat: "text/x-bat",
  py: "text/x-python",
  rb: "text/x-ruby",
  rs: "text/x-rust",
  go: "text/x-go",
  pl: "text/x-perl",
  php: "text/x-php",
  swift: "text/x-swift",
  kt: "text/x-kotlin",
  cs: "text/x-csharp",
  vue: "text/x-vue",
  sql: "text/x-sql",
  srt: "text/x-subrip",
  tex: "text/x-tex",
  diff: "text/x-diff",
  patch: "text/x-diff",
  cfg: "text/plain",
  env: "text/plain",
  lock: "text/plain",
  sqlite: "application/vnd.sqlite3",
  db: "application/vnd.sqlite3",
  tgz: "application/gzip",
};

/** Media types that the library does not know, or for which it chooses another extension. */
const EXTENSIONS: Readonly<Record<string, string>> = {
  "application/typescript": "ts",
  "application/x-typescript": "ts",
  "text/typescript": "ts",
  "text/x-typescript": "ts",
  "video/mp2t": "m2t",
  "application/x-javascript": "js",
  "text/ecmascript": "js",
  "application/ecmascript": "js",
  "application/jsonl": "jsonl",
  "application/x-jsonlines": "jsonl",
  "application/x-ndjson": "ndjson",
  "application/ndjson": "ndjson",
  "application/problem+json": "json",
  "text/json": "json",
  "application/yaml": "yaml",
  "application/x-yaml": "yaml",
  "text/yaml": "yaml",
  "text/x-yaml": "yaml",
  "text/toml": "toml",
  "text/org": "org",
  "text/x-org": "org",
  "text/x-markdown": "md",
  "text/x-python": "py",
  "text/x-script.python": "py",
  "application/x-python": "py",
  "text/x-shellscript": "sh",
  "text/x-sh": "sh",
  "text/x-ruby": "rb",
  "text/x-rust": "rs",
  "text/rust": "rs",
  "text/x-go": "go",
  "text/x-sql": "sql",
  "text/x-diff": "diff",
  "text/x-patch": "patch",
  "application/vnd.sqlite3": "sqlite",
  "application/x-sqlite3": "sqlite",
  "audio/mpeg": "mp3",
  "image/x-icon": "ico",
  "application/x-gzip": "gz",
  "application/x-zip-compressed": "zip",
  "audio/x-wav": "wav",
};

/**
 * Types that clients send by default: that of curl's `-d`, the generic types of many libraries, and that
 * of every string that `fetch` sends. They are ignored, so that the name and the bytes decide. Bytes that are not text still become
 * `bin`; `?ext=bin` forces it.
 */
const DEFAULT_TYPES: ReadonlySet<string> = new Set([
  "application/x-www-form-urlencoded",
  "application/octet-stream",
  "binary/octet-stream",
  "text/plain",
]);

/** Known extensions that at the end of a name are usually part of a host name: `example.com`. */
const NOT_SUFFIXES: ReadonlySet<string> = new Set(["com", "ai", "me"]);

const EXT = new RegExp(`^[a-z0-9]{1,${MAX_EXT_CHARS}}$`);
const UNKNOWN = "application/octet-stream";
/** Types whose content is text; not all of them start with `text/`. */
const TEXT_TYPE =
  /^(?:text\/|application\/(?:json5?|jsonl|x-ndjson|yaml|toml|xml|node|sql|graphql|manifest\+json)$|.*\+(?:json|xml)$)/;
/**
 * Types that a browser shows as a document that can run scripts, or from which it loads documents.
 */
const ACTIVE_TYPE =
  /^(?:text\/(?:html|xml|xsl|cache-manifest|vnd\.wap\.wml)|application\/(?:xml(?:-.*)?|x-shockwave-flash|hta)|multipart\/.*|message\/.*|.*[+/.]xhtml.*|.*\+xml)$/;

/** What is known about an extension. */
interface ExtInfo {
  readonly type: string;
  readonly text: boolean;
  readonly active: boolean;
}

const UNKNOWN_INFO: ExtInfo = { type: UNKNOWN, text: false, active: false };
// Only known extensions are stored, so that the tables bound its size and requests cannot grow it.
const memo = new Map<string, ExtInfo>();

function infoOf(ext: string): ExtInfo {
  const cached = memo.get(ext);
  if (cached !== undefined) return cached;
  if (!EXT.test(ext)) return UNKNOWN_INFO;
  const mediaType = Object.hasOwn(OVERRIDES, ext) ? OVERRIDES[ext] : mime.getType(ext);
  if (typeof mediaType !== "string") return UNKNOWN_INFO;
  const info = {
    type: mediaType.startsWith("text/") ? `${mediaType}; charset=utf-8` : mediaType,
    text: TEXT_TYPE.test(mediaType),
    active: ACTIVE_TYPE.test(mediaType),
  };
  memo.set(ext, info);
  return info;
}

/**
 * Returns the media type of an extension, with `charset=utf-8` for `text/*`.
 *
 * @param ext extension without a dot
 * @returns `application/octet-stream` if the extension is unknown
 */
export function toMediaType(ext: string): string {
  return infoOf(ext).type;
}

/** Whether the content of files with this extension is text: source code, markup, JSON, YAML… */
export function isTextExt(ext: string): boolean {
  return infoOf(ext).text;
}

/**
 * Whether a browser would run scripts from these bytes in the server's origin, or load documents
 * from them: HTML, XHTML, SVG and all other XML, MIME archives. Raw responses of these types need a
 * sandbox.
 */
export function isActiveExt(ext: string): boolean {
  return infoOf(ext).active;
}

/** Whether bytes are well-formed UTF-8 (RFC 3629); true for an empty array. */
export function isUtf8(bytes: Uint8Array): boolean {
  return nativeIsUtf8(bytes);
}

/**
 * Whether a text has the form of an extension: 1 to `MAX_EXT_CHARS` lower-case letters and digits.
 */
export function isValidExt(text: string): boolean {
  return EXT.test(text);
}

/** What decides the extension of a new world. */
export interface ExtHints {
  /** The value of `?ext=`, or null if it was not sent. */
  readonly queryExt: string | null;
  /** The `Content-Type` request header, or null if it was not sent. */
  readonly contentType: string | null;
  /** Canonical name of the world. */
  readonly name: string;
  readonly body: Uint8Array;
}

/** The extension of a new world. */
export interface ChosenExt {
  readonly ext: string;
  /** Whether only the bytes decided it: the extension of an existing world may stay, see {@link keepTextExt}. */
  readonly isExtGuess: boolean;
}

/** Extensions that sniffing finds in text. */
const SNIFFED_TEXT: ReadonlySet<string> = new Set(["txt", "html"]);

/**
 * Chooses the extension of a new world. The first that applies decides: `?ext=`; the
 * `Content-Type`, if it maps to an extension; the suffix of the name, if it is known; `ts` below
 * `lib/`; the bytes.
 *
 * A `Content-Type` that clients send by default counts as absent: form data,
 * `application/octet-stream`, and `text/plain`, which `fetch` adds to every string.
 *
 * @returns the extension, or a fault if `?ext=` is not valid
 */
export function chooseExt(hints: ExtHints): ChosenExt | { readonly fault: string } {
  if (hints.queryExt !== null) {
    const ext = hints.queryExt.toLowerCase();
    return EXT.test(ext) ? { ext, isExtGuess: false } : {
      fault: `ext is not valid; send 1 to ${MAX_EXT_CHARS} letters and digits, such as md`,
    };
  }
  const source = hints.name.startsWith("lib/");
  const ext = extOfType(hints.contentType) ?? extOfName(hints.name) ?? (source ? "ts" : undefined);
  return ext === undefined
    ? { ext: sniff(hints.body), isExtGuess: true }
    : { ext, isExtGuess: false };
}

/**
 * Returns the extension after bytes have replaced a world, if only the bytes say what they are: if they are
 * text and the world has an extension of another kind of text, such as `md`, that extension stays.
 *
 * @param existing extension of the world; undefined without one
 * @param guess what {@link chooseExt} found in the bytes
 */
export function keepTextExt(existing: string | undefined, guess: string): string {
  const isKept = existing !== undefined && SNIFFED_TEXT.has(guess) &&
    !SNIFFED_TEXT.has(existing) && isTextExt(existing);
  return isKept ? existing : guess;
}

function extOfType(contentType: string | null): string | undefined {
  if (contentType === null) return undefined;
  const semicolon = contentType.indexOf(";");
  const type = (semicolon < 0 ? contentType : contentType.slice(0, semicolon)).trim().toLowerCase();
  if (DEFAULT_TYPES.has(type)) return undefined;
  if (Object.hasOwn(EXTENSIONS, type)) return EXTENSIONS[type];
  const ext = mime.getExtension(type);
  return ext !== null && EXT.test(ext) ? ext : undefined;
}

function extOfName(name: string): string | undefined {
  const base = name.slice(name.lastIndexOf("/") + 1);
  const dot = base.lastIndexOf(".");
  if (dot <= 0) return undefined;
  const ext = base.slice(dot + 1).toLowerCase();
  return infoOf(ext) === UNKNOWN_INFO || NOT_SUFFIXES.has(ext) ? undefined : ext;
}

function sniff(body: Uint8Array): string {
  if (!isUtf8(body)) return "bin";
  return startsMarkup(body) ? "html" : "txt";
}

/** Whether the first character after a BOM and white space starts a tag, comment or instruction. */
function startsMarkup(body: Uint8Array): boolean {
  let at = body[0] === 0xef && body[1] === 0xbb && body[2] === 0xbf ? 3 : 0;
  while (isSpace(body[at])) at++;
  if (body[at] !== 0x3c) return false;
  return /^[A-Za-z/!?]$/.test(String.fromCharCode(body[at + 1] ?? 0));
}

function isSpace(byte: number | undefined): boolean {
  return byte === 0x20 || (byte !== undefined && byte >= 0x09 && byte <= 0x0d);
}
