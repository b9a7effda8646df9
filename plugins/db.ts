/**
 * The blind query: one SQL statement that only reads, put to a world or to a SQLite file below a file
 * mount. A world is asked with the caller's own authority, so nobody queries what they may not read;
 * files are those that `/etc/fstab` names and no other. The statement runs in a process of its own
 * (`env.sql`), which is ended when its time is over. `/usr/share/doc/db.md` is the manual.
 */

import type { Sql } from "../lib/plugin/realm/env_sql.ts";
import type { SqlResult, SqlValue } from "../lib/plugin/realm/sql_types.ts";

export const description = "asks a world or a mounted SQLite file with SQL that only reads";
export const routes = ["/dev/db"];
export const auth = "T2";
export const config = ["/etc/fstab"];
/** Reads exactly the mounted folders. The most particular comes first, as the first that fits decides. */
export const permissions = ({ config }: { config: Env["config"] }): Asked => {
  const table = readTable(config[FSTAB] ?? "");
  const mounts = table.filter(({ fault, folder }) => fault === undefined && folder);
  const folders = [...new Set(mounts.map(({ source }) => source))];
  const read = folders.sort((a, b) => b.length - a.length).slice(0, MAX_FOLDERS);
  const first = table.find(({ fault }) => fault !== undefined);
  return first === undefined
    ? { read }
    : { read, fault: `${FSTAB} line ${first.line}: ${first.fault}` };
};

interface Asked {
  readonly read: readonly string[];
  readonly fault?: string;
}

interface Env {
  readonly config: Readonly<Record<string, string | undefined>>;
  readonly caller: { readonly fetch: (path: string, init?: RequestInit) => Promise<Response> };
  readonly sql: Sql;
}

const HERE = "/dev/db";
const FSTAB = "/etc/fstab";
const NAMESPACES = ["home", "etc", "usr", "var", "boot", "lib"];

/** Rows of one answer, real time in milliseconds, and bytes of one answer. */
const MAX_ROWS = 1000;
const MAX_MS = 2000;
const MAX_BYTES = 16 * 1024 * 1024;
/** Longest statement in bytes. */
const MAX_SQL = 256 * 1024;
/** Mounted folders: as many as a plugin may be granted. */
const MAX_FOLDERS = 64;
/** Longest value in a cell of the plain table, in characters. */
const MAX_CELL = 200;
/** Longest Accept header that is read; a longer one counts as none (RFC 9110 §12.5.1 allows it). */
const MAX_ACCEPT = 2048;

export default {
  async fetch(request: Request, env: Env): Promise<Response> {
    try {
      return await answer(request, env);
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      return refuse(error, request);
    }
  },
};

async function answer(request: Request, env: Env): Promise<Response> {
  const { method } = request;
  if (method !== "GET" && method !== "HEAD" && method !== "POST") {
    throw new Refusal(
      "method-not-allowed",
      `Cannot ${method} ${HERE}: POST a statement, or GET ?sql=`,
      {
        allow: "GET, HEAD, POST",
      },
    );
  }
  const url = new URL(request.url);
  const form = formFor(request.headers.get("accept"));
  const { world, file, content, params } = readQuery(url);
  const sql = await statementOf(request, url);
  const source = world !== undefined
    ? await worldSource(world, content, env)
    : fileSource(file ?? "", readTable(env.config[FSTAB] ?? ""));
  const what = world === undefined ? `the file ${file}` : `/${world}`;
  let result: SqlResult;
  try {
    const limits = { maxRows: MAX_ROWS, maxBytes: MAX_BYTES, timeoutMs: MAX_MS };
    result = await env.sql.query(source, sql, params, limits);
  } catch (error) {
    throw failure(error, what);
  }
  const body = new TextEncoder().encode(FORMS[form](result));
  if (body.length > MAX_BYTES) {
    throw new Refusal(
      "body-too-large",
      `Cannot answer: the rows take ${body.length} bytes as ${form}, ${MAX_BYTES} are allowed`,
    );
  }
  return new Response(method === "HEAD" ? null : body, {
    headers: {
      "content-type": MEDIA[form],
      "content-length": String(body.length),
      "cache-control": "no-store",
      "vary": "Accept",
      "x-db-rows": String(result.rows.length),
      ...(result.truncated ? { "x-db-truncated": "true" } : {}),
    },
  });
}

// What is asked

interface Query {
  /** A world's canonical name. */
  readonly world?: string;
  /** `<mount>/<path>`. */
  readonly file?: string;
  /** The world's bytes are the database. */
  readonly content: boolean;
  readonly params: readonly SqlValue[] | Readonly<Record<string, SqlValue>>;
}

function readQuery({ pathname, searchParams }: URL): Query {
  const targets: { world?: string; file?: string }[] = [];
  const rest = decodeURIComponent(pathname.slice(HERE.length + 1));
  if (rest.startsWith("mnt/")) targets.push({ file: rest.slice("mnt/".length) });
  else if (rest !== "") targets.push({ world: worldOf(rest) });
  const values = new Map<string, SqlValue>();
  for (const [key, value] of searchParams) {
    if (key === "world") targets.push({ world: worldOf(value) });
    else if (key === "file") targets.push({ file: value });
    else if (/^[pn]\../s.test(key)) {
      if (values.has(key.slice(2))) throw badQuery(`the parameter ${key.slice(2)} is there twice`);
      values.set(key.slice(2), key.startsWith("n") ? numberOf(key, value) : value);
    } else if (key !== "sql" && key !== "content") {
      throw badQuery(`there is no ?${key}; world, file, content, sql, p.<name> and n.<name> are`);
    }
  }
  const [target] = targets;
  // A capability was checked against the path alone: a second target must not ride along.
  if (target === undefined || targets.length > 1) {
    throw badQuery(
      "name one thing to ask, as ?world=home/x or ?file=<mount>/<path>, or as " +
        `${HERE}/home/x or ${HERE}/mnt/<mount>/<path>`,
    );
  }
  const content = searchParams.has("content");
  if (content && target.world === undefined) throw badQuery("?content is for worlds");
  return { ...target, content, params: paramsOf(values) };
}

/** `x` is `home/x`, as everywhere on this machine where only a world can be meant. */
function worldOf(value: string): string {
  const name = value.replace(/^\//, "").normalize("NFC");
  const segments = name.split("/");
  // What a URL would resolve, or take for something else, never becomes a part of one here.
  // deno-lint-ignore no-control-regex -- control characters are what is refused
  if (/[\u0000-\u001f\u007f\\]/.test(name) || segments.some((part) => /^\.{0,2}$/.test(part))) {
    throw badQuery(`${JSON.stringify(value)} is no world's name`);
  }
  return NAMESPACES.includes(segments[0] ?? "") && segments.length > 1 ? name : `home/${name}`;
}

function numberOf(key: string, value: string): SqlValue {
  if (/^[-+]?\d{1,19}$/.test(value)) {
    const whole = BigInt(value.replace(/^\+/, ""));
    if (BigInt.asIntN(64, whole) === whole) return whole;
  } else if (/^[-+]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?$/i.test(value)) {
    return Number(value);
  }
  throw badQuery(`?${key}= is ${JSON.stringify(value)}, which is no number of SQLite`);
}

/** Names that are all numbers stand for places, from 1 on. */
function paramsOf(values: ReadonlyMap<string, SqlValue>): Query["params"] {
  if (![...values.keys()].some((name) => /^\d+$/.test(name))) return Object.fromEntries(values);
  const placed: SqlValue[] = [];
  for (let place = 1; place <= values.size; place++) {
    const value = values.get(String(place));
    if (value === undefined) {
      throw badQuery("parameters by place are p.1, p.2 and so on, without a gap and without names");
    }
    placed.push(value);
  }
  return placed;
}

async function statementOf(request: Request, { searchParams }: URL): Promise<string> {
  const asked = searchParams.getAll("sql");
  const body = request.method === "POST" ? await bodyOf(request) : "";
  const statements = body.trim() === "" ? asked : [body, ...asked];
  if (statements.length === 1 && statements[0] !== "") return statements[0] ?? "";
  throw new Refusal(
    request.method === "POST" ? "bad-body" : "bad-query",
    `Cannot ask: ${
      statements.length === 0 ? "there is no statement" : "it is not one statement"
    }; ` +
      "POST it as the body, or GET ?sql=",
  );
}

async function bodyOf(request: Request): Promise<string> {
  const decoder = new TextDecoder("utf-8", { fatal: true });
  let text = "";
  let length = 0;
  try {
    for await (const piece of request.body ?? []) {
      length += piece.length;
      if (length > MAX_SQL) {
        throw new Refusal("body-too-large", `Cannot ask: a statement has at most ${MAX_SQL} bytes`);
      }
      text += decoder.decode(piece, { stream: true });
    }
    return text + decoder.decode();
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    throw new Refusal("bad-body", "Cannot ask: the statement is not UTF-8 text");
  }
}

// Whom it is put to

type Source = string | ReadableStream<Uint8Array>;

/** A world's file as a copy, or its bytes: whatever the caller may read of it, and by their right. */
async function worldSource(world: string, content: boolean, { caller }: Env): Promise<Source> {
  const path = world.split("/").map(encodeURIComponent).join("/");
  const response = await caller.fetch(content ? `/${path}?raw` : `/proc/snapshot/${path}`, {
    headers: { accept: "application/problem+json" },
  });
  if (response.ok && response.body !== null) return response.body;
  if (response.ok) return new Blob([]).stream();
  throw await passedOn(response, world);
}

/** The machine's own refusal, in its own words. */
async function passedOn(response: Response, world: string): Promise<Refusal> {
  const { status, headers } = response;
  const type = Object.keys(TITLES).find((name) => TITLES[name as ProblemType][0] === status);
  const detail = detailOf(await response.text());
  const pass: Record<string, string> = {};
  for (const name of ["www-authenticate", "retry-after"]) {
    const value = headers.get(name);
    if (value !== null) pass[name] = value;
  }
  if (type === undefined) {
    return new Refusal("bad-gateway", `Cannot ask /${world}: the machine answered ${status}`);
  }
  return new Refusal(type as ProblemType, `Cannot ask /${world}: ${detail}`, pass);
}

function detailOf(text: string): string {
  try {
    const { detail } = JSON.parse(text);
    return typeof detail === "string" ? detail : "the machine refused";
  } catch {
    return "the machine refused";
  }
}

/** The path of a file below a file mount; whether it is there is found out by who opens it. */
function fileSource(file: string, table: readonly Mount[]): string {
  const segments = file.replace(/^\//, "").split("/");
  const [name = "", ...rest] = segments;
  // deno-lint-ignore no-control-regex -- control characters are what is refused
  if (segments.includes("..") || segments.includes(".") || /[\u0000-\u001f\\]/.test(file)) {
    throw new Refusal("forbidden", `Cannot ask the file ${file}: its path leads out of the mount`);
  }
  const mount = table.find((entry) =>
    entry.name === name.normalize("NFC") && entry.fault === undefined
  );
  if (mount === undefined) {
    throw new Refusal(
      "not-found",
      `Cannot ask the file ${file}: nothing is mounted at /mnt/${name}`,
    );
  }
  if (!mount.folder) {
    throw new Refusal(
      "bad-query",
      `Cannot ask the file ${file}: /mnt/${name} is a mount of ${mount.scheme}, and SQL needs a file`,
    );
  }
  if (rest.length === 0 || rest.includes("")) {
    throw new Refusal(
      "bad-query",
      `Cannot ask the file ${file}: it names no file below /mnt/${name}`,
    );
  }
  return `${mount.source}/${rest.join("/")}`;
}

/** One line of the mount table. */
interface Mount {
  readonly line: number;
  readonly source: string;
  /** `brave` of `/mnt/brave`. */
  readonly name: string;
  readonly folder: boolean;
  readonly scheme: string;
  /** Why the line mounts nothing that can be asked, in words without the line itself: it may hold secrets. */
  readonly fault?: string;
}

/** Mount names as `/mnt` takes them. */
const NAME = /^[\p{L}\p{N}][\p{L}\p{M}\p{N}._-]{0,63}$/u;

/**
 * The grammar of `/etc/fstab`, read as the fstab plugin reads it: the last two words are mount point
 * and mode, all before them is the source, and the first line that mounts a name has it.
 */
function readTable(text: string): Mount[] {
  const mounts: Mount[] = [];
  for (const [at, raw] of text.replace(/^\ufeff/, "").split("\n").entries()) {
    const row = raw.trim();
    if (row === "" || row.startsWith("#")) continue;
    const mount = readLine(row, at + 1);
    const again = mounts.some(({ name, fault }) => name === mount.name && fault === undefined);
    mounts.push(again ? { ...mount, fault: `/mnt/${mount.name} is mounted already` } : mount);
  }
  return mounts;
}

function readLine(row: string, line: number): Mount {
  const words = row.split(/\s+/);
  const [mode = "", ...options] = (words.pop() ?? "").split(",");
  const point = words.pop() ?? "";
  const given = /^(.*\S)\s+\S+\s+\S+$/.exec(row)?.[1] ?? "";
  const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(given)?.[1]?.toLowerCase() ?? "file";
  const folder = scheme === "file";
  const source = folder ? folderOf(given) : given;
  const name = /^\/mnt\/([^/]+)\/?$/.exec(point)?.[1]?.normalize("NFC") ?? "";
  const fault = given === ""
    ? "it is not `source /mnt/name ro|rw[,options]`"
    : !NAME.test(name)
    ? "the field before the last is not /mnt/<name>"
    : mode !== "ro" && mode !== "rw"
    ? "its mode is neither ro nor rw"
    : folder && options.length > 0
    ? "a folder takes no options"
    : folder
    ? folderFault(source)
    : undefined;
  return { line, source, name, folder, scheme, ...(fault && { fault }) };
}

function folderOf(given: string): string {
  let path = given;
  if (/^file:\/\/(?:localhost)?\//i.test(given)) {
    try {
      path = decodeURIComponent(given.replace(/^file:\/\/(?:localhost)?/i, ""))
        .replace(/^\/(?=[A-Za-z]:\/)/, "");
    } catch {
      return "";
    }
  }
  return path.length > 1 ? path.replace(/\/+$/, "") : path;
}

/** What a plugin is not granted; asked for, it would keep all the other mounts from being read. */
function folderFault(folder: string): string | undefined {
  if (!/^(?:\/|[A-Za-z]:\/)/.test(folder)) return "its source is no absolute path and no URL";
  // deno-lint-ignore no-control-regex -- control characters are what is refused
  if (/[\u0000-\u001f\\]|\/\/|(?:^|\/)\.\.?(?:\/|$)/.test(folder) || folder.length > 1024) {
    return "its source is not written plainly";
  }
  if (/^(?:[A-Za-z]:)?\/?$/.test(folder)) return "the whole disk is not to be had";
  if (/^\/(?:proc|sys|dev)(?:\/|$)/.test(folder)) return "/proc, /sys and /dev are not to be had";
  return undefined;
}

/** What became of a question, in the terms of HTTP. */
function failure(error: unknown, what: string): unknown {
  if (!(error instanceof Error)) return error;
  const { name, message } = error;
  const cannot = `Cannot ask ${what}: `;
  switch (name) {
    case "SqliteError":
      return new Refusal("bad-body", cannot + message);
    case "TimeoutError":
      return new Refusal(
        "request-timeout",
        `${cannot}the statement took more than ${MAX_MS / 1000} s and was ended; ask for less`,
      );
    case "QuotaExceededError":
      return new Refusal("body-too-large", `${cannot}${message}`);
    case "Busy":
      return new Refusal("unavailable", `${cannot}${message}`, { "retry-after": "1" });
    case "NotFound":
    case "NotADirectory":
      return new Refusal("not-found", `${cannot}no such file is there`);
    case "IsADirectory":
      return new Refusal("bad-query", `${cannot}it is a folder`);
    case "TypeError":
    case "NotCapable":
    case "FilesystemLoop":
      return new Refusal("forbidden", `${cannot}it leads out of the mount`);
    case "PermissionDenied":
      return new Refusal("forbidden", `${cannot}the machine itself may not read it`);
    default:
      return error;
  }
}

// How the rows look

type Form = "json" | "csv" | "table" | "ndjson";
type Value = string | number | null | Uint8Array;

const MEDIA: Record<Form, string> = {
  json: "application/json",
  csv: "text/csv; charset=utf-8; header=present",
  table: "text/plain; charset=utf-8",
  ndjson: "application/x-ndjson",
};

const FORMS: Record<Form, (result: SqlResult) => string> = {
  json: (result) => {
    const rows = objects(result);
    return rows.length === 0 ? "[]\n" : `[\n${rows.join(",\n")}\n]\n`;
  },
  csv: ({ columns, rows }) =>
    [columns.map(csvText), ...rows.map((row) => row.map(csvValue))]
      .map((fields) => fields.join(",") + "\r\n").join(""),
  table,
  ndjson: (result) => objects(result).map((row) => `${row}\n`).join(""),
};

/**
 * Rows as the text of JSON objects, written by hand: an object of the language would put a column
 * called `2` before one called `a`, and take `__proto__` for something else.
 */
function objects({ columns, rows }: SqlResult): string[] {
  const keys = distinct(columns).map((name) => JSON.stringify(name));
  return rows.map((row) =>
    `{${row.map((value, at) => `${keys[at]}:${jsonValue(value)}`).join(",")}}`
  );
}

/** A name that is there again gets its number: `a`, `a_2`. */
function distinct(columns: readonly string[]): string[] {
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

function jsonValue(value: Value): string {
  if (value instanceof Uint8Array) return `{"base64":"${value.toBase64()}"}`;
  if (typeof value === "number" && !Number.isFinite(value)) return `"${value}"`;
  return JSON.stringify(value);
}

/** RFC 4180. Nothing at all is NULL, and `""` is the empty text. */
function csvValue(value: Value): string {
  if (value === null) return "";
  if (typeof value === "number") return String(value);
  return value instanceof Uint8Array ? blob(value) : csvText(value);
}

function csvText(text: string): string {
  return text === "" || /[",\r\n]/.test(text) || /^\s|\s$/.test(text)
    ? `"${text.replaceAll('"', '""')}"`
    : text;
}

function blob(bytes: Uint8Array): string {
  return `x'${bytes.toHex()}'`;
}

/** Columns under their names, numbers to the right, one line a row whatever the values hold. */
function table({ columns, rows, truncated }: SqlResult): string {
  const cells = [columns, ...rows].map((row) => row.map(plain));
  const widths = columns.map((_, column) => {
    let most = 1;
    for (const row of cells) most = Math.max(most, widthOf(row[column] ?? ""));
    return most;
  });
  const right = columns.map((_, column) =>
    rows.length > 0 && rows.every((row) => row[column] === null || typeof row[column] === "number")
  );
  const lines = cells.map((row) =>
    row.map((text, column) => {
      const space = " ".repeat((widths[column] ?? 0) - widthOf(text));
      return right[column] ? space + text : text + space;
    }).join("  ").trimEnd()
  );
  lines.splice(1, 0, widths.map((width) => "-".repeat(width)).join("  "));
  if (truncated) lines.push(`(the first ${rows.length} rows; there are more)`);
  return lines.join("\n") + "\n";
}

function plain(value: Value): string {
  if (value === null) return "NULL";
  if (value instanceof Uint8Array) return cut(`x'${value.subarray(0, MAX_CELL).toHex()}'`);
  // What steers a terminal, or turns the direction of text, is written out.
  return cut(String(value)).replace(
    /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu,
    (char) =>
      char === "\n"
        ? "\\n"
        : char === "\t"
        ? "\\t"
        : char === "\r"
        ? "\\r"
        : `\\u{${char.codePointAt(0)?.toString(16)}}`,
  );
}

function cut(text: string): string {
  if (text.length <= MAX_CELL) return text;
  return `${[...text.slice(0, MAX_CELL)].slice(0, MAX_CELL - 1).join("")}…`;
}

/** Columns of a terminal that a text takes, near enough. */
function widthOf(text: string): number {
  let width = 0;
  for (const char of text) {
    if (/\p{Mn}/u.test(char)) continue;
    width +=
      /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{1f300}-\u{1faff}\u{20000}-\u{3fffd}]/u
          .test(char)
        ? 2
        : 1;
  }
  return width;
}

/** The names under which each form may be asked for; the first answers whoever does not mind. */
const OFFERS: readonly (readonly [media: string, form: Form])[] = [
  ["application/json", "json"],
  ["text/plain", "table"],
  ["text/csv", "csv"],
  ["application/x-ndjson", "ndjson"],
  ["application/ndjson", "ndjson"],
  ["application/jsonl", "ndjson"],
];

/** The form that Accept ranks first (RFC 9110 §12.5.1). */
function formFor(accept: string | null): Form {
  if (accept === null || accept.trim() === "" || accept.length > MAX_ACCEPT) return "json";
  const ranges = accept.toLowerCase().split(",").map((range) => {
    const [media = "", ...parameters] = range.split(";").map((part) => part.trim());
    const weight = parameters.find((parameter) => /^q\s*=/.test(parameter));
    const q = weight === undefined ? 1 : Number(weight.replace(/^q\s*=\s*/, ""));
    return { media, q: q >= 0 && q <= 1 ? q : 0 };
  });
  let best: { form: Form; q: number } | undefined;
  for (const [media, form] of OFFERS) {
    const names = [media, `${media.split("/")[0]}/*`, "*/*"];
    const range = names.map((name) => ranges.find((range) => range.media === name)).find(Boolean);
    if (range !== undefined && range.q > (best?.q ?? 0)) best = { form, q: range.q };
  }
  if (best !== undefined) return best.form;
  throw new Refusal(
    "not-acceptable",
    "Cannot answer in a form that Accept allows: there are application/json, application/x-ndjson, " +
      "text/csv and text/plain",
  );
}

// Refusals

/** Problem types of the machine that are used here, with status and title. */
const TITLES = {
  "bad-query": [400, "A query parameter does not fit"],
  "bad-body": [400, "The request body does not fit"],
  "bad-name": [400, "The name cannot be a world"],
  "unauthorized": [401, "A credential is needed"],
  "forbidden": [403, "The credential does not reach this"],
  "not-found": [404, "Nothing is here"],
  "method-not-allowed": [405, "The method does not apply here"],
  "not-acceptable": [406, "No acceptable representation"],
  "request-timeout": [408, "The request took too long"],
  "body-too-large": [413, "The content is too large"],
  "internal": [500, "The machine failed"],
  "bad-gateway": [502, "What stands behind this failed"],
  "unavailable": [503, "Not available now"],
  "loop-detected": [508, "The request calls itself"],
} as const;

type ProblemType = keyof typeof TITLES;

class Refusal extends Error {
  readonly type: ProblemType;
  readonly headers: Readonly<Record<string, string>>;

  constructor(type: ProblemType, detail: string, headers: Readonly<Record<string, string>> = {}) {
    super(detail);
    this.type = type;
    this.headers = headers;
  }
}

function badQuery(found: string): Refusal {
  return new Refusal("bad-query", `Cannot ask: ${found}`);
}

/** RFC 9457, or the same words as text for whoever asked for text. */
function refuse({ type, message, headers }: Refusal, request: Request): Response {
  const [status, title] = TITLES[type];
  const text = /^\s*text\//i.test(request.headers.get("accept") ?? "");
  const body = text ? `${status} ${title}\n${message}\n` : JSON.stringify({
    type: `/usr/share/doc/problems/${type}.md`,
    title,
    status,
    detail: message,
  }) + "\n";
  return new Response(request.method === "HEAD" ? null : body, {
    status,
    headers: {
      "content-type": text ? "text/plain; charset=utf-8" : "application/problem+json",
      "cache-control": "no-store",
      "vary": "Accept",
      ...headers,
    },
  });
}
