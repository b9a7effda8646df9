// Built from plugins/db/ by deno task plugins. Edit the sources there.

/**
 * SQL queries that only read, over a world or a SQLite file below a file mount. A world is read with
 * the rights of the caller, so no caller queries a world that it cannot read. Files are those that
 * `/etc/fstab` names and no other. The statement runs in a process of its own (`env.sql`), which is
 * stopped when its time is over. Manual: `/usr/share/doc/db.md`.
 */

import type { Sql } from "../lib/plugin/realm/env_sql.ts";
import type { SqlResult, SqlValue } from "../lib/plugin/realm/sql_types.ts";

export const description = "queries a world or a mounted SQLite file with SQL that only reads";
export const routes = ["/dev/db"];
export const auth = "T2";
/** The path after the route names what is read, and it is read with the rights of the caller. */
export const subject = true;
export const config = ["/etc/fstab"];
/** Reads exactly the mounted folders. A line of the table that cannot be used is reported. */
export const permissions = (
  { config }: { config: PluginConfig },
): { read: readonly string[]; fault?: string } => {
  const table = readMountTable(config["/etc/fstab"] ?? "");
  const fault = mountTableFault(table);
  return { read: mountedFolders(table, "ro"), ...(fault && { fault }) };
};

export default {
  async fetch(request: Request, env: Env): Promise<Response> {
    try {
      return await respond(request, env);
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      const accept = request.headers.get("accept");
      // A client that asked for CSV reads text.
      const options = { textTypes: ["text/csv"] };
      return problemResponse(error, accept, request.method === "HEAD", options);
    }
  },
};

async function respond(request: Request, env: Env): Promise<Response> {
  const { method } = request;
  if (method !== "GET" && method !== "HEAD" && method !== "POST") {
    const detail = `Cannot ${method} /dev/db: POST a statement, or GET with ?sql=`;
    throw new Problem("method-not-allowed", detail, { allow: "GET, HEAD, POST" });
  }
  const url = new URL(request.url);
  const format = chooseFormat(request.headers.get("accept"));
  const target = readTarget(url);
  const statement = await readStatement(request, url.searchParams.getAll("sql"));
  const result = await querySource(env, target, statement);
  const body = new TextEncoder().encode(FORMATS[format].write(result));
  if (body.length > MAX_RESULT_BYTES) {
    throw new Problem(
      "body-too-large",
      `Cannot send the rows: they take ${body.length} bytes as ${format}; at most ` +
        `${MAX_RESULT_BYTES} are allowed`,
    );
  }
  return new Response(method === "HEAD" ? null : body, {
    headers: {
      "content-type": FORMATS[format].type,
      "content-length": String(body.length),
      "cache-control": "no-store",
      "vary": "Accept",
      "x-db-rows": String(result.rows.length),
      ...(result.truncated ? { "x-db-truncated": "true" } : {}),
    },
  });
}

// ---- plugins/kit/env.ts

/** Types of what the server passes to a plugin, as far as several plugins use them. */

/** Sends a request to the server: `env.caller.fetch` and `env.machine.fetch`. */
type PluginFetch = (path: string, init?: RequestInit) => Promise<Response>;

/** Texts of the worlds that the manifest names as `config`, by path. */
type PluginConfig = Readonly<Record<string, string | undefined>>;

/** The client that sent the request. */
interface PluginCaller {
  /** `T1`, `T2` or `T3`. */
  readonly tier: string;
  /** Name of the caller, as in the event chain: a tier, an account, or a capability as `cap:…`. */
  readonly by: string;
  /** Sends a request with the rights of the caller. */
  readonly fetch: PluginFetch;
}

// ---- plugins/kit/line_config.ts

/**
 * Reads configuration in lines: one entry per line, `#` begins a comment. A byte order mark, the
 * three kinds of line ends, blank lines and characters that are not text are handled here; what an
 * entry means is not. The server decodes UTF-16 before.
 */

/** An entry of a configuration. */
interface ConfigLine {
  /** Line number, counted from 1. */
  readonly line: number;
  /** Text of the line without white space at either end; not empty. */
  readonly text: string;
  /** Why the line cannot be used, whatever it means: it contains something that is not text. */
  readonly fault?: string;
}

/** Control characters except tabs, and what a decoder puts in the place of bytes that are not text. */
// deno-lint-ignore no-control-regex -- the pattern must match control characters
const NOT_TEXT = /[\0-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufffd]/;

/**
 * Splits a configuration into its entries. Blank lines and comments are left out.
 *
 * A line with control characters, or with bytes that are neither UTF-8 nor UTF-16, has a `fault`.
 *
 * @param comments `line`: a comment has a line of its own, so that an entry may contain `#`;
 * `anywhere`: a `#` begins a comment wherever it appears
 */
function configLines(text: string, comments: "line" | "anywhere" = "line"): ConfigLine[] {
  const lines: ConfigLine[] = [];
  for (const [at, raw] of text.replace(/^\ufeff/, "").split(/\r\n|\n|\r/).entries()) {
    const entry = (comments === "anywhere" ? raw.replace(/#.*$/, "") : raw).trim();
    if (entry === "" || entry.startsWith("#")) continue;
    const fault = NOT_TEXT.test(entry) ? { fault: "it contains characters that are not text" } : {};
    lines.push({ line: at + 1, text: entry, ...fault });
  }
  return lines;
}

/**
 * Removes a comment from the end of an entry. The `#` must be the first character or follow white
 * space, so that a value may contain `#`.
 */
function withoutComment(text: string): string {
  return text.replace(/(?:^|\s+)#.*$/, "").trim();
}

// ---- plugins/kit/misleading_text.ts

/**
 * Finds characters that make a name look like another one: a person who reads the text cannot see
 * them, or takes them for a separator. For names in text that people write or approve: configuration,
 * mount tables. Names of worlds in URLs may contain them. The rule of the
 * server is `lib/base/misleading_text.ts`; one table of cases tests both.
 */

/**
 * Joiners and selectors with a visible effect: in emoji, and in scripts whose letters join (Unicode
 * UAX #31 §2.3).
 */
const JOINED =
  /(?<=[\p{Extended_Pictographic}\p{Emoji_Modifier}\ufe0f\p{sc=Arabic}\p{sc=Syriac}\p{sc=Mongolian}\p{sc=Devanagari}\p{sc=Bengali}\p{sc=Gurmukhi}\p{sc=Gujarati}\p{sc=Oriya}\p{sc=Tamil}\p{sc=Telugu}\p{sc=Kannada}\p{sc=Malayalam}\p{sc=Sinhala}\p{sc=Khmer}\p{sc=Myanmar}])[\u200c\u200d](?=[\p{Extended_Pictographic}\p{L}\p{M}])|(?<=\p{Extended_Pictographic})\ufe0f/gu;
/** Characters without ink; a space is visible between two words. */
const INVISIBLE =
  /[\p{Default_Ignorable_Code_Point}\p{Cc}\p{Cf}\p{Co}\p{Zl}\p{Zp}\u2800]|(?! )\p{Zs}/u;
/** Characters that look like a slash or a dot. */
const LOOKALIKE = /[\u2044\u2215\u29f8\uff0f\u2024\uff0e]/u;
/** Cyrillic and Latin letters in one word: many of them look the same. */
const MIXED = /[\p{sc=Latin}][\p{M}]*[\p{sc=Cyrillic}]|[\p{sc=Cyrillic}][\p{M}]*[\p{sc=Latin}]/u;

/**
 * Explains why a text can be mistaken for another one.
 *
 * @param text a name or a path
 * @returns the end of a sentence about the text, in ASCII; undefined if it is not misleading
 */
function misleadingFault(text: string): string | undefined {
  if (/^[\x20-\x7e]*$/.test(text)) return undefined;
  const invisible = INVISIBLE.exec(text.replace(JOINED, ""))?.[0];
  if (invisible !== undefined) return `it contains the invisible character ${nameOf(invisible)}`;
  const lookalike = LOOKALIKE.exec(text)?.[0];
  if (lookalike !== undefined) {
    return `it contains ${nameOf(lookalike)}, which looks like a slash or a dot`;
  }
  return MIXED.test(text) ? "it contains a word with Latin and Cyrillic letters" : undefined;
}

function nameOf(char: string): string {
  return `U+${(char.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, "0")}`;
}

// ---- plugins/kit/net_permission.ts

/** Network permissions of a plugin: which hosts can be named, and how. */

const HOST_NAME =
  /^(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*|\[[0-9a-f:.]+\])$/;

/**
 * Tests whether a host can be named in a permission: a domain name, an IPv4 address, or an IPv6
 * address in brackets.
 *
 * @param hostname as `URL.hostname` has it
 */
function isPermittedHost(hostname: string): boolean {
  return HOST_NAME.test(hostname);
}

/**
 * Returns the host of a URL as a permission names it, with the default port of the scheme if the URL
 * has none.
 *
 * @param url an `http` or `https` URL
 */
function hostAndPort({ hostname, port, protocol }: URL): string {
  return `${hostname}:${port || (protocol === "https:" ? "443" : "80")}`;
}

// ---- plugins/kit/mount_table.ts

/**
 * The mount table `/etc/fstab`, one mount per line: `source /mnt/name ro|rw[,option…]`. The last two
 * fields are mount point and mode; everything before them is the source, which may contain spaces. A
 * line that cannot be used mounts nothing and is reported; all other lines stay in force.
 */

/** Path of the world that has the mount table. */
const MOUNT_TABLE = "/etc/fstab";
/** Most mounts; a plugin can be granted as many folders. */
const MAX_MOUNTS = 64;
/** Longest path of a folder in characters. */
const MAX_FOLDER_LENGTH = 1000;
/** Seconds that a web server has for a response: default and maximum. */
const TIMEOUT_SECONDS = 15;
const MAX_TIMEOUT_SECONDS = 25;

/** A line of the table that can be used, or that has a scheme without an adapter. */
interface Mount {
  /** `docs` for the mount point `/mnt/docs`. */
  readonly name: string;
  /** Line number, counted from 1. */
  readonly line: number;
  readonly mode: "ro" | "rw";
  /** `file`, `http`, `https`, or a scheme without an adapter. */
  readonly kind: string;
  /** Absolute path of a `file` mount, without a slash at the end. */
  readonly folder?: string;
  /** URL of an `http` or `https` mount; its path has no slash at the end. */
  readonly base?: URL;
  /** Bearer token for the web server. */
  readonly bearer?: string;
  /** How long the web server may take for a whole response, in milliseconds. */
  readonly timeoutMs: number;
}

/** A line of the table that cannot be used. */
interface MountFault {
  /** Line number, counted from 1. */
  readonly line: number;
  /** The reason. It contains nothing of the source or the options, which may be secret. */
  readonly reason: string;
}

/** The whole table. */
interface MountTable {
  /** Mounts by name, in the order of the table. */
  readonly mounts: ReadonlyMap<string, Mount>;
  readonly faults: readonly MountFault[];
}

const MOUNT_NAME = /^[\p{L}\p{N}][\p{L}\p{M}\p{N}._-]{0,63}$/u;
/** Folders that no plugin is granted. */
const SYSTEM_FOLDERS = ["/proc", "/sys", "/dev"];

/**
 * Reads the mount table. If two lines have one mount point, the first is in force.
 *
 * @param text content of the world {@link MOUNT_TABLE}
 */
function readMountTable(text: string): MountTable {
  const mounts = new Map<string, Mount>();
  const faults: MountFault[] = [];
  for (const { line, text: entry, fault } of configLines(text)) {
    const found = fault ?? readMount(entry, line);
    if (typeof found === "string") {
      faults.push({ line, reason: found });
      continue;
    }
    const first = mounts.get(found.name);
    if (first !== undefined) {
      faults.push({ line, reason: `/mnt/${found.name} is already mounted by line ${first.line}` });
    } else if (mounts.size >= MAX_MOUNTS) {
      faults.push({ line, reason: `there are more than ${MAX_MOUNTS} mounts` });
    } else mounts.set(found.name, found);
  }
  return { mounts, faults };
}

/**
 * Describes all faults of the table in one sentence, for the state of the plugin.
 *
 * @returns at most 1000 characters; undefined if the table has no fault
 */
function mountTableFault({ faults }: MountTable): string | undefined {
  if (faults.length === 0) return undefined;
  const sentence = faults.map(({ line, reason }) => `line ${line}: ${reason}`).join("; ");
  return `${MOUNT_TABLE} ${sentence}`.slice(0, 1000);
}

/**
 * Lists the mounted folders as a plugin asks for them: each once, the longest path first, because
 * the first folder that contains a path decides.
 *
 * @param mode `rw` for folders that can be written, `ro` for all folders
 */
function mountedFolders({ mounts }: MountTable, mode: "ro" | "rw"): string[] {
  const folders = new Set<string>();
  for (const { folder, mode: mounted } of mounts.values()) {
    if (folder !== undefined && (mode === "ro" || mounted === "rw")) folders.add(folder);
  }
  return [...folders].sort((a, b) => b.length - a.length);
}

/** A mount, or the reason why the line cannot be used. */
function readMount(entry: string, line: number): Mount | string {
  const [beforeMode, modeField] = splitLastField(entry);
  const [source, point] = splitLastField(beforeMode);
  if (source === "") return "it is not `source /mnt/name ro|rw[,options]`";
  const name = /^\/mnt\/([^/]+)\/?$/.exec(point)?.[1]?.normalize("NFC") ?? "";
  if (!MOUNT_NAME.test(name)) {
    return "the field before the last is not /mnt/<name>, a name of letters, digits, . _ - " +
      "(comments have lines of their own)";
  }
  const nameFault = misleadingFault(name);
  if (nameFault !== undefined) return `the name of the mount can be mistaken: ${nameFault}`;
  const [mode, ...options] = modeField.split(",");
  if (mode !== "ro" && mode !== "rw") return `the mode of /mnt/${name} is neither ro nor rw`;
  const location = readMountSource(source);
  if (typeof location === "string") return `/mnt/${name}: ${location}`;
  const optionFields = readMountOptions(options, location);
  if (typeof optionFields === "string") return `/mnt/${name}: ${optionFields}`;
  return { name, line, mode, ...location, ...optionFields };
}

function splitLastField(text: string): [rest: string, field: string] {
  const end = text.trimEnd();
  let at = end.length;
  while (at > 0 && end.charAt(at - 1).trim() !== "") at--;
  return [end.slice(0, at).trimEnd(), end.slice(at)];
}

type MountSource = Pick<Mount, "kind" | "folder" | "base">;

function readMountSource(source: string): MountSource | string {
  const scheme = /^([A-Za-z][A-Za-z0-9+.-]*):\/\//.exec(source)?.[1]?.toLowerCase();
  if (scheme === undefined) return readFolder(source);
  if (scheme === "file") {
    if (!URL.canParse(source)) return "its file:// URL is not valid";
    const { hostname, pathname } = new URL(source.replaceAll("?", "%3F").replaceAll("#", "%23"));
    if (hostname !== "" && hostname !== "localhost") {
      return "its file:// URL names another computer";
    }
    try {
      return readFolder(decodeURIComponent(pathname).replace(/^\/(?=[A-Za-z]:\/)/, ""));
    } catch {
      return "its file:// URL contains a percent escape that is not valid";
    }
  }
  return scheme === "http" || scheme === "https" ? readBaseUrl(source, scheme) : { kind: scheme };
}

function readFolder(source: string): MountSource | string {
  const folder = source.length > 1 ? source.replace(/\/+$/, "") : source;
  if (!/^(?:\/|[A-Za-z]:\/)/.test(source)) {
    return "its source is neither an absolute path nor scheme://…";
  }
  if (folder === "" || folder === "/" || /^[A-Za-z]:$/.test(folder)) {
    return "a whole disk cannot be mounted; name a folder";
  }
  // deno-lint-ignore no-control-regex -- the pattern must match control characters
  if (/[\u0000-\u001f\\]|\/\/|(?:^|\/)\.\.?(?:\/|$)/.test(folder)) {
    return "the folder contains a control character, a backslash, `//`, `.` or `..`";
  }
  if (folder.length > MAX_FOLDER_LENGTH) {
    return `the path of the folder is longer than ${MAX_FOLDER_LENGTH} characters`;
  }
  // Deno's permission flags take folders as a list separated by commas, without an escape.
  if (folder.includes(",")) return "the path of the folder contains a comma";
  // The folders of a plugin are shown to every caller.
  if (/bearer\s*=/i.test(folder)) return "the option bearer=… is in the field of the source";
  if (SYSTEM_FOLDERS.some((system) => folder === system || folder.startsWith(`${system}/`))) {
    return "/proc, /sys and /dev cannot be mounted";
  }
  return { kind: "file", folder };
}

function readBaseUrl(source: string, kind: string): MountSource | string {
  if (!URL.canParse(source)) return "its URL is not valid";
  const base = new URL(source);
  if (base.username !== "" || base.password !== "") {
    return "its URL contains a user or a password; use the option bearer=…";
  }
  // A password with a slash: what precedes it would be the host, which the state of the plugin shows.
  if (source.includes("@")) return "its URL contains @; write %40 if it belongs to the path";
  if (base.search !== "" || base.hash !== "") return "its URL contains a query or a fragment";
  if (!isPermittedHost(base.hostname)) return "its host cannot be named in a permission";
  base.pathname = base.pathname.replace(/\/+$/, "");
  return { kind, base };
}

function readMountOptions(
  options: readonly string[],
  { base }: MountSource,
): Pick<Mount, "bearer" | "timeoutMs"> | string {
  let bearer: string | undefined;
  let seconds = TIMEOUT_SECONDS;
  for (const option of options) {
    const equals = option.indexOf("=");
    const key = equals < 0 ? option : option.slice(0, equals);
    const value = equals < 0 ? "" : option.slice(equals + 1);
    if (base !== undefined && key === "bearer") {
      if (!/^[\x21-\x2b\x2d-\x7e]{1,4096}$/.test(value)) return "its bearer is not a token";
      bearer = value;
    } else if (base !== undefined && key === "timeout") {
      seconds = Number(value);
      if (!(seconds >= 0.1 && seconds <= MAX_TIMEOUT_SECONDS)) {
        return `its timeout is not 0.1 to ${MAX_TIMEOUT_SECONDS} seconds`;
      }
    } else {
      return "it has an unknown option; http and https take bearer=… and timeout=…";
    }
  }
  return { ...(bearer === undefined ? {} : { bearer }), timeoutMs: 1000 * seconds };
}

// ---- plugins/kit/accept.ts

/**
 * Content negotiation by the Accept header (RFC 9110 §12.5.1): q-values, specificity, refusal with
 * q=0. The results are those of the server's own negotiation, `lib/http/negotiate.ts`; one table of
 * cases tests both.
 */

/** A longer Accept header counts as absent, in characters: RFC 9110 lets a server disregard it. */
const MAX_ACCEPT_LENGTH = 2048;

/** One media range of an Accept header. */
interface AcceptRange {
  /** Type and subtype in lower case, such as `text/html` or `text/*`. */
  readonly range: string;
  /** Parameters except `q`, names in lower case. */
  readonly parameters: ReadonlyMap<string, string>;
  /** Weight; 0 refuses the type, NaN if it is not a number. */
  readonly q: number;
}

/** An offered media type that Accept allows. */
interface TypeChoice {
  /** The offered type. */
  readonly type: string;
  /** The media range that allowed it: the type itself, or a range with `*`. */
  readonly range: string;
}

const RANGE_START = /[ \t]*([^,;]*)/y;
/** A parameter with a quoted value, a quoted value without end, a plain value, or without a value. */
const RANGE_PARAMETER =
  /;[ \t]*(?:([^,;=]*)=[ \t]*(?:"((?:\\[^]|[^"\\])*)"[^,;]*|"[^]*|([^,;]*))|[^,;=]*)/y;

/**
 * Parses an Accept header. `*` counts as a range for all types; other elements without a slash are
 * left out.
 *
 * @param accept value of the Accept header
 * @returns the media ranges in the order of the header
 */
function parseAccept(accept: string): AcceptRange[] {
  const ranges: AcceptRange[] = [];
  for (let at = 0; at < accept.length; at++) {
    RANGE_START.lastIndex = at;
    const range = (RANGE_START.exec(accept)?.[1] ?? "").replace(/[ \t]+$/, "").toLowerCase();
    RANGE_PARAMETER.lastIndex = at = RANGE_START.lastIndex;
    const parameters = new Map<string, string>();
    for (let found = RANGE_PARAMETER.exec(accept); found; found = RANGE_PARAMETER.exec(accept)) {
      at = RANGE_PARAMETER.lastIndex;
      const name = found[1]?.replace(/[ \t]+$/, "").toLowerCase();
      const value = found[2]?.replace(/\\([^])/g, "$1") ?? found[3]?.replace(/[ \t]+$/, "");
      if (name === undefined || value === undefined || parameters.has(name)) continue;
      parameters.set(name, value);
    }
    const weight = parameters.get("q") ?? "";
    parameters.delete("q");
    const q = weight === "" ? 1 : parseFloat(weight);
    if (range === "*") ranges.push({ range: "*/*", parameters, q });
    else if (range.includes("/")) ranges.push({ range, parameters, q });
  }
  return ranges;
}

/**
 * Lists the offered media types that Accept allows, best first: by weight, then by how specific the
 * media range is, then by the order of the header, then by the order offered.
 *
 * @param accept value of the Accept header; null, blank and over-long values allow every type
 * @param offered media types without parameters, in the plugin's order of preference
 */
function acceptableTypes(accept: string | null, offered: readonly string[]): TypeChoice[] {
  // These two headers are the usual ones of programs; no list has to be parsed for them.
  if (accept === null || accept === "*/*") return offered.map((type) => ({ type, range: "*/*" }));
  if (offered.includes(accept)) return [{ type: accept, range: accept }];
  if (accept.length > MAX_ACCEPT_LENGTH || accept.trim() === "") {
    return offered.map((type) => ({ type, range: "*/*" }));
  }
  const ranges = parseAccept(accept);
  return offered.map((type) => bestRange(type, ranges))
    .filter(({ q }) => q > 0)
    .sort((a, b) => b.q - a.q || b.specificity - a.specificity || a.order - b.order)
    .map(({ type, range }) => ({ type, range }));
}

/**
 * Chooses the media type of a response.
 *
 * @param accept value of the Accept header, or null
 * @param offered media types without parameters; the first is chosen if Accept is absent
 * @returns the best offered type; undefined if Accept allows none of them
 */
function chooseType(accept: string | null, offered: readonly string[]): string | undefined {
  return acceptableTypes(accept, offered)[0]?.type;
}

interface RankedChoice extends TypeChoice {
  readonly q: number;
  /** 4 for an equal type, 2 for an equal subtype, 1 for equal parameters, added up. */
  readonly specificity: number;
  /** Index of the media range in the header. */
  readonly order: number;
}

/** The most specific range decides about a type, also if a less specific one has a higher weight. */
function bestRange(type: string, ranges: readonly AcceptRange[]): RankedChoice {
  let best: RankedChoice = { type, range: "", q: 0, specificity: 0, order: -1 };
  for (const [order, accepted] of ranges.entries()) {
    const specificity = specificityOf(accepted, type);
    if (specificity === undefined) continue;
    const { range, q } = accepted;
    const difference = best.specificity - specificity || best.q - q || best.order - order;
    if (difference < 0) best = { type, range, q, specificity, order };
  }
  return best;
}

/** How specific a media range is for a type; undefined if it does not include the type. */
function specificityOf({ range, parameters }: AcceptRange, type: string): number | undefined {
  const [rangeType, rangeSubtype] = splitType(range);
  const [offeredType, offeredSubtype] = splitType(type);
  let specificity = 0;
  if (rangeType === offeredType) specificity += 4;
  else if (rangeType !== "*") return undefined;
  if (rangeSubtype === offeredSubtype) specificity += 2;
  else if (rangeSubtype !== "*") return undefined;
  if (parameters.size === 0) return specificity;
  // Text is always sent as UTF-8, and no other type is sent with a parameter.
  const charset = offeredType === "text" ? "utf-8" : "";
  for (const [name, value] of parameters) {
    if (value !== "*" && value.toLowerCase() !== (name === "charset" ? charset : "")) {
      return undefined;
    }
  }
  return specificity + 1;
}

function splitType(type: string): [type: string, subtype: string] {
  const slash = type.indexOf("/");
  return [type.slice(0, slash), type.slice(slash + 1)];
}

// ---- plugins/kit/problem_types.ts

/**
 * Problem types of the server with status and title. Generated from `lib/http/problem.ts` by
 * `deno task plugins`; do not edit.
 */

/** Each type has a page, `/usr/share/doc/problems/<type>.md`. */
const PROBLEMS = {
  "bad-path": { status: 400, title: "Ambiguous path" },
  "bad-name": { status: 400, title: "Invalid world name" },
  "bad-query": { status: 400, title: "Invalid query parameter" },
  "bad-header": { status: 400, title: "Invalid request header" },
  "bad-metadata": { status: 400, title: "Invalid X-Meta header" },
  "bad-body": { status: 400, title: "Invalid request body" },
  "unauthorized": { status: 401, title: "Credential required" },
  "forbidden": { status: 403, title: "Insufficient permission" },
  "foreign-origin": { status: 403, title: "Request from another site" },
  "unknown-host": { status: 403, title: "Unknown Host header" },
  "lower-layer": { status: 403, title: "World in the read-only lower layer" },
  "not-found": { status: 404, title: "Not found" },
  "method-not-allowed": { status: 405, title: "Method not allowed" },
  "not-acceptable": { status: 406, title: "No acceptable representation" },
  "request-timeout": { status: 408, title: "Request timeout" },
  "conflict": { status: 409, title: "Conflict with the current state" },
  "patch-conflict": { status: 409, title: "Edit does not apply" },
  "other-key": { status: 409, title: "Events signed with another key" },
  "gone": { status: 410, title: "Version no longer available" },
  "precondition-failed": { status: 412, title: "Precondition failed" },
  "body-too-large": { status: 413, title: "Content too large" },
  "uri-too-long": { status: 414, title: "URL too long" },
  "unsupported-media-type": { status: 415, title: "Unsupported media type" },
  "range-not-satisfiable": { status: 416, title: "Range not satisfiable" },
  "unprocessable": { status: 422, title: "Unprocessable content" },
  "idempotency-key-reused": { status: 422, title: "Idempotency key used before" },
  "locked": { status: 423, title: "Resource locked" },
  "too-many-requests": { status: 429, title: "Too many requests" },
  "internal": { status: 500, title: "Internal server error" },
  "world-damaged": { status: 500, title: "Unreadable world file" },
  "not-implemented": { status: 501, title: "Not implemented" },
  "foreign-destination": { status: 502, title: "Destination on another server" },
  "bad-gateway": { status: 502, title: "Upstream failed" },
  "unavailable": { status: 503, title: "Service unavailable" },
  "unreachable": { status: 503, title: "Database unreachable" },
  "outcome-unknown": { status: 503, title: "Outcome unknown" },
  "gateway-timeout": { status: 504, title: "Upstream timed out" },
  "insufficient-storage": { status: 507, title: "Insufficient storage" },
  "quota-exceeded": { status: 507, title: "Quota exceeded" },
  "loop-detected": { status: 508, title: "Request loop" },
} as const satisfies Readonly<Record<string, { status: number; title: string }>>;

// ---- plugins/kit/problem.ts

/**
 * Errors as problem responses (RFC 9457): one error class that carries a problem type, and one
 * function that makes the response. Types and titles are those of the server.
 */

/** Name of a problem type of the server, the last segment of its `type` URI. */
type ProblemType = keyof typeof PROBLEMS;

/** What all occurrences of a problem have in common. */
interface ProblemKind {
  /** URI reference of the page that describes the problem. */
  readonly type: string;
  /** HTTP status code. */
  readonly status: number;
  readonly title: string;
}

/**
 * An error that becomes a problem response.
 */
class Problem extends Error implements ProblemKind {
  override readonly name = "Problem";
  readonly type: string;
  readonly status: number;
  readonly title: string;
  /** Response headers of this problem, such as `allow` or `retry-after`. */
  readonly headers: Readonly<Record<string, string>>;

  /**
   * @param kind name of a problem type of the server, or a kind of its own
   * @param detail one sentence on this occurrence, without final period and without secrets
   * @param headers response headers of this problem
   */
  constructor(
    kind: ProblemType | ProblemKind,
    detail: string,
    headers: Readonly<Record<string, string>> = {},
  ) {
    super(detail);
    const { type, status, title } = typeof kind === "string" ? problemKind(kind) : kind;
    this.type = type;
    this.status = status;
    this.title = title;
    this.headers = headers;
  }
}

/**
 * Returns type, status and title of a problem type of the server.
 */
function problemKind(type: ProblemType): ProblemKind {
  return { type: `/usr/share/doc/problems/${type}.md`, ...PROBLEMS[type] };
}

/** Options of {@link problemResponse}. */
interface ProblemResponseOptions {
  /** Response headers; those of the problem have precedence. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Media types, in addition to `text/plain` and `text/html`, whose readers get plain text. */
  readonly textTypes?: readonly string[];
  /** Extension members of the JSON object (RFC 9457 §3.2). */
  readonly members?: Readonly<Record<string, unknown>>;
}

/**
 * Makes the response of a problem: `application/problem+json`, or the same content as plain text if
 * Accept prefers text.
 *
 * @param accept value of the request's Accept header, or null
 * @param head whether the request is a HEAD, whose response has no body
 */
function problemResponse(
  problem: Problem,
  accept: string | null,
  head = false,
  { headers = {}, textTypes = [], members = {} }: ProblemResponseOptions = {},
): Response {
  const { type, title, status, message: detail } = problem;
  const text = ["text/plain", "text/html", ...textTypes];
  const chosen = chooseType(accept, ["application/problem+json", "application/json", ...text]);
  const asText = chosen !== undefined && text.includes(chosen);
  const body = asText
    ? `${status} ${title}\n${detail}\n`
    : `${JSON.stringify({ type, title, status, detail, ...members })}\n`;
  const bytes = new TextEncoder().encode(body);
  return new Response(head ? null : bytes, {
    status,
    headers: {
      "content-type": asText ? "text/plain; charset=utf-8" : "application/problem+json",
      // RFC 9110 §8.6: the response to a HEAD has the length that the response to a GET would have.
      "content-length": String(bytes.length),
      "cache-control": "no-store",
      "vary": "Accept",
      ...headers,
      ...problem.headers,
    },
  });
}

// ---- plugins/kit/mounted_path.ts

/**
 * Finds a file below a mounted folder whose name on the disk is not in NFC. Paths of requests are in
 * NFC; macOS and some archives store names in NFD.
 */

/** Most entries of a folder that are compared. */
const MAX_COMPARED_ENTRIES = 10_000;

/** The part of `env.files` that is used here. */
interface FolderLister {
  list(path: string, options: { most: number }): Promise<readonly { readonly name: string }[]>;
}

/**
 * Finds the path on the disk that has the given segments in NFC. To be called after the path itself
 * was not found: it lists every folder on the path.
 *
 * @param folder absolute path of the mounted folder
 * @param segments path below the folder, in NFC
 * @returns the path on the disk; undefined if absent, or if all segments are ASCII, so that
 * there is only one spelling
 */
async function findOtherSpelling(
  files: FolderLister,
  folder: string,
  segments: readonly string[],
): Promise<string | undefined> {
  // deno-lint-ignore no-control-regex -- the pattern matches all characters except ASCII
  if (!segments.some((segment) => /[^\u0000-\u007f]/.test(segment))) return undefined;
  let path = folder;
  for (const segment of segments) {
    let entries: readonly { readonly name: string }[];
    try {
      entries = await files.list(path, { most: MAX_COMPARED_ENTRIES });
    } catch {
      return undefined; // a folder that cannot be listed has no other spelling to offer
    }
    const found = entries.find(({ name }) => name.normalize("NFC") === segment);
    if (found === undefined) return undefined;
    path += `/${found.name}`;
  }
  return path;
}

// ---- plugins/db/env.ts

/** What the server passes to the plugin. */

/** The part of `env` that is used. */
interface Env {
  readonly config: PluginConfig;
  readonly caller: { readonly fetch: PluginFetch };
  readonly sql: Sql;
  /** Absent if no folder is mounted. */
  readonly files?: FolderLister;
}

// ---- plugins/db/formats/csv.ts

/** Rows as CSV (RFC 4180). An empty field is NULL, and `""` is an empty text. */

/** Formats rows with a header line. */
function formatCsv({ columns, rows }: SqlResult): string {
  return [columns.map(csvText), ...rows.map((row) => row.map(csvValue))]
    .map((fields) => `${fields.join(",")}\r\n`).join("");
}

function csvValue(value: SqlResult["rows"][number][number]): string {
  if (value === null) return "";
  if (typeof value === "number") return String(value);
  return value instanceof Uint8Array ? `x'${value.toHex()}'` : csvText(value);
}

function csvText(text: string): string {
  return text === "" || /[",\r\n]/.test(text) || /^\s|\s$/.test(text)
    ? `"${text.replaceAll('"', '""')}"`
    : text;
}

// ---- plugins/db/formats/json.ts

/** Rows as JSON: one array, or one object per line (NDJSON). */

/** Formats rows as a JSON array, one object per line. */
function formatJson(result: SqlResult): string {
  const rows = rowObjects(result);
  return rows.length === 0 ? "[]\n" : `[\n${rows.join(",\n")}\n]\n`;
}

/** Formats rows as NDJSON. */
function formatNdjson(result: SqlResult): string {
  return rowObjects(result).map((row) => `${row}\n`).join("");
}

/**
 * Rows as texts of JSON objects. They are not made of JavaScript objects, which would put a column
 * called `2` before one called `a`, and would set the prototype for `__proto__`.
 */
function rowObjects({ columns, rows }: SqlResult): string[] {
  const keys = distinctNames(columns).map((name) => JSON.stringify(name));
  return rows.map((row) =>
    `{${row.map((value, at) => `${keys[at]}:${jsonValue(value)}`).join(",")}}`
  );
}

/** The second column called `a` gets the name `a_2`, unless another column has that name. */
function distinctNames(columns: readonly string[]): string[] {
  const taken = new Set(columns);
  const seen = new Set<string>();
  return columns.map((name) => {
    let key = name;
    for (let count = 2; seen.has(key); count++) {
      const next = `${name}_${count}`;
      if (!taken.has(next) && !seen.has(next)) key = next;
    }
    seen.add(key);
    return key;
  });
}

function jsonValue(value: SqlResult["rows"][number][number]): string {
  if (value instanceof Uint8Array) return `{"base64":"${value.toBase64()}"}`;
  if (typeof value === "number" && !Number.isFinite(value)) return `"${value}"`;
  return JSON.stringify(value);
}

// ---- plugins/db/formats/table.ts

/** Rows as a plain table for a terminal: aligned columns, one line per row. */

/** Longest text of a cell in characters. */
const MAX_CELL_LENGTH = 200;
/** Characters that take two columns of a terminal. */
const WIDE_CHARACTER =
  /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{1f300}-\u{1faff}\u{20000}-\u{3fffd}]/u;

/** Formats rows under the names of their columns; columns of numbers are aligned to the right. */
function formatTable({ columns, rows, truncated }: SqlResult): string {
  const cells = [columns, ...rows].map((row) => row.map(cellText));
  const widths = columns.map((_, column) => {
    let widest = 1;
    for (const row of cells) widest = Math.max(widest, widthOf(row[column] ?? ""));
    return widest;
  });
  const isNumeric = columns.map((_, column) =>
    rows.length > 0 && rows.every((row) => row[column] === null || typeof row[column] === "number")
  );
  const lines = cells.map((row) =>
    row.map((text, column) => {
      const space = " ".repeat((widths[column] ?? 0) - widthOf(text));
      return isNumeric[column] ? space + text : text + space;
    }).join("  ").trimEnd()
  );
  lines.splice(1, 0, widths.map((width) => "-".repeat(width)).join("  "));
  if (truncated) lines.push(`(the first ${rows.length} rows; there are more)`);
  return `${lines.join("\n")}\n`;
}

function cellText(value: SqlResult["rows"][number][number]): string {
  if (value === null) return "NULL";
  if (value instanceof Uint8Array) {
    return shorten(`x'${value.subarray(0, MAX_CELL_LENGTH).toHex()}'`);
  }
  // Control characters control a terminal, and format characters change the direction of text.
  return shorten(String(value)).replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, (char) => {
    if (char === "\n") return "\\n";
    if (char === "\t") return "\\t";
    if (char === "\r") return "\\r";
    return `\\u{${char.codePointAt(0)?.toString(16)}}`;
  });
}

function shorten(text: string): string {
  if (text.length <= MAX_CELL_LENGTH) return text;
  const start = [...text.slice(0, MAX_CELL_LENGTH)].slice(0, MAX_CELL_LENGTH - 1);
  return `${start.join("")}…`;
}

/** Columns that a text takes in a terminal, approximately. */
function widthOf(text: string): number {
  let width = 0;
  for (const char of text) {
    if (/\p{Mn}/u.test(char)) continue;
    width += WIDE_CHARACTER.test(char) ? 2 : 1;
  }
  return width;
}

// ---- plugins/db/formats/format.ts

/** The formats of a result, and how Accept chooses one. */

/** Name of a format. */
type FormatName = "json" | "csv" | "table" | "ndjson";

/** Content-Type and writer of each format. */
const FORMATS: Readonly<
  Record<FormatName, { readonly type: string; readonly write: (result: SqlResult) => string }>
> = {
  json: { type: "application/json", write: formatJson },
  csv: { type: "text/csv; charset=utf-8; header=present", write: formatCsv },
  table: { type: "text/plain; charset=utf-8", write: formatTable },
  ndjson: { type: "application/x-ndjson", write: formatNdjson },
};

/** Media types by which a format can be chosen; the first is the default. */
const FORMAT_BY_TYPE: ReadonlyMap<string, FormatName> = new Map([
  ["application/json", "json"],
  ["text/plain", "table"],
  ["text/csv", "csv"],
  ["application/x-ndjson", "ndjson"],
  ["application/ndjson", "ndjson"],
  ["application/jsonl", "ndjson"],
]);

/**
 * Chooses the format of a response.
 *
 * @param accept value of the Accept header, or null
 * @throws {Problem} `not-acceptable`
 */
function chooseFormat(accept: string | null): FormatName {
  const format = FORMAT_BY_TYPE.get(chooseType(accept, [...FORMAT_BY_TYPE.keys()]) ?? "");
  if (format !== undefined) return format;
  throw new Problem(
    "not-acceptable",
    "Cannot send a format that Accept allows; available: application/json, " +
      "application/x-ndjson, text/csv, text/plain",
  );
}

// ---- plugins/kit/encode_path.ts

/** Writes a path as a URL has it. */

/**
 * Percent-encodes the segments of a path. Slashes stay.
 */
function encodePath(path: string): string {
  return path.split("/").map(encodeURIComponent).join("/");
}

// ---- plugins/kit/json_record.ts

/** Reads JSON objects whose fields are not known beforehand. */

/**
 * Tests whether a value is an object with fields: not null and not an array.
 */
function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/**
 * Parses a JSON object.
 *
 * @returns the object; undefined if the text is not JSON, or JSON of another kind
 */
function parseRecord(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return isRecord(value) ? value : undefined;
  } catch {
    return undefined; // the caller handles text that is not JSON
  }
}

// ---- plugins/kit/read_body.ts

/**
 * Reads bodies of requests and responses with a limit, so that no body can fill the memory of the
 * plugin's process.
 */

/** How much of a body is read, and what happens beyond. */
interface BodyLimit {
  /** Longest body in bytes. */
  readonly maxBytes: number;
  /** Makes the error that is thrown for a longer body. */
  readonly tooLong: () => Error;
  /**
   * Called with the length of each piece in bytes before the piece is kept. It may throw to stop the
   * read, for instance if all requests together hold too much.
   */
  readonly onPiece?: (bytes: number) => void;
}

/** The part of a Request or Response that is read here. */
type Message = Pick<Request | Response, "body" | "headers">;

/**
 * Reads a whole body.
 *
 * @throws the error of `tooLong`, if Content-Length or the body itself exceeds the limit; the rest of
 * the body is then cancelled
 */
async function readBody(
  message: Message,
  limit: BodyLimit,
): Promise<Uint8Array<ArrayBuffer>> {
  return joinPieces(await readPieces(message, limit));
}

/**
 * Reads a whole body and keeps the pieces in which it arrived.
 *
 * @throws the error of `tooLong`, as {@link readBody} does
 */
async function readPieces(
  { body, headers }: Message,
  { maxBytes, tooLong, onPiece }: BodyLimit,
): Promise<Uint8Array<ArrayBuffer>[]> {
  if (Number(headers.get("content-length") ?? 0) > maxBytes) {
    await body?.cancel();
    throw tooLong();
  }
  const pieces: Uint8Array<ArrayBuffer>[] = [];
  let length = 0;
  for await (const piece of body ?? []) {
    length += piece.length;
    if (length > maxBytes) throw tooLong();
    onPiece?.(piece.length);
    pieces.push(piece);
  }
  return pieces;
}

/**
 * Joins pieces of bytes.
 */
function joinPieces(pieces: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const joined = new Uint8Array(pieces.reduce((length, piece) => length + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    joined.set(piece, at);
    at += piece.length;
  }
  return joined;
}

// ---- plugins/kit/read_start.ts

/** Reads the first bytes of a body, for readers that need no more. */

/**
 * Reads the first bytes of a body and cancels the rest.
 *
 * @returns at most `maxBytes` bytes, and whether they are the whole body
 */
async function readStart(
  { body }: Pick<Message, "body">,
  maxBytes: number,
): Promise<{ bytes: Uint8Array<ArrayBuffer>; whole: boolean }> {
  const pieces: Uint8Array<ArrayBuffer>[] = [];
  let length = 0;
  for await (const piece of body ?? []) {
    const left = maxBytes - length;
    pieces.push(piece.subarray(0, left));
    length += Math.min(piece.length, left);
    if (piece.length > left) return { bytes: joinPieces(pieces), whole: false };
  }
  return { bytes: joinPieces(pieces), whole: true };
}

// ---- plugins/kit/read_problem.ts

/** Reads a problem response (RFC 9457) of the server, to pass it on to the caller. */

/** Longest problem that is read, in bytes. */
const MAX_PROBLEM_BYTES = 64 * 1024;
/** Headers of a problem that the caller needs. */
const PROBLEM_HEADERS = ["www-authenticate", "retry-after"];

/**
 * Reads the problem in a response, with its `WWW-Authenticate` and `Retry-After` headers. The body of
 * the response is read or cancelled in any case.
 *
 * @returns the problem; undefined if the body is not a problem in JSON
 */
async function readProblem(response: Response): Promise<Problem | undefined> {
  const { bytes } = await readStart(response, MAX_PROBLEM_BYTES);
  const { type, title, detail } = parseRecord(new TextDecoder().decode(bytes)) ?? {};
  if (typeof type !== "string" || typeof title !== "string" || typeof detail !== "string") {
    return undefined;
  }
  return new Problem({ type, status: response.status, title }, detail, problemHeaders(response));
}

/**
 * Copies the headers of a problem response that the caller needs.
 */
function problemHeaders({ headers }: Response): Record<string, string> {
  const copied: Record<string, string> = {};
  for (const name of PROBLEM_HEADERS) {
    const value = headers.get(name);
    if (value !== null) copied[name] = value;
  }
  return copied;
}

// ---- plugins/db/mounted_file.ts

/** Finds the folder of a file below a mount. It does not check whether the file exists. */

/** A file below a mounted folder. */
interface MountedFile {
  /** Absolute path of the folder. */
  readonly folder: string;
  /** Segments of the path below the folder. */
  readonly segments: readonly string[];
}

/**
 * Resolves `<mount>/<path>`.
 *
 * @throws {Problem} `forbidden`, `not-found` or `bad-query`
 */
function resolveFile(file: string, table: MountTable): MountedFile {
  const cannot = `Cannot query the file ${file}`;
  const parts = file.replace(/^\//, "").split("/");
  const [name = "", ...segments] = parts;
  // deno-lint-ignore no-control-regex -- the pattern must match control characters
  if (parts.includes("..") || parts.includes(".") || /[\u0000-\u001f\\]/.test(file)) {
    const found = "its path contains `.`, `..`, a backslash or a control character";
    throw new Problem("forbidden", `${cannot}: ${found}`);
  }
  const mount = table.mounts.get(name.normalize("NFC"));
  if (mount === undefined) {
    throw new Problem("not-found", `${cannot}: nothing is mounted at /mnt/${name}`);
  }
  const { folder, kind } = mount;
  if (folder === undefined) {
    const found = `/mnt/${name} is mounted from ${kind}://; SQL needs a folder`;
    throw new Problem("bad-query", `${cannot}: ${found}`);
  }
  if (segments.length === 0 || segments.includes("")) {
    throw new Problem("bad-query", `${cannot}: it does not name a file below /mnt/${name}`);
  }
  return { folder, segments };
}

// ---- plugins/db/query_problem.ts

/** Translates errors of `env.sql` into problems. */

/**
 * Returns the problem for an error of `env.sql.query`.
 *
 * @param name what was queried, as messages name it
 * @param timeoutMs real time that the statement had, in milliseconds
 * @returns an error that `env.sql` does not document, as it is
 */
function queryProblem(error: unknown, name: string, timeoutMs: number): unknown {
  if (!(error instanceof Error)) return error;
  const cannot = `Cannot query ${name}: `;
  switch (error.name) {
    case "SqliteError":
      return new Problem("bad-body", cannot + error.message);
    case "TimeoutError":
      return new Problem(
        "request-timeout",
        `${cannot}the statement took more than ${
          timeoutMs / 1000
        } s and was stopped; query less data`,
      );
    case "QuotaExceededError":
      return new Problem("body-too-large", cannot + error.message);
    case "Busy":
      return new Problem("unavailable", cannot + error.message, { "retry-after": "1" });
    case "NotFound":
    case "NotADirectory":
      return new Problem("not-found", `${cannot}the file does not exist`);
    case "IsADirectory":
      return new Problem("bad-query", `${cannot}it is a folder`);
    case "TypeError":
    case "NotCapable":
    case "FilesystemLoop":
      return new Problem("forbidden", `${cannot}it is a link that leads out of the mount`);
    case "PermissionDenied":
      return new Problem("forbidden", `${cannot}the server cannot read the file`);
    default:
      return error;
  }
}

// ---- plugins/kit/world_name.ts

/**
 * Names of worlds: which names there can be. The rules are those of `lib/world/name.ts`; one table of
 * cases tests both.
 */

/** First segments of the names of worlds. */
const NAMESPACES: readonly string[] = ["home", "etc", "usr", "var", "boot", "lib"];

// deno-lint-ignore no-control-regex -- the pattern must match control characters
const NOT_IN_NAMES = /[\u0000-\u001f\u007f-\u009f\u2028\u2029\\:*?"<>|]/;

/**
 * Explains why a world cannot have a name.
 *
 * @param name without a slash in front, such as `home/x`
 * @returns the end of a sentence about the name; undefined if the name is valid
 */
function worldNameFault(name: string): string | undefined {
  const segments = name.split("/");
  if (!NAMESPACES.includes(segments[0] ?? "")) {
    return `worlds are in ${NAMESPACES.map((space) => `/${space}`).join(", ")}`;
  }
  if (segments.length === 1) return "a namespace is not a world";
  if (NOT_IN_NAMES.test(name)) {
    return 'it contains a control character or one of \\ : * ? " < > |';
  }
  if (name.normalize("NFC") !== name || !name.isWellFormed()) return "it is not in NFC";
  if (segments.some((segment) => /^\.{0,2}$/.test(segment))) {
    return "it contains an empty segment, `.` or `..`";
  }
  return undefined;
}

/**
 * Returns the name of a world that was given in short or in full: `x` means `home/x`. A slash in
 * front is left out, and the name is put in NFC.
 *
 * @returns a name that {@link worldNameFault} can check
 */
function fullWorldName(given: string): string {
  const name = given.replace(/^\//, "").normalize("NFC");
  const [first = "", ...rest] = name.split("/");
  return NAMESPACES.includes(first) && rest.length > 0 ? name : `home/${name}`;
}

// ---- plugins/db/target.ts

/** Reads from the URL what is queried: one world or one file, and the parameters of the statement. */

/** What is queried. */
interface Target {
  /** Name of a world, such as `home/x`; absent for a file. */
  readonly world?: string;
  /** `<mount>/<path>`; absent for a world. */
  readonly file?: string;
  /** Whether the content of the world is the database, and not the world itself. */
  readonly content: boolean;
  /** Values by position or by name. */
  readonly params: readonly SqlValue[] | Readonly<Record<string, SqlValue>>;
}

const ROUTE = "/dev/db";

/**
 * Reads the target and the parameters of a request.
 *
 * @throws {Problem} `bad-query`
 */
function readTarget({ pathname, searchParams }: URL): Target {
  const targets: { world?: string; file?: string }[] = [];
  const rest = decodeURIComponent(pathname.slice(ROUTE.length + 1));
  if (rest.startsWith("mnt/")) targets.push({ file: rest.slice("mnt/".length) });
  else if (rest !== "") targets.push({ world: worldOf(rest) });
  const values = new Map<string, SqlValue>();
  for (const [key, value] of searchParams) {
    if (key === "world") targets.push({ world: worldOf(value) });
    else if (key === "file") targets.push({ file: value });
    else if (/^[pn]\../s.test(key)) {
      const name = key.slice(2);
      if (values.has(name)) throw badQuery(`the parameter ${name} is given twice`);
      if (value.includes("\0")) {
        throw badQuery(`the parameter ${name} contains a NUL character, where SQLite would end it`);
      }
      values.set(name, key.startsWith("n") ? numberOf(key, value) : value);
    } else if (key !== "sql" && key !== "content") {
      throw badQuery(`?${key} is unknown; use world, file, content, sql, p.<name> and n.<name>`);
    }
  }
  const [target] = targets;
  // A capability is checked against the path only: a second target would not be covered by it.
  if (target === undefined || targets.length > 1) {
    throw badQuery(
      "name one target, as ?world=home/x or ?file=<mount>/<path>, or as " +
        `${ROUTE}/home/x or ${ROUTE}/mnt/<mount>/<path>`,
    );
  }
  const content = searchParams.has("content");
  if (content && target.world === undefined) throw badQuery("?content is for worlds");
  return { ...target, content, params: paramsOf(values) };
}

function worldOf(given: string): string {
  const name = fullWorldName(given);
  const fault = worldNameFault(name);
  if (fault === undefined) return name;
  throw badQuery(`${JSON.stringify(given)} is not the name of a world: ${fault}`);
}

/** A number as SQLite has it: an integer of 64 bits, or a floating-point number. */
function numberOf(key: string, value: string): SqlValue {
  if (/^[-+]?\d{1,19}$/.test(value)) {
    const integer = BigInt(value.replace(/^\+/, ""));
    if (BigInt.asIntN(64, integer) === integer) return integer;
  } else if (/^[-+]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?$/i.test(value)) {
    return Number(value);
  }
  throw badQuery(`?${key}= is ${JSON.stringify(value)}, which is not a number of SQLite`);
}

/** Names that are numbers are positions, counted from 1. */
function paramsOf(values: ReadonlyMap<string, SqlValue>): Target["params"] {
  if (![...values.keys()].some((name) => /^\d+$/.test(name))) return Object.fromEntries(values);
  const positional: SqlValue[] = [];
  for (let position = 1; position <= values.size; position++) {
    const value = values.get(String(position));
    if (value === undefined) {
      throw badQuery("parameters by position are p.1, p.2 and so on, without gaps and names");
    }
    positional.push(value);
  }
  return positional;
}

function badQuery(found: string): Problem {
  return new Problem("bad-query", `Cannot query: ${found}`);
}

// ---- plugins/db/query_source.ts

/** Queries a world as the caller can read it, or a file below a file mount. */

/** Most rows of a result. */
const MAX_ROWS = 1000;
/** Longest result in bytes. */
const MAX_RESULT_BYTES = 16 * 1024 * 1024;
/** Real time of a statement in milliseconds. */
const MAX_QUERY_MS = 2000;

/**
 * Runs a statement.
 *
 * @throws {Problem} if the source cannot be read, or the statement fails
 */
async function querySource(
  env: Env,
  { world, file = "", content, params }: Target,
  statement: string,
): Promise<SqlResult> {
  const limits = { maxRows: MAX_ROWS, maxBytes: MAX_RESULT_BYTES, timeoutMs: MAX_QUERY_MS };
  const run = (source: string | ReadableStream<Uint8Array>) =>
    env.sql.query(source, statement, params, limits);
  const name = world === undefined ? `the file ${file}` : `/${world}`;
  try {
    if (world !== undefined) return await run(await readWorld(world, content, env));
    const mounted = resolveFile(file, readMountTable(env.config["/etc/fstab"] ?? ""));
    return await runOnFile(mounted, env, run);
  } catch (error) {
    throw error instanceof Problem ? error : queryProblem(error, name, MAX_QUERY_MS);
  }
}

/** A copy of the world's file, or its content, with the rights of the caller. */
async function readWorld(
  world: string,
  content: boolean,
  { caller }: Env,
): Promise<ReadableStream<Uint8Array>> {
  const path = encodePath(world);
  const response = await caller.fetch(content ? `/${path}?raw` : `/proc/snapshot/${path}`, {
    headers: { accept: "application/problem+json" },
  });
  if (response.ok) return response.body ?? new Blob([]).stream();
  const { status } = response;
  const problem = await readProblem(response);
  if (problem === undefined) {
    const detail = `Cannot query /${world}: the server responded with ${status}`;
    throw new Problem("bad-gateway", detail);
  }
  throw new Problem(problem, `Cannot query /${world}: ${problem.message}`, problem.headers);
}

/** Names on the disk may be in NFD, while the path of the request is in NFC. */
async function runOnFile(
  { folder, segments }: MountedFile,
  { files }: Env,
  run: (path: string) => Promise<SqlResult>,
): Promise<SqlResult> {
  try {
    return await run([folder, ...segments].join("/"));
  } catch (error) {
    const isAbsent = error instanceof Error && error.name === "NotFound";
    if (!isAbsent || files === undefined) throw error;
    const nfcSegments = segments.map((segment) => segment.normalize("NFC"));
    const other = await findOtherSpelling(files, folder, nfcSegments);
    if (other === undefined) throw error;
    return await run(other);
  }
}

// ---- plugins/kit/decode_utf8.ts

/** Decodes UTF-8 and recognizes bytes that are not text. */

/**
 * Decodes UTF-8.
 *
 * @param isComplete false if the bytes are the start of a longer text: the last character may then be
 * incomplete and is left out
 * @returns the text; undefined if the bytes are not UTF-8
 */
function decodeUtf8(bytes: Uint8Array, isComplete = true): string | undefined {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes, { stream: !isComplete });
  } catch {
    return undefined; // the caller decides what to do with bytes that are not text
  }
}

// ---- plugins/db/statement.ts

/** Reads the statement of a request: the body of a POST, or `?sql=`. */

/** Longest statement in bytes. */
const MAX_STATEMENT_BYTES = 256 * 1024;

/**
 * Reads the only statement of a request.
 *
 * @param fromQuery values of `?sql=`
 * @throws {Problem} `bad-body` or `bad-query` if there is not exactly one statement; `bad-body` if it
 * is not UTF-8; `body-too-large`
 */
async function readStatement(
  request: Request,
  fromQuery: readonly string[],
): Promise<string> {
  const body = request.method === "POST" ? await bodyText(request) : "";
  const statements = body.trim() === "" ? fromQuery : [body, ...fromQuery];
  const [statement = ""] = statements;
  if (statement.includes("\0")) {
    throw new Problem(
      request.method === "POST" ? "bad-body" : "bad-query",
      "Cannot query: the statement contains a NUL character, where SQLite would end it",
    );
  }
  if (statements.length === 1 && statement !== "") return statement;
  throw new Problem(
    request.method === "POST" ? "bad-body" : "bad-query",
    `Cannot query: ${
      statements.length > 1 ? "there is more than one statement" : "there is no statement"
    }; POST it as the body, or GET with ?sql=`,
  );
}

async function bodyText(request: Request): Promise<string> {
  const bytes = await readBody(request, {
    maxBytes: MAX_STATEMENT_BYTES,
    tooLong: () =>
      new Problem(
        "body-too-large",
        `Cannot query: the statement is longer than ${MAX_STATEMENT_BYTES} bytes`,
      ),
  });
  const text = decodeUtf8(bytes);
  if (text !== undefined) return text;
  throw new Problem("bad-body", "Cannot query: the statement is not UTF-8 text");
}
