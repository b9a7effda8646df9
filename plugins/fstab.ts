// Built from plugins/fstab/ by deno task plugins. Edit the sources there.

/**
 * Mounts: folders of this computer and web servers, below `/mnt/<name>/`. The table is the world
 * `/etc/fstab`, which T3 can write. The plugin can access exactly the folders and hosts that the
 * table names. Any caller that can read the server can read a mount; writing takes T2 and a mount
 * that is `rw`. Manual: `/usr/share/doc/mounts.md`.
 */

import type { FileInfo, Files } from "../lib/plugin/wire/file_types.ts";

export const description = "mounts folders and web servers, as /etc/fstab says";
export const routes = ["/mnt"];
/** For reading. The plugin itself checks the tier for writing. */
export const auth = "T1";
export const config = ["/etc/fstab"];

/** The mounted folders and hosts, and the faults of the table. */
export function permissions({ config }: { config: PluginConfig }): {
  net: string[];
  read: string[];
  write: string[];
  fault?: string;
} {
  const table = readMountTable(config[MOUNT_TABLE] ?? "");
  const net = new Set<string>();
  for (const { base } of table.mounts.values()) if (base !== undefined) net.add(hostAndPort(base));
  const fault = mountTableFault(table);
  return {
    net: [...net],
    read: mountedFolders(table, "ro"),
    write: mountedFolders(table, "rw"),
    ...(fault === undefined ? {} : { fault }),
  };
}

export default {
  async fetch(request: Request, env: MountEnv): Promise<Response> {
    try {
      return await respond(request, env);
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      return problemResponse(error, request.headers.get("accept"), request.method === "HEAD");
    }
  },
};

let latest: { readonly text: string; readonly table: MountTable } | undefined;

/** The table is parsed again only when it changed. */
function currentTable(text: string): MountTable {
  if (latest?.text !== text) latest = { text, table: readMountTable(text) };
  return latest.table;
}

async function respond(request: Request, env: MountEnv): Promise<Response> {
  const { method } = request;
  const url = new URL(request.url);
  const table = currentTable(env.config[MOUNT_TABLE] ?? "");
  const isCollection = url.pathname.endsWith("/");
  const [, name = "", ...below] = decodeSegments(url.pathname);
  if (name === "") return await listMounts(request, table, env.files);
  const segments = isCollection ? below.slice(0, -1) : below;
  const path = `/mnt/${[name, ...segments].join("/")}${isCollection ? "/" : ""}`;
  const mount = table.mounts.get(name);
  if (mount === undefined) {
    const detail = `Cannot find ${path}: nothing is mounted there; GET /mnt/ lists the mounts`;
    throw new Problem("not-found", detail);
  }
  const { folder, base, kind } = mount;
  if (folder === undefined && base === undefined) {
    const detail = `Cannot reach ${path}: ${kind}:// has no adapter; use file, http or https`;
    const type = "/usr/share/doc/mounts.md";
    throw new Problem({ type, status: 501, title: "No adapter for this scheme" }, detail);
  }
  assertAllowed(method, path, mount, env.caller);
  if (method === "OPTIONS") {
    return new Response(null, { status: 204, headers: { allow: allowedMethods(mount) } });
  }
  assertNames(segments, path, mount);
  const mounted = { request, url, env, mount, segments, isCollection, path };
  if (base !== undefined) return await readUpstream(mounted, base);
  return method === "PUT" || method === "POST" ? await writeFile(mounted) : await readFile(mounted);
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

// ---- plugins/fstab/file_error.ts

/**
 * What an error of the file system means to a client. The text never contains a path of the disk.
 */

/** A file error in the terms of HTTP. */
interface FileFailure {
  readonly type: ProblemType;
  /** The class of the runtime's error, such as `NotADirectory`. */
  readonly name: string;
  /** Why, as the end of a sentence. */
  readonly reason: string;
}

/** Classifies an error that `env.files` threw. */
function classifyFileError(error: unknown): FileFailure {
  const name = error instanceof Error ? error.name : "Error";
  const code: unknown = error instanceof Error ? Reflect.get(error, "code") : undefined;
  switch (name) {
    case "NotFound":
      return { type: "not-found", name, reason: "it does not exist" };
    case "NotADirectory":
      return { type: "not-found", name, reason: "a part of the path is not a folder" };
    case "TypeError":
      return { type: "forbidden", name, reason: "it leads out of the mounted folder" };
    case "PermissionDenied":
    case "NotCapable":
    case "ReadOnlyFilesystem":
      return { type: "forbidden", name, reason: "the server has no permission for it" };
    case "FilesystemLoop":
      return { type: "forbidden", name, reason: "its symlinks form a loop" };
  }
  if (code === "ENOSPC" || code === "EDQUOT") {
    return { type: "insufficient-storage", name, reason: "the disk is full" };
  }
  if (code === "ENAMETOOLONG") {
    return { type: "bad-path", name, reason: "its name is longer than the disk allows" };
  }
  return { type: "bad-gateway", name, reason: "the disk reported an error" };
}

/** The problem for an error of `env.files`. */
function fileProblem(error: unknown, verb: string, path: string): Problem {
  const { type, reason } = classifyFileError(error);
  return new Problem(type, `Cannot ${verb} ${path}: ${reason}`);
}

// ---- plugins/kit/sha256.ts

/** SHA-256 of a text or of bytes. */

/**
 * Computes a SHA-256 hash.
 *
 * @param data bytes, or a text that is hashed as UTF-8
 * @returns 64 hexadecimal digits in lower case
 */
async function sha256Hex(data: string | Uint8Array<ArrayBuffer>): Promise<string> {
  const bytes = typeof data === "string" ? new TextEncoder().encode(data) : data;
  return new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)).toHex();
}

// ---- plugins/kit/entity_tag.ts

/**
 * Entity tags in If-Match and If-None-Match (RFC 9110 §8.8.3). The grammar and the limits are those
 * of `lib/http/etag.ts`; one table of cases tests both.
 */

/** Longest list of entity tags: tags, and characters. */
const MAX_TAGS = 64;
const MAX_TAGS_LENGTH = 8192;

/** One element of the list: a tag, or nothing between two commas. */
const TAG_LIST_ITEM = /(?:((?:W\/)?"[\x21\x23-\x7e\x80-\xff]*")[ \t]*)?(?:,|$)[ \t]*/y;

/**
 * Parses the value of If-Match or If-None-Match.
 *
 * @returns `*`, or the tags as they were sent, quotes and `W/` included; undefined if the value is
 * neither, or longer than 64 tags or 8192 characters
 */
function parseEntityTags(header: string): "*" | readonly string[] | undefined {
  if (header.length > MAX_TAGS_LENGTH) return undefined;
  const text = header.trim();
  if (text === "*") return "*";
  const tags: string[] = [];
  TAG_LIST_ITEM.lastIndex = 0;
  while (TAG_LIST_ITEM.lastIndex < text.length) {
    const item = TAG_LIST_ITEM.exec(text);
    if (item === null || tags.length > MAX_TAGS) return undefined;
    if (item[1] !== undefined) tags.push(item[1]);
  }
  return tags.length > MAX_TAGS ? undefined : tags;
}

/**
 * Tests whether a list of entity tags names a representation.
 *
 * @param tags as {@link parseEntityTags} returns it; undefined names nothing
 * @param current entity tag of the representation with its quotes; undefined if it has none
 * @param comparison RFC 9110 §8.8.3.2: `strong` for If-Match, `weak` for If-None-Match
 */
function includesTag(
  tags: "*" | readonly string[] | undefined,
  current: string | undefined,
  comparison: "strong" | "weak",
): boolean {
  if (tags === undefined || current === undefined) return false;
  if (tags === "*") return true;
  if (comparison === "strong") return !current.startsWith("W/") && tags.includes(current);
  const opaque = current.replace(/^W\//, "");
  return tags.some((tag) => tag.replace(/^W\//, "") === opaque);
}

// ---- plugins/kit/http_date.ts

/**
 * HTTP dates (RFC 9110 §5.6.7) in their three formats. The results are those of
 * `lib/http/http_date.ts`; one table of cases tests both.
 */

const MONTH_NAMES = "JanFebMarAprMayJunJulAugSepOctNovDec";
const MONTH_PATTERN = "(?<month>Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)";
const TIME_PATTERN = "(?<hour>\\d{2}):(?<minute>\\d{2}):(?<second>\\d{2})";
const HTTP_DATES = [
  // Sun, 06 Nov 1994 08:49:37 GMT
  `(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), (?<day>\\d{2}) ${MONTH_PATTERN} (?<year>\\d{4}) ${TIME_PATTERN} GMT`,
  // Sunday, 06-Nov-94 08:49:37 GMT
  `(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day, (?<day>\\d{2})-${MONTH_PATTERN}-(?<year>\\d{2}) ${TIME_PATTERN} GMT`,
  // Sun Nov  6 08:49:37 1994
  `(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun) ${MONTH_PATTERN} (?<day>\\d{2}| \\d) ${TIME_PATTERN} (?<year>\\d{4})`,
].map((pattern) => new RegExp(`^${pattern}$`));

/**
 * Parses an HTTP date.
 *
 * @param text value of a header such as If-Modified-Since
 * @param now Unix milliseconds; a year of two digits is at most 50 years after it
 * @returns Unix milliseconds; undefined if the text is not an HTTP date, so that the header must be
 * ignored
 */
function parseHttpDate(text: string, now = Date.now()): number | undefined {
  for (const pattern of HTTP_DATES) {
    const found = pattern.exec(text)?.groups;
    if (found === undefined) continue;
    const { day, month = "", hour, minute, second } = found;
    const date = new Date(0);
    const index = MONTH_NAMES.indexOf(month) / 3;
    date.setUTCFullYear(fullYear(found.year ?? "", now), index, Number(day));
    // A day that the month does not have rolls over into the next month; second 60 is a leap second.
    if (date.getUTCDate() !== Number(day)) return undefined;
    if (Number(hour) > 23 || Number(minute) > 59 || Number(second) > 60) return undefined;
    return date.setUTCHours(Number(hour), Number(minute), Number(second));
  }
  return undefined;
}

/**
 * Rounds a time down to whole seconds, the precision of an HTTP date.
 *
 * @param time Unix milliseconds
 */
function wholeSeconds(time: number): number {
  return Math.floor(time / 1000) * 1000;
}

/** RFC 9110 §5.6.7: a year of two digits that is more than 50 years ahead means the past. */
function fullYear(digits: string, now: number): number {
  if (digits.length === 4) return Number(digits);
  const current = new Date(now).getUTCFullYear();
  const year = current - current % 100 + Number(digits);
  return year > current + 50 ? year - 100 : year;
}

// ---- plugins/kit/conditional.ts

/**
 * Conditional requests (RFC 9110 §13) for representations that a plugin makes: 304 for a reader that
 * has the representation already, 412 for a writer whose copy is out of date. The results are those
 * of `lib/http/conditional.ts`.
 */

/** What distinguishes one state of a resource from another. */
interface Validators {
  /** Entity tag with its quotes. */
  readonly etag?: string | undefined;
  /** Time of the last change in Unix milliseconds. */
  readonly modified?: number | undefined;
}

/**
 * Evaluates the preconditions of a GET or HEAD in the order of RFC 9110 §13.2.2. If-Range is not
 * among them; see `selectRange`.
 *
 * @param headers headers of the request
 * @param current validators of the representation
 * @param action start of the error message, such as `Cannot GET /mnt/x`
 * @returns whether the representation is sent, or 304
 * @throws {Problem} `precondition-failed`; `bad-header` if If-Match is not a list of entity tags
 */
function evaluateRead(
  headers: Headers,
  current: Validators,
  action: string,
): "send" | "not-modified" {
  assertUnchanged(headers, current, action);
  const { etag, modified } = current;
  const ifNoneMatch = headers.get("if-none-match");
  if (ifNoneMatch !== null) {
    // A list that cannot be parsed names no tag: the client then gets the representation again.
    return includesTag(parseEntityTags(ifNoneMatch), etag, "weak") ? "not-modified" : "send";
  }
  const since = parseHttpDate(headers.get("if-modified-since") ?? "");
  return since !== undefined && modified !== undefined && wholeSeconds(modified) <= since
    ? "not-modified"
    : "send";
}

/**
 * Evaluates the preconditions of a PUT, POST or DELETE (RFC 9110 §13.2.2).
 *
 * @param headers headers of the request
 * @param current validators of what is stored; undefined if nothing is stored
 * @param action start of the error message, such as `Cannot PUT /mnt/x`
 * @throws {Problem} `precondition-failed`; `bad-header` if If-Match or If-None-Match is not a list of
 * entity tags
 */
function assertWritable(
  headers: Headers,
  current: Validators | undefined,
  action: string,
): void {
  assertUnchanged(headers, current, action);
  const ifNoneMatch = headers.get("if-none-match");
  if (ifNoneMatch === null) return;
  const tags = parseEntityTags(ifNoneMatch);
  if (tags === undefined) throw unreadable("If-None-Match", action);
  // `*` requires that nothing is stored, with or without an entity tag.
  if (tags === "*" ? current !== undefined : includesTag(tags, current?.etag, "weak")) {
    throw failed("If-None-Match names the current version", current, action);
  }
}

/** If-Match and, without it, If-Unmodified-Since: the first two steps of RFC 9110 §13.2.2. */
function assertUnchanged(
  headers: Headers,
  current: Validators | undefined,
  action: string,
): void {
  const ifMatch = headers.get("if-match");
  if (ifMatch !== null) {
    const tags = parseEntityTags(ifMatch);
    if (tags === undefined) throw unreadable("If-Match", action);
    if (tags === "*" ? current === undefined : !includesTag(tags, current?.etag, "strong")) {
      throw failed("If-Match names other versions", current, action);
    }
    return;
  }
  const since = parseHttpDate(headers.get("if-unmodified-since") ?? "");
  const modified = current?.modified;
  if (since !== undefined && modified !== undefined && wholeSeconds(modified) > since) {
    throw failed("it changed after the date in If-Unmodified-Since", current, action);
  }
}

function unreadable(header: string, action: string): Problem {
  return new Problem(
    "bad-header",
    `${action}: ${header} is not a list of entity tags; send * or quoted tags such as "3"`,
  );
}

function failed(found: string, current: Validators | undefined, action: string): Problem {
  const etag = current?.etag;
  const state = current === undefined
    ? "nothing is stored"
    : etag === undefined
    ? "it has no entity tag"
    : `the current entity tag is ${etag}`;
  return new Problem(
    "precondition-failed",
    `${action}: ${found}; ${state}`,
    etag === undefined ? {} : { etag },
  );
}

// ---- plugins/fstab/conditional_response.ts

/** The 304 response to a GET or HEAD if, by its preconditions, the client already has the content. */

/**
 * Evaluates the preconditions of a request.
 *
 * @param headers those of the response, with `etag`
 * @param modified Unix milliseconds; undefined if unknown
 * @param path for messages
 * @returns a 304 response; undefined if the content must be sent
 * @throws {Problem} `precondition-failed`
 */
function conditionalResponse(
  request: Request,
  headers: Record<string, string>,
  modified: number | undefined,
  path: string,
): Response | undefined {
  const validators = { etag: headers.etag, modified };
  const action = `Cannot ${request.method} ${path}`;
  if (evaluateRead(request.headers, validators, action) === "send") return undefined;
  // RFC 9110 §15.4.5: a 304 has the validators and no headers that describe the content.
  const { "content-type": _type, "content-length": _length, ...kept } = headers;
  return new Response(null, { status: 304, headers: kept });
}

// ---- plugins/fstab/listing.ts

/**
 * Listings: one name per line, JSON, or the shell's page, selected by Accept. The list of mounts and
 * the folders of a mount use these functions.
 */

/** One entry of a listing. */
interface ListingRow {
  readonly name: string;
  readonly dir: boolean;
  readonly [field: string]: unknown;
}

/** The media type that the client gets: HTML means the shell's page, and its data is plain text. */
type ListingForm = "text/plain" | "application/json" | "text/html";

const FORMS: readonly ListingForm[] = ["text/plain", "application/json", "text/html"];

/** The form that the client prefers; text if Accept allows none. */
function listingForm({ headers }: Request): ListingForm {
  const chosen = chooseType(headers.get("accept"), FORMS);
  return FORMS.find((form) => form === chosen) ?? "text/plain";
}

/** Orders rows by name. */
function byName(a: ListingRow, b: ListingRow): number {
  return a.name < b.name ? -1 : 1;
}

/** The content of a listing: one name per line, a folder with a slash, a fault as a comment. */
function formatListing(rows: readonly ListingRow[], form: ListingForm): string {
  if (form === "application/json") return JSON.stringify(rows);
  return rows.map(({ name, dir, line, problem }) =>
    line === undefined ? `${name}${dir ? "/" : ""}\n` : `# ${name}: ${problem}\n`
  ).join("");
}

/**
 * The response with a listing.
 *
 * @param path for messages
 * @param extra further headers
 * @throws {Problem} `precondition-failed`
 */
async function listingResponse(
  request: Request,
  rows: readonly ListingRow[],
  form: ListingForm,
  path: string,
  extra: Readonly<Record<string, string>> = {},
): Promise<Response> {
  const isJson = form === "application/json";
  const body = new TextEncoder().encode(formatListing(rows, form));
  const headers = {
    ...extra,
    "content-type": isJson ? "application/json" : "text/plain; charset=utf-8",
    "content-length": String(body.length),
    "etag": `"${(await sha256Hex(body)).slice(0, 16)}.${isJson ? "list-json" : "list"}"`,
    "cache-control": "no-cache",
    "vary": "Accept",
  };
  return conditionalResponse(request, headers, undefined, path) ??
    new Response(request.method === "HEAD" ? null : body, { headers });
}

/** The shell's page, which the server fills in; the page then requests the listing as JSON. */
function shellResponse(): Response {
  return new Response(null, { headers: { "x-show": "shell", "vary": "Accept" } });
}

// ---- plugins/fstab/list_mounts.ts

/** `GET /mnt/`: the list of mounts, and the lines of the table that cannot be used. */

/** Answers a request for `/mnt/`. @throws {Problem} `method-not-allowed` */
async function listMounts(
  request: Request,
  { mounts, faults }: MountTable,
  files: Pick<Files, "stat"> | undefined,
): Promise<Response> {
  const { method } = request;
  const allow = "GET, HEAD, OPTIONS";
  if (method === "OPTIONS") return new Response(null, { status: 204, headers: { allow } });
  if (method !== "GET" && method !== "HEAD") {
    const detail = `Cannot ${method} /mnt/: mounts are defined in ${MOUNT_TABLE}`;
    throw new Problem("method-not-allowed", detail, { allow });
  }
  const form = listingForm(request);
  if (form === "text/html") return shellResponse();
  const rows = await Promise.all(
    [...mounts.values()].map(async (mount) => mountRow(mount, await mountProblem(mount, files))),
  );
  rows.sort(byName);
  for (const { line, reason } of faults) {
    rows.push({ name: `line ${line}`, dir: false, line, problem: reason, description: reason });
  }
  return await listingResponse(request, rows, form, "/mnt/");
}

/** Why a mount cannot be read; undefined if it can, as far as known without a request. */
async function mountProblem(
  { kind, folder, base }: Mount,
  files: Pick<Files, "stat"> | undefined,
): Promise<string | undefined> {
  if (folder === undefined) return base === undefined ? `${kind}:// has no adapter` : undefined;
  try {
    await files?.stat(folder);
    return undefined;
  } catch (error) {
    return classifyFileError(error).reason;
  }
}

function mountRow(
  { name, kind, mode: configured, folder }: Mount,
  problem: string | undefined,
): ListingRow {
  const mode = folder === undefined ? "ro" : configured;
  const description = problem ?? `${mode} ${kind}`;
  return {
    name,
    dir: true,
    kind,
    mode,
    description,
    ...(problem === undefined ? {} : { problem }),
  };
}

// ---- plugins/fstab/mount_request.ts

/**
 * A request for something below a mount point, and the checks that come before any access: the
 * method, the caller's tier, the names in the path.
 */

/** The part of a plugin's `env` that is used. */
interface MountEnv {
  readonly config: PluginConfig;
  readonly caller: Pick<PluginCaller, "tier" | "by">;
  /** Undefined if no folder was granted. */
  readonly files?: Files;
}

/** One request for one mount. */
interface MountRequest {
  readonly request: Request;
  readonly url: URL;
  readonly env: MountEnv;
  readonly mount: Mount;
  /** Decoded segments below the mount point. */
  readonly segments: readonly string[];
  /** Whether the path ends in a slash. */
  readonly isCollection: boolean;
  /** The decoded path, for messages. */
  readonly path: string;
}

const CHALLENGE = 'Bearer realm="elastik", Basic realm="elastik", charset="UTF-8"';
/** A file that is being written; see `env.files.replace`. */
const UPLOAD = /^\.elastik-[0-9a-f-]{36}\.part$/;
// deno-lint-ignore no-control-regex -- the pattern must match control characters
const NOT_IN_SEGMENTS = /[/\\\u0000-\u001f\u007f]/;

/** Whether a name on the disk is that of a file that is being written. */
function isUpload(name: string): boolean {
  return UPLOAD.test(name);
}

/**
 * Decodes the segments of a path.
 *
 * @param pathname of a URL
 * @throws {Problem} `bad-path`
 */
function decodeSegments(pathname: string): string[] {
  try {
    return pathname.split("/").slice(1).map(decodeURIComponent);
  } catch {
    const detail = "Cannot read the path: it contains an invalid percent escape";
    throw new Problem("bad-path", detail);
  }
}

/** The methods that a mount allows, as the value of `Allow`. */
function allowedMethods({ folder, mode }: Pick<Mount, "folder" | "mode">): string {
  return folder !== undefined && mode === "rw"
    ? "GET, HEAD, OPTIONS, POST, PUT"
    : "GET, HEAD, OPTIONS";
}

/**
 * Checks the method, then the tier: every client learns that a mount is read-only.
 *
 * @throws {Problem} `method-not-allowed`, `unauthorized`, `forbidden`
 */
function assertAllowed(
  method: string,
  path: string,
  mount: Mount,
  caller: MountEnv["caller"],
): void {
  const allow = allowedMethods(mount);
  if (!allow.split(", ").includes(method)) {
    const detail = `Cannot ${method} ${path}: ${methodReason(mount)}`;
    throw new Problem("method-not-allowed", detail, { allow });
  }
  if (method !== "PUT" && method !== "POST" || caller.tier !== "T1") return;
  if (caller.by !== "T1") {
    throw new Problem("forbidden", `Cannot ${method} ${path}: the caller has T1; T2 is required`);
  }
  const detail = `Cannot ${method} ${path}: no credential was sent; T2 is required`;
  throw new Problem("unauthorized", detail, { "www-authenticate": CHALLENGE });
}

function methodReason({ kind, folder, mode }: Mount): string {
  if (folder === undefined) return `${kind} mounts are read-only`;
  if (mode === "ro") return "the mount is ro";
  return "allowed methods of a mount are GET, HEAD, PUT and POST";
}

/**
 * Checks that every segment is a name. The server already refuses other paths; this check protects the
 * folder if a path arrives in another way.
 *
 * @throws {Problem} `forbidden`; `not-found` for a file that is being written
 */
function assertNames(
  segments: readonly string[],
  path: string,
  { folder }: Pick<Mount, "folder">,
): void {
  for (const segment of segments) {
    const isDots = segment === "." || segment === ".." || /^\.{1,2};/.test(segment);
    if (segment === "" || isDots || NOT_IN_SEGMENTS.test(segment)) {
      throw new Problem("forbidden", `Cannot reach ${path}: a segment of the path is not a name`);
    }
    if (folder !== undefined && isUpload(segment)) {
      throw new Problem("not-found", `Cannot reach ${path}: the file is being written`);
    }
  }
}

/** `env.files`. @throws {Problem} `unavailable` if no folder was granted */
function filesOf({ files }: MountEnv, path: string): Files {
  if (files !== undefined) return files;
  throw new Problem("unavailable", `Cannot reach ${path}: no folder is granted to the plugin`);
}

// ---- plugins/kit/byte_range.ts

/**
 * Byte ranges (RFC 9110 §14): which part of a representation a Range header selects. One range per
 * request is served; any other Range header is ignored, so that the whole is sent. The results are
 * those of `lib/http/byte_range.ts`; one table of cases tests both.
 */

/** Positions of the first and the last byte that are sent. */
interface ByteRange {
  readonly start: number;
  readonly end: number;
}

/** The unit is case-insensitive (RFC 9110 §14.1). */
const ONE_RANGE = /^bytes=[ \t]*(?:(\d+)-(\d*)|-(\d+))[ \t]*$/i;

/**
 * Evaluates Range and If-Range of a GET, after the preconditions.
 *
 * @param headers headers of the request
 * @param etag entity tag of the representation with its quotes; a weak one never matches If-Range
 * @param modified time of the last change in Unix milliseconds; undefined if unknown
 * @param length length of the representation in bytes
 * @returns `whole` for 200, `unsatisfiable` for 416, a range for 206
 */
function selectRange(
  headers: Headers,
  etag: string,
  modified: number | undefined,
  length: number,
): "whole" | "unsatisfiable" | ByteRange {
  const ifRange = headers.get("if-range");
  const found = ONE_RANGE.exec(headers.get("range") ?? "");
  if (found === null) return "whole";
  if (ifRange !== null && !isUnchanged(ifRange, etag, modified)) return "whole";
  const [, first, last, suffix] = found;
  if (suffix !== undefined) return lastBytes(Number(suffix), length);
  const start = Number(first);
  // RFC 9110 §14.1.1: a range whose last position is before its first is invalid.
  if (last !== "" && Number(last) < start) return "whole";
  if (start >= length) return "unsatisfiable";
  return { start, end: last === "" ? length - 1 : Math.min(Number(last), length - 1) };
}

/**
 * Returns the value of Content-Range for a 206 or a 416 response (RFC 9110 §14.4).
 *
 * @param length length of the whole representation in bytes
 */
function contentRange(range: ByteRange | "unsatisfiable", length: number): string {
  return range === "unsatisfiable"
    ? `bytes */${length}`
    : `bytes ${range.start}-${range.end}/${length}`;
}

function lastBytes(count: number, length: number): "whole" | "unsatisfiable" | ByteRange {
  if (count === 0) return "unsatisfiable";
  // Content-Range cannot describe a part of an empty representation.
  if (length === 0) return "whole";
  return { start: Math.max(0, length - count), end: length - 1 };
}

/** RFC 9110 §13.1.5: an equal strong entity tag, or exactly the date of the last change. */
function isUnchanged(ifRange: string, etag: string, modified: number | undefined): boolean {
  if (ifRange === etag) return !etag.startsWith("W/");
  return modified !== undefined && parseHttpDate(ifRange) === wholeSeconds(modified);
}

// ---- plugins/kit/media_types.ts

/**
 * Media types of files by extension. Generated by `deno task plugins` from the `mime` package, with the
 * exceptions of `lib/world/media_type.ts` and `lib/tools/generate_kit.ts`; do not edit.
 */

const EXTENSIONS_BY_TYPE: Readonly<Record<string, string>> = {
  "application/atom+xml": "atom",
  "application/epub+zip": "epub",
  "application/gzip": "gz tgz",
  "application/json": "json map",
  "application/jsonl": "jsonl",
  "application/manifest+json": "webmanifest",
  "application/msword": "doc",
  "application/pdf": "pdf",
  "application/rss+xml": "rss",
  "application/rtf": "rtf",
  "application/toml": "toml",
  "application/vnd.apache.parquet": "parquet",
  "application/vnd.ms-excel": "xls",
  "application/vnd.ms-excel.sheet.macroenabled.12": "xlsm",
  "application/vnd.ms-powerpoint": "ppt",
  "application/vnd.oasis.opendocument.spreadsheet": "ods",
  "application/vnd.oasis.opendocument.text": "odt",
  "application/vnd.openxmlformats-officedocument.presentationml.presentation": "pptx",
  "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx",
  "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "docx",
  "application/vnd.sqlite3": "sqlite sqlite3 db",
  "application/wasm": "wasm",
  "application/x-7z-compressed": "7z",
  "application/x-bzip2": "bz2",
  "application/x-ndjson": "ndjson",
  "application/x-tar": "tar",
  "application/x-xz": "xz",
  "application/xhtml+xml": "xhtml",
  "application/xml": "xml",
  "application/yaml": "yaml yml",
  "application/zip": "zip",
  "application/zstd": "zst",
  "audio/aac": "aac",
  "audio/flac": "flac",
  "audio/mp4": "m4a",
  "audio/mpeg": "mp3",
  "audio/ogg": "ogg oga opus",
  "audio/wav": "wav",
  "font/otf": "otf",
  "font/ttf": "ttf",
  "font/woff": "woff",
  "font/woff2": "woff2",
  "image/avif": "avif",
  "image/bmp": "bmp",
  "image/gif": "gif",
  "image/heic": "heic",
  "image/jpeg": "jpg jpeg",
  "image/png": "png",
  "image/svg+xml": "svg",
  "image/tiff": "tif tiff",
  "image/webp": "webp",
  "image/x-icon": "ico",
  "text/calendar; charset=utf-8": "ics",
  "text/css; charset=utf-8": "css",
  "text/csv; charset=utf-8": "csv",
  "text/html; charset=utf-8": "html htm",
  "text/javascript; charset=utf-8": "js mjs cjs",
  "text/markdown; charset=utf-8": "md markdown",
  "text/org; charset=utf-8": "org",
  "text/plain; charset=utf-8": "txt text log conf cfg ini env lock out err",
  "text/tab-separated-values; charset=utf-8": "tsv",
  "text/typescript; charset=utf-8": "ts mts cts tsx",
  "text/vcard; charset=utf-8": "vcf",
  "text/vtt; charset=utf-8": "vtt",
  "text/x-c; charset=utf-8": "c h cc cpp cxx hpp",
  "text/x-diff; charset=utf-8": "diff patch",
  "text/x-go; charset=utf-8": "go",
  "text/x-java-source; charset=utf-8": "java",
  "text/x-perl; charset=utf-8": "pl",
  "text/x-php; charset=utf-8": "php",
  "text/x-powershell; charset=utf-8": "ps1",
  "text/x-python; charset=utf-8": "py",
  "text/x-ruby; charset=utf-8": "rb",
  "text/x-rust; charset=utf-8": "rs",
  "text/x-shellscript; charset=utf-8": "sh bash zsh",
  "text/x-sql; charset=utf-8": "sql",
  "text/x-subrip; charset=utf-8": "srt",
  "text/x-tex; charset=utf-8": "tex",
  "video/mp4": "mp4 m4v",
  "video/ogg": "ogv",
  "video/quicktime": "mov",
  "video/webm": "webm",
  "video/x-matroska": "mkv",
};

const TYPE_BY_EXTENSION: ReadonlyMap<string, string> = new Map(
  Object.entries(EXTENSIONS_BY_TYPE).flatMap(([type, extensions]) =>
    extensions.split(" ").map((extension): [string, string] => [extension, type])
  ),
);

/**
 * Returns the media type of a file by the extension of its name.
 *
 * @param path path or name of the file
 * @returns the type, with `charset=utf-8` for `text/*`; `application/octet-stream` if unknown
 */
function mediaTypeOf(path: string): string {
  const name = path.slice(path.lastIndexOf("/") + 1);
  const dot = name.lastIndexOf(".");
  const extension = dot > 0 ? name.slice(dot + 1).toLowerCase() : "";
  return TYPE_BY_EXTENSION.get(extension) ?? "application/octet-stream";
}

// ---- plugins/fstab/file_version.ts

/**
 * Validators and headers of a file, made from what the system reports about it. The content is not
 * read.
 */

/**
 * The entity tag, from the file's number, its length, and the times of its last changes. Two writes
 * of the same length within one tick of the system's clock get the same tag.
 */
function fileTag({ id, size, modified, changed }: FileInfo): string {
  const number = Number((id ?? "0").split(":").at(-1));
  const parts = [number, size, modified ?? 0, changed ?? 0];
  return `"${parts.map((part) => part.toString(36)).join("-")}"`;
}

/** `mtime:` and nanoseconds. The runtime reports milliseconds, so the last six digits are zero. */
function fileVersion({ modified }: FileInfo): string {
  return `mtime:${modified === null ? 0 : `${Math.trunc(modified)}000000`}`;
}

/** The headers of a GET or HEAD that do not depend on the request. */
function fileHeaders(info: FileInfo, path: string): Record<string, string> {
  const { modified } = info;
  return {
    "content-type": mediaTypeOf(path),
    "etag": fileTag(info),
    "accept-ranges": "bytes",
    "cache-control": "no-cache",
    "x-mount-version": fileVersion(info),
    ...(modified === null ? {} : { "last-modified": new Date(modified).toUTCString() }),
  };
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

// ---- plugins/fstab/disk_path.ts

/**
 * Paths on the disk of the files that requests name: finds a file for reading, also if its name on the
 * disk is in NFD, and creates the folders above a file that is written.
 */

/** A file or folder that exists. */
interface FoundFile {
  /** Absolute path, with the names as they are on the disk. */
  readonly diskPath: string;
  readonly info: FileInfo;
}

/** The path on the disk for the segments of a request. */
function diskPathOf(folder: string, segments: readonly string[]): string {
  return [folder, ...segments].join("/");
}

/**
 * Finds a file for reading.
 *
 * @param path of the request, for messages
 * @throws {Problem} if it does not exist or cannot be reached
 */
async function findFile(
  files: Pick<Files, "stat" | "list">,
  folder: string,
  segments: readonly string[],
  path: string,
): Promise<FoundFile> {
  const diskPath = diskPathOf(folder, segments);
  try {
    return { diskPath, info: await files.stat(diskPath) };
  } catch (error) {
    if (classifyFileError(error).type !== "not-found") throw fileProblem(error, "read", path);
    const other = await findOtherSpelling(files, folder, segments);
    // The first error is reported: the path does not exist as it was requested.
    const info = other === undefined ? undefined : await files.stat(other).catch(() => undefined);
    if (other === undefined || info === undefined) throw fileProblem(error, "read", path);
    return { diskPath: other, info };
  }
}

/**
 * Returns the path of a file that is written, and creates the folders above it.
 *
 * @throws {Problem} `conflict` if a folder of the path is a file, or the mounted folder is missing
 */
async function createDiskPath(files: Files, mounted: MountRequest): Promise<string> {
  const { mount: { folder = "" }, segments } = mounted;
  const diskPath = diskPathOf(folder, segments);
  try {
    await files.stat(diskPath);
    return diskPath;
  } catch (error) {
    const { type, name } = classifyFileError(error);
    if (type !== "not-found" || name === "NotADirectory") throw diskPathProblem(error, mounted);
  }
  const other = await findOtherSpelling(files, folder, segments);
  if (other !== undefined) return other;
  try {
    // The mounted folder itself is not created: its disk may be absent at the moment.
    await files.stat(folder);
    await createFolders(files, folder, segments.slice(0, -1));
  } catch (error) {
    throw diskPathProblem(error, mounted);
  }
  return diskPath;
}

async function createFolders(files: Files, root: string, names: readonly string[]): Promise<void> {
  let folder = root;
  for (const name of names) {
    folder += `/${name}`;
    await files.mkdir(folder).catch((error) => {
      if (classifyFileError(error).name !== "AlreadyExists") throw error;
    });
  }
}

function diskPathProblem(error: unknown, { request: { method }, path }: MountRequest): Problem {
  const { type, name } = classifyFileError(error);
  if (name === "NotADirectory") {
    return new Problem("conflict", `Cannot ${method} ${path}: a part of the path is not a folder`);
  }
  if (type === "not-found") {
    return new Problem("conflict", `Cannot ${method} ${path}: the mounted folder does not exist`);
  }
  return fileProblem(error, method, path);
}

// ---- plugins/fstab/list_folder.ts

/** Lists a folder of a mount. */

/** Most entries that are listed. */
const MAX_ENTRIES = 10_000;
/** Symlinks that are resolved at a time. */
const LINK_BATCH = 32;
// deno-lint-ignore no-control-regex -- the pattern must match control characters
const NOT_IN_URLS = /[\u0000-\u001f\u007f-\u009f\u2028\u2029\\]/;
/** A name that URL parsers of web servers take for a dot segment; no request can name it. */
const DOTS = /^\.{1,2};/;
/** A character of a name whose bytes are not UTF-8, unless the name has this character itself. */
const UNKNOWN = "\ufffd";

/**
 * Answers with the entries of a folder.
 *
 * @param folder path of the folder on the disk
 * @throws {Problem} if it cannot be listed
 */
async function listFolder(
  { request, path, mount }: MountRequest,
  files: Files,
  folder: string,
): Promise<Response> {
  const form = listingForm(request);
  if (form === "text/html") return shellResponse();
  const found = await files.list(folder, { most: MAX_ENTRIES + 1 }).catch((error) => {
    throw fileProblem(error, "list", path);
  });
  const shown = found.slice(0, MAX_ENTRIES).filter(({ name }) => isListed(name));
  const byRowName = new Map<string, ListingRow>();
  for (let at = 0; at < shown.length; at += LINK_BATCH) {
    const batch = shown.slice(at, at + LINK_BATCH).map((info) => entryRow(files, folder, info));
    for (const [i, row] of (await Promise.all(batch)).entries()) {
      if (row === undefined) continue;
      // Two spellings of one name: a request for the name reads the file that has it in NFC.
      const isExact = shown[at + i]?.name === row.name;
      if (isExact || !byRowName.has(row.name)) byRowName.set(row.name, row);
    }
  }
  const rows = [...byRowName.values()].sort(byName);
  return await listingResponse(request, rows, form, path, {
    ...(found.length > MAX_ENTRIES ? { "x-mount-truncated": String(MAX_ENTRIES) } : {}),
    ...(mount.mode === "rw" ? { allow: allowedMethods(mount) } : {}),
  });
}

/** Whether a URL can contain a name, and the name is not that of a file that is being written. */
function isListed(name: string): boolean {
  return !NOT_IN_URLS.test(name) && !DOTS.test(name) && name.isWellFormed() && !isUpload(name);
}

/** The row of an entry; undefined if no request can name it, because its name is not UTF-8. */
async function entryRow(
  files: Files,
  folder: string,
  info: FileInfo,
): Promise<ListingRow | undefined> {
  if (info.name.includes(UNKNOWN)) {
    try {
      await files.stat(`${folder}/${info.name}`);
    } catch {
      return undefined;
    }
  }
  const name = info.name.normalize("NFC");
  if (info.kind !== "link") return fileRow(name, info);
  try {
    return { ...fileRow(name, await files.stat(`${folder}/${info.name}`)), link: true };
  } catch {
    // The target does not exist or is not mounted; a request for the link returns the reason.
    return { name, dir: false, link: true, reachable: false };
  }
}

/** The row of an entry that is not a symlink. */
function fileRow(name: string, { kind, size, modified }: FileInfo): ListingRow {
  const time = modified === null ? {} : { updated_at: new Date(modified).toISOString() };
  if (kind === "folder") return { name, dir: true, ...time };
  if (kind === "file") return { name, dir: false, size, len: size, ...time };
  return { name, dir: false, reachable: false };
}

// ---- plugins/fstab/read_file.ts

/**
 * Reads a file or folder of a mount. The bytes of a file are sent by the server itself; the plugin
 * only makes the headers.
 */

/** Answers a GET or HEAD. @throws {Problem} */
async function readFile(mounted: MountRequest): Promise<Response> {
  const { request, url, env, mount, segments, isCollection, path } = mounted;
  const files = filesOf(env, path);
  const found = await findFile(files, mount.folder ?? "", segments, path);
  if (found.info.kind === "folder") {
    if (isCollection || listingForm(request) !== "text/html") {
      return await listFolder(mounted, files, found.diskPath);
    }
    // A page's relative links need the slash.
    const location = `${url.pathname}/${url.search}`;
    return new Response(null, { status: 302, headers: { location, "vary": "Accept" } });
  }
  if (found.info.kind !== "file") {
    throw new Problem("forbidden", `Cannot read ${path}: it is neither a file nor a folder`);
  }
  if (isCollection) {
    const detail = `Cannot list ${path}: it is a file; omit the slash at the end`;
    throw new Problem("not-found", detail);
  }
  return sendFile(mounted, files, found);
}

/** Answers with the content of a file: 200, 206, 304, or the problem for 412 or 416. */
function sendFile(
  { request, mount, path }: MountRequest,
  files: ReturnType<typeof filesOf>,
  { diskPath, info }: FoundFile,
): Response {
  const { size } = info;
  const modified = info.modified ?? undefined;
  const headers = fileHeaders(info, diskPath);
  if (mount.mode === "rw") headers.allow = allowedMethods(mount);
  const notModified = conditionalResponse(request, headers, modified, path);
  if (notModified !== undefined) return notModified;
  if (request.method === "HEAD") {
    return new Response(null, { headers: { ...headers, "content-length": String(size) } });
  }
  const range = selectRange(request.headers, headers.etag ?? "", modified, size);
  if (range === "unsatisfiable") {
    throw new Problem("range-not-satisfiable", `Cannot read ${path}: it has ${size} bytes`, {
      "content-range": contentRange(range, size),
      "accept-ranges": "bytes",
    });
  }
  if (range === "whole") {
    headers["content-length"] = String(size);
    return files.respond(diskPath, { length: size, headers, seen: info });
  }
  const length = range.end - range.start + 1;
  headers["content-range"] = contentRange(range, size);
  headers["content-length"] = String(length);
  return files.respond(diskPath, { offset: range.start, length, status: 206, headers, seen: info });
}

// ---- plugins/fstab/upstream/headers.ts

/**
 * Headers between a client and a mounted web server. The client's credentials never go to that
 * server; the client never gets the server's cookies, policies and connection headers.
 */

const REQUEST_HEADERS = ["accept", "accept-language", "if-none-match", "if-modified-since"];
const RESPONSE_HEADERS = [
  "content-type",
  "content-language",
  "content-disposition",
  "etag",
  "last-modified",
];
const MAX_VALUE = 1024;
/** Shorter bearers occur in texts by chance. */
const MIN_DISTINCT_BEARER = 12;

/** The headers of the request to the server. */
function upstreamHeaders(client: Headers, bearer: string | undefined): Headers {
  const headers = new Headers({ "user-agent": "elastik" });
  for (const name of REQUEST_HEADERS) {
    const value = client.get(name);
    if (value !== null) headers.set(name, value);
  }
  if (bearer !== undefined) headers.set("authorization", `Bearer ${bearer}`);
  return headers;
}

/** The headers of the response to the client: those that describe the content. */
function returnedHeaders(upstream: Headers): Record<string, string> {
  const headers: Record<string, string> = {
    "cache-control": "no-cache",
    "vary": "Accept, Accept-Language",
    "content-type": "application/octet-stream",
  };
  for (const name of RESPONSE_HEADERS) {
    const value = upstream.get(name);
    if (value !== null && value.length <= MAX_VALUE && /^[\t\x20-\x7e]*$/.test(value)) {
      headers[name] = value;
    }
  }
  return headers;
}

/**
 * Whether a response contains the mount's bearer, which must not reach a client.
 *
 * @param bearer undefined if the mount has none
 * @param headers those that would be sent
 * @param content the content; `bytes` copies it
 */
function containsBearer(
  bearer: string | undefined,
  headers: Readonly<Record<string, string>>,
  content: { bytes(): Uint8Array },
): boolean {
  if (bearer === undefined) return false;
  const body = new TextDecoder("latin1").decode(content.bytes());
  const text = `${Object.values(headers).join("\n")}\n${body}`;
  return text.includes(bearer.length >= MIN_DISTINCT_BEARER ? bearer : `Bearer ${bearer}`);
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

// ---- plugins/fstab/upstream/held_body.ts

/**
 * The content of a response that is read completely before it is sent. The plugin holds several at a
 * time, so their total is counted.
 */

const MIB = 1024 * 1024;
/** Longest content of a response, in bytes, after it is decompressed. */
const MAX_CONTENT_BYTES = 5 * MIB;
/** Most bytes that all responses together hold. */
const MAX_HELD_BYTES = 128 * MIB;
/** Encodings that the runtime requests and decodes. */
const DECODED = ["identity", "gzip", "br"];

/** Content in memory. Its bytes count in the total until they are sent or released. */
class HeldBody {
  static #total = 0;
  #pieces: Uint8Array<ArrayBuffer>[] = [];
  #length = 0;
  #counted = 0;

  /** Bytes that all bodies hold now. */
  static get total(): number {
    return HeldBody.#total;
  }

  /** Length of the content in bytes. */
  get length(): number {
    return this.#length;
  }

  /** Counts bytes that are about to be kept. */
  count(bytes: number): void {
    this.#counted += bytes;
    HeldBody.#total += bytes;
  }

  /** Sets the content, whose bytes were counted. */
  fill(pieces: Uint8Array<ArrayBuffer>[]): void {
    this.#pieces = pieces;
    this.#length = this.#counted;
  }

  /** The first piece of the content. */
  start(): Uint8Array {
    return this.#pieces[0] ?? new Uint8Array();
  }

  /** A copy of the content. */
  bytes(): Uint8Array<ArrayBuffer> {
    return joinPieces(this.#pieces);
  }

  /** The content as a stream, to be called once; bytes that were read no longer count. */
  stream(): ReadableStream<Uint8Array> {
    const pieces = this.#pieces.reverse();
    this.#pieces = [];
    return new ReadableStream({
      pull: (controller) => {
        const piece = pieces.pop();
        if (piece === undefined) return controller.close();
        this.count(-piece.length);
        controller.enqueue(piece);
      },
      cancel: () => {
        pieces.length = 0;
        this.release();
      },
    }, { highWaterMark: 0 });
  }

  /** Drops the content. Idempotent. */
  release(): void {
    this.#pieces = [];
    this.count(-this.#counted);
  }
}

/**
 * Reads the content of a response within the limits.
 *
 * @param path of the request, for messages
 * @throws {Problem} `body-too-large`, `bad-gateway`, `unavailable`
 */
async function readHeldBody(response: Response, path: string): Promise<HeldBody> {
  const encoding = (response.headers.get("content-encoding") ?? "identity").toLowerCase();
  if (!DECODED.includes(encoding)) {
    await response.body?.cancel();
    const detail = `Cannot read ${path}: its server used a content encoding that was not requested`;
    throw new Problem("bad-gateway", detail);
  }
  const detail = `Cannot read ${path}: its server sent more than ${MAX_CONTENT_BYTES} bytes`;
  const tooLong = () => new Problem("body-too-large", detail);
  const body = new HeldBody();
  const onPiece = (bytes: number): void => {
    body.count(bytes);
    if (HeldBody.total > MAX_HELD_BYTES) throw tooBusy(path);
  };
  try {
    body.fill(await readPieces(response, { maxBytes: MAX_CONTENT_BYTES, tooLong, onPiece }));
    return body;
  } catch (error) {
    body.release();
    throw error;
  }
}

function tooBusy(path: string): Problem {
  const detail = `Cannot read ${path}: too many responses of web servers are in memory; try again`;
  return new Problem("unavailable", detail, { "retry-after": "1" });
}

// ---- plugins/kit/problem_of_status.ts

/** Finds the problem that has a status code, to describe a response that has no problem itself. */

/**
 * Finds a problem type of the server by its status code.
 *
 * @returns the first type with this status; undefined if no type has it
 */
function problemOfStatus(status: number): ProblemKind | undefined {
  for (const [type, problem] of Object.entries(PROBLEMS)) {
    if (problem.status === status) {
      return { type: `/usr/share/doc/problems/${type}.md`, ...problem };
    }
  }
  return undefined;
}

// ---- plugins/fstab/upstream/problem.ts

/** Problems for a response of a mounted web server that is not a success. */

/** A response other than 2xx and 304. */
interface UpstreamRefusal {
  readonly status: number;
  readonly headers: Headers;
  /** The first bytes of the content. */
  readonly start: Uint8Array;
}

/** Most characters of the server's text that are passed on. */
const MAX_QUOTED = 300;
/** Statuses whose problem types of this server describe a refusal of another server too. */
const SHARED_STATUSES = [400, 403, 404, 405, 409, 412, 413, 416, 429];

/**
 * The problem that a client gets. A 4xx status stays; any other becomes 502, and so do 401 and 407,
 * because the credential is the mount's and not the client's.
 *
 * @param bearer the mount's bearer, if it has one
 * @param path of the request
 */
function upstreamProblem(
  { status, headers, start }: UpstreamRefusal,
  bearer: string | undefined,
  path: string,
): Problem {
  const text = quotedText(headers.get("content-type"), start);
  const detail = `Cannot read ${path}: its server answered ${status}${text && `: ${text}`}`;
  if (status === 401 || status === 407) {
    const found = bearer === undefined
      ? "the mount has no bearer"
      : "it does not accept the mount's bearer";
    return new Problem("bad-gateway", `${detail}; ${found}, see ${MOUNT_TABLE}`);
  }
  if (status < 400 || status >= 500) return new Problem("bad-gateway", detail);
  const shared = SHARED_STATUSES.includes(status) ? problemOfStatus(status) : undefined;
  const kind = shared ?? { type: "/usr/share/doc/mounts.md", status, title: "Upstream refused" };
  return new Problem(kind, detail, retryHeader(headers.get("retry-after")));
}

/** The start of a content that is text or JSON, on one line. */
function quotedText(contentType: string | null, start: Uint8Array): string {
  const isText = /^(?:text\/plain|application\/(?:[\w.+-]+\+)?json)/i.test(contentType ?? "");
  if (!isText) return "";
  return new TextDecoder().decode(start).slice(0, MAX_QUOTED)
    // deno-lint-ignore no-control-regex -- control characters and text direction are removed
    .replace(/[\u0000-\u0020\u007f-\u009f\u2028-\u202e\u2066-\u2069]+/g, " ").trim();
}

function retryHeader(value: string | null): Record<string, string> {
  return value !== null && /^[\w ,:]{1,40}$/.test(value) ? { "retry-after": value } : {};
}

// ---- plugins/fstab/upstream/request.ts

/**
 * Requests to a mounted web server. Redirects are followed only inside the mount, because a request
 * carries the mount's bearer.
 */

const MAX_REDIRECTS = 5;
const REDIRECTS = [301, 302, 303, 307, 308];

/**
 * Requests a URL, and the URLs that it redirects to.
 *
 * @param base the mounted URL
 * @param path of the client's request, for messages
 * @throws {Problem} `bad-gateway` for a redirect that is not followed; errors of `fetch` pass
 */
async function fetchBelow(
  url: URL,
  base: URL,
  init: { headers: Headers; signal: AbortSignal },
  path: string,
): Promise<Response> {
  let target = url;
  for (let redirects = 0; redirects <= MAX_REDIRECTS; redirects++) {
    const response = await fetch(target, { ...init, redirect: "manual" });
    if (!REDIRECTS.includes(response.status)) return response;
    await response.body?.cancel();
    target = redirectTarget(response.headers.get("location"), target, base, path);
  }
  throw redirectProblem(path, `more than ${MAX_REDIRECTS} times`);
}

/** @throws {Problem} `bad-gateway` if the target is missing or outside the mount */
function redirectTarget(location: string | null, from: URL, base: URL, path: string): URL {
  if (location === null || !URL.canParse(location, from)) {
    throw redirectProblem(path, "without a valid Location");
  }
  const target = new URL(location, from);
  if (isBelow(target, base)) return target;
  throw redirectProblem(path, "outside the mounted URL");
}

function redirectProblem(path: string, how: string): Problem {
  return new Problem("bad-gateway", `Cannot read ${path}: its server redirects ${how}`);
}

/**
 * The URL that is requested from the server.
 *
 * @param base the mounted URL
 * @param segments decoded segments below the mount
 * @param isCollection whether the path of the request ends in a slash
 * @param search the query of the request, with its question mark
 */
function upstreamUrl(
  base: URL,
  segments: readonly string[],
  isCollection: boolean,
  search: string,
): URL {
  const target = new URL(base);
  const below = segments.map((segment) => `/${encodeSegment(segment)}`).join("");
  target.pathname = `${target.pathname.replace(/\/$/, "")}${below}${isCollection ? "/" : ""}`;
  // `raw` is a parameter of this server. It requests the bytes, and a mount gives nothing else.
  target.search = search.slice(1).split("&").filter((pair) => pair !== "raw").join("&");
  return target;
}

/**
 * Whether a URL is at or below a mounted one. Every way in which a server could read the path must
 * stay inside: an encoded slash or `/..;` is refused.
 */
function isBelow(target: URL, base: URL): boolean {
  if (target.origin !== base.origin) return false;
  if (target.username !== "" || target.password !== "") return false;
  const root = base.pathname.replace(/\/$/, "");
  if (root === "") return true;
  const { pathname } = target;
  if (pathname !== root && !pathname.startsWith(`${root}/`)) return false;
  return !/%(?:2f|5c)|\/\.{1,2};/i.test(pathname.slice(root.length));
}

/** Encodes one segment of a path; the characters that RFC 3986 §3.3 allows there stay. */
function encodeSegment(segment: string): string {
  return encodeURIComponent(segment).replace(/%(?:3A|40|24|26|2B|2C|3D)/g, decodeURIComponent);
}

// ---- plugins/fstab/upstream/respond.ts

/**
 * Answers with a resource of a mounted web server. The whole response is read before any of it is
 * sent, so that a failure becomes a problem and the mount's bearer never reaches a client.
 */

/**
 * Answers a GET or HEAD.
 *
 * @param base the mounted URL
 * @throws {Problem}
 */
async function readUpstream(mounted: MountRequest, base: URL): Promise<Response> {
  const { response, body } = await requestUpstream(mounted, base);
  try {
    return await toResponse(mounted, response, body);
  } catch (error) {
    body.release();
    throw error;
  }
}

async function requestUpstream(
  { request, url, mount, segments, isCollection, path }: MountRequest,
  base: URL,
): Promise<{ response: Response; body: HeldBody }> {
  const timeout = AbortSignal.timeout(mount.timeoutMs);
  const signal = AbortSignal.any([timeout, request.signal]);
  try {
    const target = upstreamUrl(base, segments, isCollection, url.search);
    const headers = upstreamHeaders(request.headers, mount.bearer);
    const response = await fetchBelow(target, base, { headers, signal }, path);
    return { response, body: await readHeldBody(response, path) };
  } catch (error) {
    if (error instanceof Problem) throw error;
    if (timeout.aborted) {
      const limit = `${mount.timeoutMs / 1000} s`;
      const detail = `Cannot read ${path}: its server sent no complete response within ${limit}`;
      throw new Problem("gateway-timeout", detail);
    }
    const found = "its server cannot be reached or closed the connection";
    throw new Problem("bad-gateway", `Cannot read ${path}: ${found}`);
  }
}

async function toResponse(
  { request, mount, path }: MountRequest,
  { status, headers: upstream }: Response,
  body: HeldBody,
): Promise<Response> {
  const headers = returnedHeaders(upstream);
  if (containsBearer(mount.bearer, headers, body)) {
    const detail = `Cannot read ${path}: the response of its server contains the mount's bearer`;
    throw new Problem("bad-gateway", detail);
  }
  if (status === 304) return withoutContent(body, status, headers);
  if (status < 200 || status >= 300 || status === 206) {
    throw upstreamProblem({ status, headers: upstream, start: body.start() }, mount.bearer, path);
  }
  await addVersion(headers, body);
  const modified = parseHttpDate(headers["last-modified"] ?? "");
  const notModified = conditionalResponse(request, headers, modified, path);
  if (notModified !== undefined) {
    body.release();
    return notModified;
  }
  if (status === 204) return withoutContent(body, status, headers);
  headers["content-length"] = String(body.length);
  if (request.method === "HEAD") return withoutContent(body, 200, headers);
  return new Response(body.stream(), { headers });
}

function withoutContent(
  body: HeldBody,
  status: number,
  headers: Record<string, string>,
): Response {
  body.release();
  return new Response(null, { status, headers });
}

/** Adds the version, and an entity tag made from the content if the server sent none. */
async function addVersion(headers: Record<string, string>, body: HeldBody): Promise<void> {
  if (headers.etag !== undefined) {
    headers["x-mount-version"] = `etag:${headers.etag}`;
    return;
  }
  const content = body.bytes();
  const { length } = content;
  headers.etag = `"${(await sha256Hex(content)).slice(0, 16)}.${length.toString(36)}"`;
  headers["x-mount-version"] = `len=${length};head=${content.subarray(0, 16).toHex()}`;
}

// ---- plugins/kit/encode_path.ts

/** Writes a path as a URL has it. */

/**
 * Percent-encodes the segments of a path. Slashes stay.
 */
function encodePath(path: string): string {
  return path.split("/").map(encodeURIComponent).join("/");
}

// ---- plugins/fstab/write_file.ts

/**
 * Writes a file of a mount: PUT replaces it, POST appends to it. Either all bytes are written or
 * none, and a precondition is checked in the same turn as the change.
 */

/** Longest append in bytes. */
const MAX_APPEND_BYTES = 5 * 1024 * 1024;

/** Answers a PUT or POST. @throws {Problem} */
async function writeFile(mounted: MountRequest): Promise<Response> {
  const { request, env, mount, segments, isCollection, path } = mounted;
  const { method } = request;
  const files = filesOf(env, path);
  if (segments.length === 0 || isCollection) {
    throw new Problem("conflict", `Cannot ${method} ${path}: it is a folder; name a file in it`);
  }
  if (request.headers.has("content-range")) {
    const detail = `Cannot ${method} ${path}: Content-Range is not supported; send the whole file`;
    throw new Problem("bad-header", detail);
  }
  const diskPath = await createDiskPath(files, mounted);
  // Checked before the body is read, which may be long, and again in the turn.
  await assertMatch(files, mounted, diskPath);
  let endTurn = (): void => {};
  let isNew = false;
  const ready = async (): Promise<void> => {
    endTurn = await takeTurn(diskPath);
    isNew = await assertMatch(files, mounted, diskPath) === undefined;
  };
  try {
    if (method === "PUT") await files.replace(diskPath, request.body ?? "", { ready });
    else await append(files, diskPath, mounted, ready);
    const info = await files.stat(diskPath);
    const version = fileVersion(info);
    const headers: Record<string, string> = {
      "etag": fileTag(info),
      "x-mount-version": version,
      "cache-control": "no-store",
    };
    if (isNew) headers.location = encodePath(["/mnt", mount.name, ...segments].join("/"));
    const result = { path, size: info.size, version };
    return Response.json(result, { status: isNew ? 201 : 200, headers });
  } catch (error) {
    throw error instanceof Problem ? error : fileProblem(error, method, path);
  } finally {
    endTurn();
  }
}

/** Appends the body after all of it has arrived. */
async function append(
  files: Files,
  diskPath: string,
  { request, path }: MountRequest,
  ready: () => Promise<void>,
): Promise<void> {
  const detail = `Cannot append to ${path}: the body is longer than ${MAX_APPEND_BYTES} bytes`;
  const tooLong = () => new Problem("body-too-large", detail);
  const bytes = await readBody(request, { maxBytes: MAX_APPEND_BYTES, tooLong });
  await ready();
  await files.append(diskPath, bytes);
}

/**
 * Evaluates the preconditions of a request against the file.
 *
 * @returns the file; undefined if it does not exist
 * @throws {Problem} `precondition-failed`; `conflict` if it is not a file
 */
async function assertMatch(
  files: Files,
  { request, path }: MountRequest,
  diskPath: string,
): Promise<FileInfo | undefined> {
  const { method, headers } = request;
  const info = await files.stat(diskPath).catch((error) => {
    if (classifyFileError(error).type === "not-found") return undefined;
    throw fileProblem(error, method, path);
  });
  if (info !== undefined && info.kind !== "file") {
    throw new Problem("conflict", `Cannot ${method} ${path}: it is not a file`);
  }
  const current = info && { etag: fileTag(info), modified: info.modified ?? undefined };
  assertWritable(headers, current, `Cannot ${method} ${path}`);
  return info;
}

/** The end of the last turn for each file that is being written. */
const lastTurns = new Map<string, Promise<void>>();

/**
 * Waits until all earlier writers of a file ended their turns.
 *
 * @returns ends this turn
 */
async function takeTurn(diskPath: string): Promise<() => void> {
  const earlier = lastTurns.get(diskPath) ?? Promise.resolve();
  const { promise, resolve } = Promise.withResolvers<void>();
  const turn = earlier.then(() => promise);
  lastTurns.set(diskPath, turn);
  await earlier;
  return () => {
    resolve();
    if (lastTurns.get(diskPath) === turn) lastTurns.delete(diskPath);
  };
}
