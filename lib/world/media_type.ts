/**
 * Extensions and media types: what a world's bytes are served as, and which extension a new world
 * gets. Types come from the `mime` library except where this is a house of source code and notes. A
 * type here decides what a browser may do with a stranger's bytes, so `isActive` errs towards yes.
 */

import { isUtf8 as nativeIsUtf8 } from "node:buffer";
import { mime } from "../deps/mime.ts";
import { MAX_EXT_CHARS } from "../limits.ts";

/** Extensions whose type the library does not know, or knows for something rarer. */
const OVERRIDES: Readonly<Record<string, string>> = {
  ts: "text/typescript", // the library: MPEG transport stream
  mts: "text/typescript",
  cts: "text/typescript",
  tsx: "text/typescript",
  cjs: "text/javascript",
  jsonl: "application/jsonl",
  ndjson: "application/x-ndjson",
  yaml: "application/yaml", // RFC 9512
  yml: "application/yaml",
  ico: "image/x-icon",
  org: "text/org", // the library: Lotus Organizer
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

/** Media types that name an extension the library would not choose, or does not know. */
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
 * Types that clients send on their own when nobody chose one: curl's `-d`, and the "some bytes" of
 * many libraries. They say nothing, so the name and the bytes decide; bytes that are not text become
 * `bin` all the same, and `?ext=bin` makes it certain.
 */
const UNCHOSEN: ReadonlySet<string> = new Set([
  "application/x-www-form-urlencoded",
  "application/octet-stream",
  "binary/octet-stream",
]);

/** Suffixes that the library knows and that in a name mostly end a host: `example.com`. */
const NOT_SUFFIXES: ReadonlySet<string> = new Set(["com", "ai", "me"]);

const EXT = new RegExp(`^[a-z0-9]{1,${MAX_EXT_CHARS}}$`);
const UNKNOWN = "application/octet-stream";
/** Types that are text though their name does not begin with `text/`. */
const TEXT_TYPE =
  /^(?:text\/|application\/(?:json5?|jsonl|x-ndjson|yaml|toml|xml|node|sql|graphql|manifest\+json)$|.*\+(?:json|xml)$)/;
/** Types that a browser shows as a document in which script can run, or takes documents from. */
const ACTIVE_TYPE =
  /^(?:text\/(?:html|xml|xsl|cache-manifest|vnd\.wap\.wml)|application\/(?:xml(?:-.*)?|x-shockwave-flash|hta)|multipart\/.*|message\/.*|.*[+/.]xhtml.*|.*\+xml)$/;
interface Facts {
  readonly type: string;
  readonly text: boolean;
  readonly active: boolean;
}

const UNKNOWN_FACTS: Facts = { type: UNKNOWN, text: false, active: false };
// Holds known extensions only, so its size is bounded by the tables and not by what strangers ask.
const memo = new Map<string, Facts>();

function factsOf(ext: string): Facts {
  const known = memo.get(ext);
  if (known !== undefined) return known;
  if (!EXT.test(ext)) return UNKNOWN_FACTS;
  const bare = Object.hasOwn(OVERRIDES, ext) ? OVERRIDES[ext] : mime.getType(ext);
  if (typeof bare !== "string") return UNKNOWN_FACTS;
  const facts = {
    type: bare.startsWith("text/") ? `${bare}; charset=utf-8` : bare,
    text: TEXT_TYPE.test(bare),
    active: ACTIVE_TYPE.test(bare),
  };
  memo.set(ext, facts);
  return facts;
}

/**
 * The media type of an extension, with `charset=utf-8` for `text/*`; `application/octet-stream` for
 * one that is not known.
 */
export function toMediaType(ext: string): string {
  return factsOf(ext).type;
}

/** Whether people read this extension's bytes as text: source, markup, JSON, YAML… */
export function isTextExt(ext: string): boolean {
  return factsOf(ext).text;
}

/**
 * Whether a browser would run script from the bytes as a document of ours, or load documents from
 * them: HTML, XHTML, SVG and all other XML, MIME archives. Served raw, these need a sandbox.
 */
export function isActiveExt(ext: string): boolean {
  return factsOf(ext).active;
}

/** Whether bytes are well-formed UTF-8 (RFC 3629); no bytes are. */
export function isUtf8(bytes: Uint8Array): boolean {
  return nativeIsUtf8(bytes);
}

/** Whether a text has the form of an extension: lower-case letters and digits, bounded. */
export function isValidExt(text: string): boolean {
  return EXT.test(text);
}

/** What is known of a new world when its extension is chosen. */
export interface ExtHints {
  /** The value of `?ext=`, or null when there is none. */
  readonly queryExt: string | null;
  /** The Content-Type request header. */
  readonly contentType: string | null;
  /** Canonical name of the world. */
  readonly name: string;
  readonly body: Uint8Array;
}

/**
 * Chooses a new world's extension: `?ext=`, else a Content-Type that maps to one, else the name's
 * own suffix when it is known, else `ts` below `lib/`, else by a look at the bytes. A Content-Type
 * that clients send on their own counts as absent: form data and `application/octet-stream`, and
 * below `lib/`, where only source lives, `text/plain`, which `fetch` adds to every string.
 *
 * @returns the extension, or a fault when `?ext=` does not fit
 */
export function chooseExt(clues: ExtHints): { readonly ext: string } | { readonly fault: string } {
  if (clues.queryExt !== null) {
    const ext = clues.queryExt.toLowerCase();
    return EXT.test(ext) ? { ext } : {
      fault: `ext is not one of 1 to ${MAX_EXT_CHARS} letters and digits, such as md`,
    };
  }
  const source = clues.name.startsWith("lib/");
  const ext = extOfType(clues.contentType, source) ?? extOfName(clues.name) ??
    (source ? "ts" : sniff(clues.body));
  return { ext };
}

function extOfType(contentType: string | null, source: boolean): string | undefined {
  if (contentType === null) return undefined;
  const semicolon = contentType.indexOf(";");
  const type = (semicolon < 0 ? contentType : contentType.slice(0, semicolon)).trim().toLowerCase();
  if (UNCHOSEN.has(type) || (source && type === "text/plain")) return undefined;
  if (Object.hasOwn(EXTENSIONS, type)) return EXTENSIONS[type];
  const ext = mime.getExtension(type);
  return ext !== null && EXT.test(ext) ? ext : undefined;
}

function extOfName(name: string): string | undefined {
  const base = name.slice(name.lastIndexOf("/") + 1);
  const dot = base.lastIndexOf(".");
  if (dot <= 0) return undefined;
  const ext = base.slice(dot + 1).toLowerCase();
  return factsOf(ext) === UNKNOWN_FACTS || NOT_SUFFIXES.has(ext) ? undefined : ext;
}

function sniff(body: Uint8Array): string {
  if (!isUtf8(body)) return "bin";
  return startsMarkup(body) ? "html" : "txt";
}

/** A tag, a closing tag, a comment or doctype, or a processing instruction, after a BOM or spaces. */
function startsMarkup(body: Uint8Array): boolean {
  let at = body[0] === 0xef && body[1] === 0xbb && body[2] === 0xbf ? 3 : 0;
  while (isSpace(body[at])) at++;
  if (body[at] !== 0x3c) return false;
  return /^[A-Za-z/!?]$/.test(String.fromCharCode(body[at + 1] ?? 0));
}

function isSpace(byte: number | undefined): boolean {
  return byte === 0x20 || (byte !== undefined && byte >= 0x09 && byte <= 0x0d);
}
