/**
 * Mounts: folders of this computer and web servers, below `/mnt/<name>/`. The table is the world
 * `/etc/fstab`; who may write it decides what enters the tree, and the cell may touch exactly what it
 * names. Everyone who may read the machine may read a mount; T2 writes where it says `rw`.
 */

import type { FileInfo, Files } from "../lib/plugin/realm/env_files.ts";

export const description = "mounts folders and web servers, as /etc/fstab says";
export const routes = ["/mnt"];
/** Reading; to write takes T2 and is looked at below. */
export const auth = "T1";
export const config = ["/etc/fstab"];

/** Exactly the mounted folders and hosts, and what is wrong with the table. */
export function permissions({ config }: { config: Record<string, string> }): {
  net: string[];
  read: string[];
  write: string[];
  fault?: string;
} {
  const { mounts, faults } = readTable(config[FSTAB] ?? "");
  const net = new Set<string>();
  const read = new Set<string>();
  const write = new Set<string>();
  for (const { folder, base, mode } of mounts.values()) {
    if (base !== undefined) net.add(hostOf(base));
    if (folder === undefined) continue;
    read.add(folder);
    if (mode === "rw") write.add(folder);
  }
  // The first folder that covers a path decides, so the deepest come first.
  const deepest = (folders: Set<string>) => [...folders].sort((a, b) => b.length - a.length);
  const asked = { net: [...net], read: deepest(read), write: deepest(write) };
  if (faults.length === 0) return asked;
  const words = faults.map(({ line, words }) => `line ${line}: ${words}`).join("; ");
  return { ...asked, fault: `${FSTAB} ${words}`.slice(0, 1000) };
}

const FSTAB = "/etc/fstab";
const KIB = 1024;
const MIB = 1024 * KIB;
/** Most mounts, which is what the machine grants one plugin. */
const MAX_MOUNTS = 64;
/** Longest answer of a web server, and longest append, in bytes. */
const MAX_BYTES = 5 * MIB;
/** Bytes of web servers' answers held at a time, all together. */
const HELD_BYTES = 128 * MIB;
/** Entries of a folder that are listed. */
const MAX_ENTRIES = 10_000;
/** Links of a listing looked at together. */
const BATCH = 32;
const MAX_REDIRECTS = 5;
/** Seconds a web server has for its whole answer, unless the table says otherwise, and the most. */
const TIMEOUT_SECONDS = 15;
const MAX_TIMEOUT_SECONDS = 25;

/** The part of a plugin's `env` that is used. */
interface Env {
  readonly config: Readonly<Record<string, string>>;
  readonly caller: { readonly tier: string; readonly by: string };
  readonly files?: Files;
}

/** One request for one mount. */
interface Visit {
  readonly request: Request;
  readonly url: URL;
  readonly env: Env;
  readonly mount: Mount;
  /** Decoded segments below the mount. */
  readonly rest: readonly string[];
  /** The path ended in a slash. */
  readonly collection: boolean;
  /** The path as words name it. */
  readonly path: string;
}

export default {
  async fetch(request: Request, env: Env): Promise<Response> {
    try {
      return await answer(request, env);
    } catch (error) {
      if (error instanceof Refusal) return refusalResponse(error, request);
      throw error;
    }
  },
};

async function answer(request: Request, env: Env): Promise<Response> {
  const url = new URL(request.url);
  const [, , name, ...encoded] = url.pathname.split("/").map(decodeSegment);
  const table = tableOf(env.config[FSTAB] ?? "");
  if (name === undefined || name === "") return await answerList(request, env, table);
  const mount = table.mounts.get(name);
  const collection = url.pathname.endsWith("/");
  const rest = collection ? encoded.slice(0, -1) : encoded;
  const path = `/mnt/${[name, ...rest].join("/")}${collection ? "/" : ""}`;
  if (mount === undefined) {
    throw refuse(
      "not-found",
      `Cannot find ${path}: nothing is mounted there; GET /mnt/ lists the mounts`,
    );
  }
  const visit: Visit = { request, url, env, mount, rest, collection, path };
  if (mount.folder === undefined && mount.base === undefined) {
    const words =
      `Cannot reach ${path}: ${mount.kind}:// has no adapter here; file, http and https have`;
    throw new Refusal(501, "/usr/share/doc/mounts.md", "No adapter for this scheme", words);
  }
  mustAllow(visit);
  if (request.method === "OPTIONS") {
    return new Response(null, { status: 204, headers: { allow: allowOf(mount) } });
  }
  mustBeAName(visit);
  if (mount.folder === undefined) return await answerFromServer(visit);
  return request.method === "PUT" || request.method === "POST"
    ? await writeFile(visit)
    : await readFile(visit);
}

/** What a mount takes is said before who asks, so that `ro` is the same word to everyone. */
function mustAllow({ request: { method }, mount, env: { caller }, path }: Visit): void {
  const allow = allowOf(mount);
  if (!allow.split(", ").includes(method)) {
    const why = mount.folder === undefined
      ? `${mount.kind} mounts are read-only`
      : mount.mode === "ro"
      ? "it is mounted ro"
      : "a mount takes GET, HEAD, PUT and POST";
    throw refuse("method-not-allowed", `Cannot ${method} ${path}: ${why}`, { allow });
  }
  if (method !== "PUT" && method !== "POST" || caller.tier !== "T1") return;
  if (caller.by !== "T1") {
    throw refuse("forbidden", `Cannot ${method} ${path}: the caller is T1, T2 is needed`);
  }
  const words = `Cannot ${method} ${path}: no credential was sent that reaches it, T2 is needed`;
  throw refuse("unauthorized", words, { "www-authenticate": CHALLENGE });
}

function allowOf({ folder, mode }: Mount): string {
  return folder !== undefined && mode === "rw"
    ? "GET, HEAD, OPTIONS, POST, PUT"
    : "GET, HEAD, OPTIONS";
}

/** The gate lets none of these through; a wall of one's own costs nothing. */
function mustBeAName({ rest, path, mount }: Visit): void {
  for (const segment of rest) {
    const dots = segment === "." || segment === ".." || /^\.{1,2};/.test(segment);
    // deno-lint-ignore no-control-regex -- control characters are what is looked for
    if (segment === "" || dots || /[/\\\u0000-\u001f\u007f]/.test(segment)) {
      throw refuse("forbidden", `Cannot reach ${path}: a segment of it is no name`);
    }
    if (mount.folder !== undefined && PART.test(segment)) {
      throw refuse("not-found", `Cannot reach ${path}: it is a file on its way in`);
    }
  }
}

function decodeSegment(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    throw refuse("bad-path", "Cannot read the path: it holds a broken percent escape");
  }
}

// The table

/** A line of the table that can be used, or is kept for a scheme that may come. */
interface Mount {
  readonly name: string;
  readonly line: number;
  readonly mode: "ro" | "rw";
  /** `file`, `http`, `https`, or a scheme without an adapter. */
  readonly kind: string;
  /** Where a `file` mount lies, without a slash at its end. */
  readonly folder?: string;
  /** Where an `http` or `https` mount lies; its path has no slash at its end. */
  readonly base?: URL;
  readonly bearer?: string;
  readonly timeoutMs: number;
}

/** A line that cannot be used. Its words hold nothing of its source or its options. */
interface Fault {
  readonly line: number;
  readonly words: string;
}

interface Table {
  readonly mounts: ReadonlyMap<string, Mount>;
  readonly faults: readonly Fault[];
}

const NAME = /^[\p{L}\p{N}][\p{L}\p{M}\p{N}._-]{0,63}$/u;
const HOST =
  /^(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*|\[[0-9a-f:.]+\])$/;
/** Folders that the machine grants nobody. */
const CLOSED = ["/proc", "/sys", "/dev"];

let known: { readonly text: string; readonly table: Table } | undefined;

function tableOf(text: string): Table {
  if (known?.text !== text) known = { text, table: readTable(text) };
  return known.table;
}

function readTable(text: string): Table {
  const mounts = new Map<string, Mount>();
  const faults: Fault[] = [];
  for (const [at, raw] of text.replace(/^\ufeff/, "").split("\n").entries()) {
    const entry = raw.trim();
    if (entry === "" || entry.startsWith("#")) continue;
    const line = at + 1;
    const found = readLine(entry, line);
    if (typeof found === "string") faults.push({ line, words: found });
    else if (mounts.has(found.name)) {
      const first = mounts.get(found.name)?.line;
      faults.push({ line, words: `/mnt/${found.name} is mounted by line ${first} already` });
    } else if (mounts.size >= MAX_MOUNTS) {
      faults.push({ line, words: `there are ${MAX_MOUNTS} mounts already, which is the most` });
    } else mounts.set(found.name, found);
  }
  return { mounts, faults };
}

/** A mount, or what is wrong. The last two fields are mount point and mode; the rest is the source. */
function readLine(entry: string, line: number): Mount | string {
  const [beforeMode, modeField] = lastField(entry);
  const [source, point] = lastField(beforeMode);
  if (source === "") return "it is not `source /mnt/name ro|rw[,options]`";
  const name = /^\/mnt\/([^/]+)\/?$/.exec(point)?.[1]?.normalize("NFC") ?? "";
  if (!NAME.test(name)) {
    return "the field before the last is not /mnt/<name>, a name of letters, digits, . _ - " +
      "(comments have lines of their own)";
  }
  const [mode, ...options] = modeField.split(",");
  if (mode !== "ro" && mode !== "rw") return `the mode of /mnt/${name} is neither ro nor rw`;
  const place = readSource(source);
  if (typeof place === "string") return `/mnt/${name}: ${place}`;
  const extra = readOptions(options, place);
  if (typeof extra === "string") return `/mnt/${name}: ${extra}`;
  return { name, line, mode, ...place, ...extra };
}

function lastField(text: string): [rest: string, field: string] {
  const end = text.trimEnd();
  let at = end.length;
  while (at > 0 && end.charAt(at - 1).trim() !== "") at--;
  return [end.slice(0, at).trimEnd(), end.slice(at)];
}

type Place = Pick<Mount, "kind" | "folder" | "base">;

function readSource(source: string): Place | string {
  const scheme = /^([A-Za-z][A-Za-z0-9+.-]*):\/\//.exec(source)?.[1]?.toLowerCase();
  if (scheme === undefined) return readFolder(source);
  if (scheme === "file") {
    if (!URL.canParse(source)) return "its file:// URL cannot be read";
    const { hostname, pathname } = new URL(source.replaceAll("?", "%3F").replaceAll("#", "%23"));
    if (hostname !== "" && hostname !== "localhost") {
      return "its file:// URL names another computer";
    }
    try {
      return readFolder(decodeURIComponent(pathname).replace(/^\/(?=[A-Za-z]:\/)/, ""));
    } catch {
      return "its file:// URL holds a broken percent escape";
    }
  }
  return scheme === "http" || scheme === "https" ? readBase(source, scheme) : { kind: scheme };
}

function readFolder(source: string): Place | string {
  const folder = source.length > 1 ? source.replace(/\/+$/, "") : source;
  if (!/^(?:\/|[A-Za-z]:\/)/.test(source)) {
    return "its source is neither an absolute path nor scheme://…";
  }
  if (folder === "" || folder === "/" || /^[A-Za-z]:$/.test(folder)) {
    return "the whole disk is not to be had; name a folder";
  }
  // deno-lint-ignore no-control-regex -- control characters are what is refused
  if (/[\u0000-\u001f\\]|\/\/|(?:^|\/)\.\.?(?:\/|$)/.test(folder) || folder.length > 1000) {
    return "its folder is not written plainly, without . and .. and at most 1000 characters long";
  }
  if (folder.includes(",")) return "its folder's name holds a comma, which cannot be granted";
  if (CLOSED.some((closed) => folder === closed || folder.startsWith(`${closed}/`))) {
    return "/proc, /sys and /dev are not to be had";
  }
  return { kind: "file", folder };
}

function readBase(source: string, kind: string): Place | string {
  if (!URL.canParse(source)) return "its URL cannot be read";
  const base = new URL(source);
  if (base.username !== "" || base.password !== "") {
    return "its URL holds a user or password; write bearer=… as an option";
  }
  if (base.search !== "" || base.hash !== "") return "its URL holds a query or fragment";
  if (!HOST.test(base.hostname)) return "its host is not one that can be granted";
  base.pathname = base.pathname.replace(/\/+$/, "");
  return { kind, base };
}

function readOptions(
  options: readonly string[],
  { base }: Place,
): Pick<Mount, "bearer" | "timeoutMs"> | string {
  let bearer: string | undefined;
  let seconds = TIMEOUT_SECONDS;
  for (const option of options) {
    const equals = option.indexOf("=");
    const key = equals < 0 ? option : option.slice(0, equals);
    const value = equals < 0 ? "" : option.slice(equals + 1);
    if (base !== undefined && key === "bearer") {
      if (!/^[\x21-\x2b\x2d-\x7e]{1,4096}$/.test(value)) return "its bearer is no token";
      bearer = value;
    } else if (base !== undefined && key === "timeout") {
      seconds = Number(value);
      if (!(seconds >= 0.1 && seconds <= MAX_TIMEOUT_SECONDS)) {
        return `its timeout is not 0.1 to ${MAX_TIMEOUT_SECONDS} seconds`;
      }
    } else {
      return "it has an option that is not known; http and https take bearer=… and timeout=…";
    }
  }
  return { ...(bearer === undefined ? {} : { bearer }), timeoutMs: 1000 * seconds };
}

function hostOf({ host, port, protocol }: URL): string {
  return port !== "" ? host : `${host}:${protocol === "https:" ? 443 : 80}`;
}

// Listings

/** One line of a listing. */
interface Row {
  readonly name: string;
  readonly dir: boolean;
  readonly [fact: string]: unknown;
}

async function answerList(request: Request, env: Env, table: Table): Promise<Response> {
  const { method } = request;
  const allow = "GET, HEAD, OPTIONS";
  if (method === "OPTIONS") return new Response(null, { status: 204, headers: { allow } });
  if (method !== "GET" && method !== "HEAD") {
    throw refuse("method-not-allowed", `Cannot ${method} /mnt/: mounts are made in ${FSTAB}`, {
      allow,
    });
  }
  const form = formOf(request);
  if (form === HTML) return showShell();
  const rows: Row[] = await Promise.all(
    [...table.mounts.values()].map((mount) => mountRow(mount, env)),
  );
  rows.sort((a, b) => a.name < b.name ? -1 : 1);
  for (const { line, words } of table.faults) {
    rows.push({ name: `line ${line}`, dir: false, line, problem: words, description: words });
  }
  return await listing(request, rows, form);
}

async function mountRow(mount: Mount, { files }: Env): Promise<Row> {
  const { name, kind, mode, folder, base } = mount;
  const row = { name, dir: true, kind, mode: folder === undefined ? "ro" : mode };
  let problem: string | undefined;
  if (folder === undefined && base === undefined) problem = `${kind}:// has no adapter here`;
  if (folder !== undefined) {
    problem = await files?.stat(folder).then(() => undefined, (error) => whyNot(error).words);
  }
  return {
    ...row,
    description: problem ?? `${row.mode} ${kind}`,
    ...(problem === undefined ? {} : { problem }),
  };
}

/** Names no URL can hold, and files on their way in. */
// deno-lint-ignore no-control-regex -- control characters are what is looked for
const UNNAMEABLE = /[\u0000-\u001f\u007f-\u009f\u2028\u2029\\\ufffd]/;
const PART = /^\.elastik-[0-9a-f-]{36}\.part$/;

async function listFolder(
  { request, path, mount }: Visit,
  files: Files,
  place: string,
): Promise<Response> {
  const form = formOf(request);
  if (form === HTML) return showShell();
  const found = await files.list(place, { most: MAX_ENTRIES + 1 }).catch((error) => {
    throw fileRefusal(error, "list", path);
  });
  const shown = found.slice(0, MAX_ENTRIES).filter(({ name }) =>
    !UNNAMEABLE.test(name) && name.isWellFormed() && !PART.test(name)
  );
  const rows: Row[] = [];
  for (let at = 0; at < shown.length; at += BATCH) {
    const batch = shown.slice(at, at + BATCH).map((info) => entryRow(files, place, info));
    rows.push(...await Promise.all(batch));
  }
  rows.sort((a, b) => a.name < b.name ? -1 : 1);
  const headers: Record<string, string> = found.length > MAX_ENTRIES
    ? { "x-mount-truncated": String(MAX_ENTRIES) }
    : {};
  if (mount.mode === "rw") headers.allow = allowOf(mount);
  return await listing(request, rows, form, headers);
}

async function entryRow(files: Files, place: string, info: FileInfo): Promise<Row> {
  const name = info.name.normalize("NFC");
  if (info.kind !== "link") return rowOf(name, info);
  try {
    return { ...rowOf(name, await files.stat(`${place}/${info.name}`)), link: true };
  } catch {
    // Where it leads there is nothing, or nothing that is mounted; asked for, it says which.
    return { name, dir: false, link: true, reachable: false };
  }
}

function rowOf(name: string, { kind, size, modified }: FileInfo): Row {
  const time = modified === null ? {} : { updated_at: new Date(modified).toISOString() };
  if (kind === "folder") return { name, dir: true, ...time };
  if (kind === "file") return { name, dir: false, size, len: size, ...time };
  return { name, dir: false, reachable: false };
}

async function listing(
  request: Request,
  rows: readonly Row[],
  form: string,
  more: Record<string, string> = {},
): Promise<Response> {
  const json = form === JSON_TYPE;
  const body = new TextEncoder().encode(json ? JSON.stringify(rows) : rows.map(lineOf).join(""));
  const headers: Record<string, string> = {
    ...more,
    "content-type": json ? JSON_TYPE : "text/plain; charset=utf-8",
    "content-length": String(body.length),
    "etag": `"${(await sha256(body)).slice(0, 16)}.${json ? "list-json" : "list"}"`,
    "cache-control": "no-cache",
    "vary": "Accept",
  };
  return conditional(request, headers, undefined) ?? respond(request, body, headers);
}

function lineOf({ name, dir, line, problem }: Row): string {
  return line === undefined ? `${name}${dir ? "/" : ""}\n` : `# ${name}: ${problem}\n`;
}

/** The page of a collection is the machine's shell, which asks again for JSON. */
function showShell(): Response {
  return new Response(null, { headers: { "x-show": "shell", "vary": "Accept" } });
}

// Files

async function readFile(visit: Visit): Promise<Response> {
  const { request, url, env, mount, collection, path } = visit;
  const files = mustHaveFiles(env, path);
  const { place, info } = await locate(files, visit);
  if (info.kind === "folder") {
    if (collection) return await listFolder(visit, files, place);
    if (formOf(request) !== HTML) return await listFolder(visit, files, place);
    const location = `${url.pathname}/${url.search}`;
    return new Response(null, { status: 302, headers: { location, "vary": "Accept" } });
  }
  if (info.kind !== "file") {
    throw refuse("forbidden", `Cannot read ${path}: it is neither a file nor a folder`);
  }
  if (collection) {
    throw refuse(
      "not-found",
      `Cannot list ${path}: it is a file; ask without the slash at its end`,
    );
  }
  const headers = fileHeaders(info, place);
  if (mount.mode === "rw") headers.allow = allowOf(mount);
  const early = conditional(request, headers, info.modified ?? undefined);
  if (early !== undefined) return early;
  const range = request.method === "GET" ? rangeOf(request, headers, info) : undefined;
  if (range === undefined) {
    headers["content-length"] = String(info.size);
    if (request.method === "HEAD") return new Response(null, { headers });
    return files.respond(place, { length: info.size, headers, seen: info });
  }
  const { start, end } = range;
  headers["content-range"] = `bytes ${start}-${end}/${info.size}`;
  headers["content-length"] = String(end - start + 1);
  return files.respond(place, {
    offset: start,
    length: end - start + 1,
    status: 206,
    headers,
    seen: info,
  });
}

function mustHaveFiles({ files }: Env, path: string): Files {
  if (files !== undefined) return files;
  throw refuse("unavailable", `Cannot reach ${path}: the machine grants no folder now`);
}

function placeOf({ mount, rest }: Visit): string {
  return [mount.folder ?? "", ...rest].join("/");
}

/** Where a path lies on the disk, and what is there. */
async function locate(files: Files, visit: Visit): Promise<{ place: string; info: FileInfo }> {
  const place = placeOf(visit);
  try {
    return { place, info: await files.stat(place) };
  } catch (error) {
    if (whyNot(error).type === "not-found") {
      const other = await otherSpelling(files, visit);
      if (other !== undefined) return other;
    }
    throw fileRefusal(error, "read", visit.path);
  }
}

/** Paths are NFC here, and the names on a disk may be spelt otherwise. */
async function otherSpelling(
  files: Files,
  { mount, rest }: Visit,
): Promise<{ place: string; info: FileInfo } | undefined> {
  // deno-lint-ignore no-control-regex -- what is not ASCII
  if (!rest.some((segment) => /[^\u0000-\u007f]/.test(segment))) return undefined;
  let place = mount.folder ?? "";
  try {
    for (const segment of rest) {
      const entries = await files.list(place, { most: MAX_ENTRIES });
      const found = entries.find(({ name }) => name.normalize("NFC") === segment);
      if (found === undefined) return undefined;
      place += `/${found.name}`;
    }
    return { place, info: await files.stat(place) };
  } catch {
    return undefined; // the first answer, that it is not there, stands
  }
}

function fileHeaders(info: FileInfo, place: string): Record<string, string> {
  const headers: Record<string, string> = {
    "content-type": mediaType(place),
    "etag": fileTag(info),
    "accept-ranges": "bytes",
    "cache-control": "no-cache",
    "x-mount-version": fileVersion(info),
  };
  if (info.modified !== null) headers["last-modified"] = new Date(info.modified).toUTCString();
  return headers;
}

/**
 * Made of what the system says of a file: which one it is, its length, and when it and its entry
 * changed. Two writes of one length within a tick of the system's clock look the same.
 */
function fileTag({ id, size, modified, changed }: FileInfo): string {
  const parts = [
    ...(id ?? "0").split(":").slice(-1).map(Number),
    size,
    modified ?? 0,
    changed ?? 0,
  ];
  return `"${parts.map((part) => part.toString(36)).join("-")}"`;
}

/** The runtime tells milliseconds. */
function fileVersion({ modified }: FileInfo): string {
  return `mtime:${modified === null ? 0 : `${Math.trunc(modified)}000000`}`;
}

// Writing files

/** Writers of one file take turns between their look at it and their change. */
const turns = new Map<string, Promise<void>>();

async function takeTurn(place: string): Promise<() => void> {
  const before = turns.get(place) ?? Promise.resolve();
  const { promise, resolve } = Promise.withResolvers<void>();
  const mine = before.then(() => promise);
  turns.set(place, mine);
  await before;
  return () => {
    resolve();
    if (turns.get(place) === mine) turns.delete(place);
  };
}

async function writeFile(visit: Visit): Promise<Response> {
  const { request, env, mount, rest, collection, path } = visit;
  const { method } = request;
  const files = mustHaveFiles(env, path);
  if (rest.length === 0 || collection) {
    throw refuse("conflict", `Cannot ${method} ${path}: it is a folder; name a file in it`);
  }
  if (request.headers.has("content-range")) {
    throw refuse(
      "bad-header",
      `Cannot ${method} ${path}: Content-Range is not taken; send it whole`,
    );
  }
  const place = await placeToWrite(files, visit);
  // A body that may not be used is not read, as far as can be told now.
  await mustMatch(files, visit, place);
  let free = (): void => {};
  let created = false;
  const ready = async (): Promise<void> => {
    free = await takeTurn(place);
    created = await mustMatch(files, visit, place) === undefined;
  };
  try {
    if (method === "PUT") await files.replace(place, request.body ?? "", { ready });
    else {
      const bytes = await bodyOf(request, path);
      await ready();
      await files.append(place, bytes);
    }
    const info = await files.stat(place);
    const headers: Record<string, string> = {
      "etag": fileTag(info),
      "x-mount-version": fileVersion(info),
      "cache-control": "no-store",
    };
    if (created) headers.location = encodePath(["mnt", mount.name, ...rest]);
    const told = { path, size: info.size, version: fileVersion(info) };
    return Response.json(told, { status: created ? 201 : 200, headers });
  } catch (error) {
    throw error instanceof Refusal ? error : fileRefusal(error, method, path);
  } finally {
    free();
  }
}

/** The file's place, with the folders above it made where they are not there. */
async function placeToWrite(files: Files, visit: Visit): Promise<string> {
  const { mount, rest, path, request: { method } } = visit;
  const place = placeOf(visit);
  const noFolder = () =>
    refuse("conflict", `Cannot ${method} ${path}: something on the way to it is no folder`);
  try {
    await files.stat(place);
    return place;
  } catch (error) {
    const { type, name } = whyNot(error);
    if (name === "NotADirectory") throw noFolder();
    if (type !== "not-found") throw fileRefusal(error, method, path);
  }
  const other = await otherSpelling(files, visit);
  if (other !== undefined) return other.place;
  let folder = mount.folder ?? "";
  try {
    // What is mounted is not made: its disk may not be there now.
    await files.stat(folder);
    for (const segment of rest.slice(0, -1)) {
      folder += `/${segment}`;
      await files.mkdir(folder).catch((error) => {
        if (whyNot(error).name !== "AlreadyExists") throw error;
      });
    }
  } catch (error) {
    const { type, name } = whyNot(error);
    if (name === "NotADirectory") throw noFolder();
    if (type === "not-found") {
      throw refuse("conflict", `Cannot ${method} ${path}: the folder it would lie in is not there`);
    }
    throw fileRefusal(error, method, path);
  }
  return place;
}

/** What is there, which must be what the caller saw (RFC 9110 §13.1). */
async function mustMatch(
  files: Files,
  { request: { headers, method }, path }: Visit,
  place: string,
): Promise<FileInfo | undefined> {
  const info = await files.stat(place).catch((error) => {
    if (whyNot(error).type === "not-found") return undefined;
    throw fileRefusal(error, method, path);
  });
  if (info !== undefined && info.kind !== "file") {
    throw refuse("conflict", `Cannot ${method} ${path}: it is no file`);
  }
  const tag = info === undefined ? undefined : fileTag(info);
  const ifMatch = headers.get("if-match");
  const ifNoneMatch = headers.get("if-none-match");
  const told: Record<string, string> = tag === undefined ? {} : { etag: tag };
  if (ifMatch !== null && !names(ifMatch, tag, true)) {
    const found = tag === undefined ? "it is not there" : `its entity tag is ${tag}`;
    throw refuse("precondition-failed", `Cannot ${method} ${path}: ${found}`, told);
  }
  if (ifNoneMatch !== null && names(ifNoneMatch, tag, false)) {
    throw refuse("precondition-failed", `Cannot ${method} ${path}: it is there, as ${tag}`, told);
  }
  const since = ifMatch === null ? dateOf(headers.get("if-unmodified-since")) : undefined;
  if (since !== undefined && seconds(info?.modified ?? 0) > since) {
    throw refuse(
      "precondition-failed",
      `Cannot ${method} ${path}: it changed after that date`,
      told,
    );
  }
  return info;
}

/** An append's bytes, whole, so that they are written at once or not at all. */
async function bodyOf(request: Request, path: string): Promise<Uint8Array> {
  const tooLarge = () =>
    refuse("body-too-large", `Cannot append to ${path}: ${MAX_BYTES} bytes at once are the most`);
  if (Number(request.headers.get("content-length") ?? 0) > MAX_BYTES) throw tooLarge();
  const pieces: Uint8Array[] = [];
  let length = 0;
  for await (const piece of request.body ?? []) {
    length += piece.length;
    if (length > MAX_BYTES) throw tooLarge();
    pieces.push(piece);
  }
  return join(pieces, length);
}

interface Why {
  readonly type: ProblemType;
  readonly name: string;
  readonly words: string;
}

/** Why a file was not to be had. */
function whyNot(error: unknown): Why {
  const name = error instanceof Error ? error.name : "Error";
  const code: unknown = error instanceof Error ? Reflect.get(error, "code") : undefined;
  if (name === "NotFound") return { type: "not-found", name, words: "it is not there" };
  if (name === "NotADirectory") {
    return { type: "not-found", name, words: "something on the way to it is no folder" };
  }
  if (name === "TypeError") {
    return { type: "forbidden", name, words: "it leads out of what is mounted" };
  }
  if (name === "PermissionDenied" || name === "NotCapable" || name === "ReadOnlyFilesystem") {
    return { type: "forbidden", name, words: "the system does not let the machine do that" };
  }
  if (name === "FilesystemLoop") {
    return { type: "forbidden", name, words: "its links go round in a circle" };
  }
  if (code === "ENOSPC" || code === "EDQUOT") {
    return { type: "insufficient-storage", name, words: "the disk is full" };
  }
  if (code === "ENAMETOOLONG") {
    return { type: "bad-path", name, words: "its name is longer than the disk's may be" };
  }
  return { type: "bad-gateway", name, words: "the disk failed" };
}

function fileRefusal(error: unknown, verb: string, path: string): Refusal {
  const { type, words } = whyNot(error);
  return refuse(type, `Cannot ${verb} ${path}: ${words}`);
}

// Web servers

/** Bytes of answers that are held now. */
let held = 0;

/** An answer read to its end. */
interface Taken {
  readonly response: Response;
  readonly pieces: Uint8Array[];
  readonly length: number;
}

async function answerFromServer(visit: Visit): Promise<Response> {
  const { request, mount, path } = visit;
  const late = AbortSignal.timeout(mount.timeoutMs);
  const signal = AbortSignal.any([late, request.signal]);
  let taken: Taken;
  try {
    const response = await askServer(visit, signal);
    taken = await take(response, path);
  } catch (error) {
    if (error instanceof Refusal) throw error;
    if (late.aborted) {
      const words = `Cannot read ${path}: its server gave no whole answer in ${
        mount.timeoutMs / 1000
      } s`;
      throw refuse("gateway-timeout", words);
    }
    throw refuse("bad-gateway", `Cannot read ${path}: its server cannot be reached, or broke off`);
  }
  try {
    return await passOn(visit, taken);
  } catch (error) {
    held -= taken.length;
    throw error;
  }
}

/** Asks, and follows what the mount's own server says about where things are. */
async function askServer(
  { request, url, mount, rest, collection, path }: Visit,
  signal: AbortSignal,
) {
  let target = targetOf(mount, rest, collection, url.search);
  const headers = askingHeaders(request, mount);
  for (let hops = 0; hops <= MAX_REDIRECTS; hops++) {
    const response = await fetch(target, { headers, signal, redirect: "manual" });
    if (![301, 302, 303, 307, 308].includes(response.status)) return response;
    await response.body?.cancel();
    const location = response.headers.get("location");
    if (location === null || !URL.canParse(location, target)) {
      throw refuse("bad-gateway", `Cannot read ${path}: its server redirects to nowhere`);
    }
    target = new URL(location, target);
    if (!liesBelow(target, mount)) {
      const words = `Cannot read ${path}: its server redirects beyond what is mounted`;
      throw refuse("bad-gateway", words);
    }
  }
  throw refuse("bad-gateway", `Cannot read ${path}: its server redirects in a circle`);
}

function targetOf(
  { base }: Mount,
  rest: readonly string[],
  collection: boolean,
  search: string,
): URL {
  const target = new URL(base ?? "");
  const below = rest.map((segment) => `/${encodeSegment(segment)}`).join("");
  target.pathname = `${target.pathname.replace(/\/$/, "")}${below}${collection ? "/" : ""}`;
  // `raw` is this machine's word for the bytes, which is all that a mount gives.
  const query = search.slice(1).split("&").filter((pair) => pair !== "raw").join("&");
  target.search = query;
  return target;
}

/** Whether a URL lies at or below a mount's own, however its path is read. */
function liesBelow(target: URL, { base }: Mount): boolean {
  if (base === undefined || target.origin !== base.origin) return false;
  if (target.username !== "" || target.password !== "") return false;
  const root = base.pathname.replace(/\/$/, "");
  const { pathname } = target;
  if (pathname !== root && !pathname.startsWith(`${root}/`)) return false;
  return !/%(?:2f|5c)|\/\.{1,2};/i.test(pathname.slice(root.length)) || root === "";
}

function askingHeaders(request: Request, { bearer }: Mount): Headers {
  const headers = new Headers({ "user-agent": "elastik" });
  for (const name of ["accept", "accept-language", "if-none-match", "if-modified-since"]) {
    const value = request.headers.get(name);
    if (value !== null) headers.set(name, value);
  }
  if (bearer !== undefined) headers.set("authorization", `Bearer ${bearer}`);
  return headers;
}

/** Reads an answer, never more of it than may be passed on. What it holds is counted in `held`. */
async function take(response: Response, path: string): Promise<Taken> {
  const tooLarge = () =>
    refuse(
      "body-too-large",
      `Cannot read ${path}: it is longer than ${MAX_BYTES} bytes, the most from a web server`,
    );
  const pieces: Uint8Array[] = [];
  let length = 0;
  try {
    if (Number(response.headers.get("content-length") ?? 0) > MAX_BYTES) throw tooLarge();
    const encoding = (response.headers.get("content-encoding") ?? "identity").toLowerCase();
    // These two are asked for, and undone, by the runtime; what comes of it is what counts.
    if (!["identity", "gzip", "br"].includes(encoding)) {
      throw refuse(
        "bad-gateway",
        `Cannot read ${path}: its server answers in an encoding nobody asked for`,
      );
    }
    for await (const piece of response.body ?? []) {
      length += piece.length;
      held += piece.length;
      if (length > MAX_BYTES) throw tooLarge();
      if (held > HELD_BYTES) {
        const words =
          `Cannot read ${path}: too many answers of web servers are on their way; ask again`;
        throw refuse("unavailable", words, { "retry-after": "1" });
      }
      pieces.push(piece);
    }
    return { response, pieces, length };
  } catch (error) {
    held -= length;
    if (!response.bodyUsed) await response.body?.cancel();
    throw error;
  }
}

async function passOn(visit: Visit, { response, pieces, length }: Taken): Promise<Response> {
  const { request, mount, path } = visit;
  const { status } = response;
  const headers = passedHeaders(response);
  mustKeepSecret(mount, headers, pieces, length, path);
  if (status === 304) {
    held -= length;
    return new Response(null, { status, headers });
  }
  if (status < 200 || status >= 300 || status === 206) throw serverRefusal(visit, response, pieces);
  // The one that is passed on: others were not looked through for the mount's credential.
  const tag = headers.etag;
  if (tag === undefined) {
    const whole = join(pieces, length);
    headers.etag = `"${(await sha256(whole)).slice(0, 16)}.${length.toString(36)}"`;
    headers["x-mount-version"] = `len=${length};head=${whole.subarray(0, 16).toHex()}`;
  } else headers["x-mount-version"] = `etag:${tag}`;
  const early = conditional(request, headers, dateOf(headers["last-modified"] ?? null));
  if (early !== undefined || request.method === "HEAD" || status === 204) {
    held -= length;
    if (early !== undefined) return early;
    if (status === 204) return new Response(null, { status, headers });
    return new Response(null, { headers: { ...headers, "content-length": String(length) } });
  }
  headers["content-length"] = String(length);
  return new Response(streamOf(pieces), { headers });
}

/** Gives back what was held as it is read. */
function streamOf(pieces: Uint8Array[]): ReadableStream<Uint8Array> {
  let next = 0;
  return new ReadableStream({
    pull(controller) {
      const piece = pieces[next];
      if (piece === undefined) return controller.close();
      pieces[next++] = new Uint8Array();
      held -= piece.length;
      controller.enqueue(piece);
    },
    cancel() {
      for (const piece of pieces) held -= piece.length;
      pieces.length = 0;
    },
  }, { highWaterMark: 0 });
}

/** What speaks of the content. Cookies, policies and what concerns a connection stay there. */
function passedHeaders({ headers }: Response): Record<string, string> {
  const passed: Record<string, string> = {
    "cache-control": "no-cache",
    "vary": "Accept, Accept-Language",
    "content-type": "application/octet-stream",
  };
  for (
    const name of [
      "content-type",
      "content-language",
      "content-disposition",
      "etag",
      "last-modified",
    ]
  ) {
    const value = headers.get(name);
    if (value !== null && value.length <= 1024 && /^[\t\x20-\x7e]*$/.test(value)) {
      passed[name] = value;
    }
  }
  return passed;
}

/** A server that says the mount's own credential back must not tell it to everyone. */
function mustKeepSecret(
  { bearer }: Mount,
  headers: Record<string, string>,
  pieces: readonly Uint8Array[],
  length: number,
  path: string,
): void {
  if (bearer === undefined) return;
  const text = Object.values(headers).join("\n") + "\n" +
    new TextDecoder("latin1").decode(join(pieces, length));
  // A word as short as some bearers are stands in many a text.
  const sought = bearer.length >= 12 ? bearer : `Bearer ${bearer}`;
  if (!text.includes(sought)) return;
  throw refuse(
    "bad-gateway",
    `Cannot read ${path}: the answer of its server holds the mount's credential`,
  );
}

/** A refusal of the server, passed on in words. */
function serverRefusal({ path, mount }: Visit, response: Response, pieces: Uint8Array[]): Refusal {
  const { status } = response;
  const type = (response.headers.get("content-type") ?? "").toLowerCase();
  const plain = /^(?:text\/plain|application\/(?:[\w.+-]+\+)?json)/.test(type);
  const said = plain ? new TextDecoder().decode(pieces[0]).slice(0, 300) : "";
  // deno-lint-ignore no-control-regex -- control characters are what is taken out
  const words = said.replace(/[\u0000-\u0020\u007f-\u009f\u2028-\u202e\u2066-\u2069]+/g, " ")
    .trim();
  const detail = `Cannot read ${path}: its server answered ${status}${
    words === "" ? "" : `: ${words}`
  }`;
  if (status === 401 || status === 407) {
    const given = mount.bearer === undefined ? "has no bearer" : "has a bearer it does not take";
    return refuse("bad-gateway", `${detail}; the mount ${given}, ${FSTAB} is the place for it`);
  }
  if (status < 400 || status >= 500) return refuse("bad-gateway", detail);
  const headers: Record<string, string> = {};
  const again = response.headers.get("retry-after");
  if (again !== null && /^[\w ,:]{1,40}$/.test(again)) headers["retry-after"] = again;
  const known = Object.entries(PROBLEMS).find(([, problem]) => problem.status === status);
  return known === undefined
    ? new Refusal(
      status,
      "/usr/share/doc/mounts.md",
      "The server behind this refused",
      detail,
      headers,
    )
    : new Refusal(
      status,
      `/usr/share/doc/problems/${known[0]}.md`,
      known[1].title,
      detail,
      headers,
    );
}

function encodeSegment(segment: string): string {
  return encodeURIComponent(segment).replace(/%(?:3A|40|24|26|2B|2C|3D)/g, decodeURIComponent);
}

// HTTP

const HTML = "text/html";
const JSON_TYPE = "application/json";
const CHALLENGE = 'Bearer realm="elastik", Basic realm="elastik", charset="UTF-8"';

/** `text/plain`, JSON or HTML, as the caller would rather have it; plain where they do not care. */
function formOf(request: Request): string {
  return prefer(request.headers.get("accept"), ["text/plain", JSON_TYPE, HTML]);
}

/** The offered type the header likes best; of equals the one it names first, else the first offered. */
function prefer(accept: string | null, offered: readonly string[]): string {
  const ranges = (accept ?? "*/*").slice(0, 2048).split(",").map((part, at) => {
    const [type = "", ...parameters] = part.split(";").map((word) => word.trim().toLowerCase());
    const q = parameters.find((word) => word.startsWith("q="));
    return { type, q: q === undefined ? 1 : Number(q.slice(2)) || 0, at };
  });
  let best: { type: string; q: number; at: number } | undefined;
  for (const type of offered) {
    const group = `${type.slice(0, type.indexOf("/"))}/*`;
    const range = ranges.find((one) => one.type === type) ??
      ranges.find((one) => one.type === group) ?? ranges.find((one) => one.type === "*/*");
    if (range === undefined || range.q === 0) continue;
    const { q, at } = range;
    if (best === undefined || q > best.q || q === best.q && at < best.at) best = { type, q, at };
  }
  return best?.type ?? offered[0] ?? HTML;
}

/**
 * The 304 or 412 of a GET or HEAD, if its conditions come to one (RFC 9110 §13.2.2).
 *
 * @param modified Unix milliseconds
 */
function conditional(
  { headers: asked, method }: Request,
  headers: Record<string, string>,
  modified: number | undefined,
): Response | undefined {
  const tag = headers.etag;
  const ifMatch = asked.get("if-match");
  const ifNoneMatch = asked.get("if-none-match");
  const unmodified = ifMatch === null ? dateOf(asked.get("if-unmodified-since")) : undefined;
  const changed = unmodified !== undefined && modified !== undefined &&
    seconds(modified) > unmodified;
  if (changed || ifMatch !== null && !names(ifMatch, tag, true)) {
    const told: Record<string, string> = tag === undefined ? {} : { etag: tag };
    throw refuse("precondition-failed", `Cannot ${method} it: it is not what was seen`, told);
  }
  const since = ifNoneMatch === null ? dateOf(asked.get("if-modified-since")) : undefined;
  const same = since !== undefined && modified !== undefined && seconds(modified) <= since;
  if (!same && !(ifNoneMatch !== null && names(ifNoneMatch, tag, false))) return undefined;
  const { "content-type": _type, "content-length": _length, ...kept } = headers;
  return new Response(null, { status: 304, headers: kept });
}

/** Whether a list of entity tags names this one (RFC 9110 §8.8.3.2); `*` names whatever is there. */
function names(list: string, tag: string | undefined, strong: boolean): boolean {
  if (tag === undefined) return false;
  if (list.trim() === "*") return true;
  const weak = tag.startsWith("W/");
  if (strong && weak) return false;
  const bare = weak ? tag.slice(2) : tag;
  for (const [, mark, opaque] of list.slice(0, 8192).matchAll(/(W\/)?("[^"]*")/g)) {
    if (opaque === bare && !(strong && mark !== undefined)) return true;
  }
  return false;
}

function dateOf(header: string | null): number | undefined {
  if (header === null || !/^\w{3}, \d{2} \w{3} \d{4} [\d:]{8} GMT$/.test(header)) return undefined;
  const time = Date.parse(header);
  return Number.isNaN(time) ? undefined : time;
}

/** Whole seconds of a time, in milliseconds: what an HTTP date can say. */
function seconds(time: number): number {
  return Math.floor(time / 1000) * 1000;
}

/** The one range that is asked for, if it is to be served (RFC 9110 §14.2). */
function rangeOf(
  { headers }: Request,
  { etag }: Record<string, string>,
  { size, modified }: FileInfo,
): { start: number; end: number } | undefined {
  const asked = headers.get("range");
  const ifRange = headers.get("if-range");
  const found = /^bytes=[ \t]*(?:(\d+)-(\d*)|-(\d+))[ \t]*$/i.exec(asked ?? "");
  if (found === null) return undefined;
  if (ifRange !== null && ifRange !== etag) {
    const date = dateOf(ifRange);
    if (date === undefined || modified === null || date !== seconds(modified)) return undefined;
  }
  const [, first, last, suffix] = found;
  const start = suffix === undefined ? Number(first) : Math.max(0, size - Number(suffix));
  const end = suffix !== undefined || last === "" ? size - 1 : Math.min(Number(last), size - 1);
  if (suffix === undefined && last !== "" && Number(last) < start) return undefined;
  if (suffix !== undefined && size === 0 && Number(suffix) > 0) return undefined;
  if (start >= size || suffix !== undefined && Number(suffix) === 0) {
    const words = `Cannot send the range ${asked?.slice(0, 100)}: the file has ${size} bytes`;
    throw refuse("range-not-satisfiable", words, {
      "content-range": `bytes */${size}`,
      "accept-ranges": "bytes",
    });
  }
  return { start, end };
}

function respond(
  { method }: Request,
  body: Uint8Array<ArrayBuffer>,
  headers: Record<string, string>,
  status = 200,
): Response {
  return new Response(method === "HEAD" ? null : body, { status, headers });
}

function encodePath(segments: readonly string[]): string {
  return segments.map((segment) => `/${encodeURIComponent(segment)}`).join("");
}

async function sha256(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)).toHex();
}

function join(pieces: readonly Uint8Array[], length: number): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(length);
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}

// Refusals

/** The machine's own problems (RFC 9457), of which each has a page. */
const PROBLEMS = {
  "bad-path": { status: 400, title: "The path is not canonical" },
  "bad-header": { status: 400, title: "A request header does not fit" },
  "unauthorized": { status: 401, title: "A credential is needed" },
  "forbidden": { status: 403, title: "The credential does not reach this" },
  "not-found": { status: 404, title: "Nothing is here" },
  "method-not-allowed": { status: 405, title: "The method does not apply here" },
  "conflict": { status: 409, title: "The state of the resource forbids this" },
  "precondition-failed": { status: 412, title: "What you saw is not current" },
  "body-too-large": { status: 413, title: "The content is too large" },
  "range-not-satisfiable": { status: 416, title: "The range lies outside the content" },
  "too-many-requests": { status: 429, title: "Too many requests" },
  "bad-gateway": { status: 502, title: "What stands behind this failed" },
  "unavailable": { status: 503, title: "Not available now" },
  "gateway-timeout": { status: 504, title: "What stands behind this did not answer" },
  "insufficient-storage": { status: 507, title: "The disk is full" },
} as const;

type ProblemType = keyof typeof PROBLEMS;

class Refusal extends Error {
  readonly status: number;
  readonly type: string;
  readonly title: string;
  readonly headers: Readonly<Record<string, string>>;

  constructor(
    status: number,
    type: string,
    title: string,
    detail: string,
    headers: Readonly<Record<string, string>> = {},
  ) {
    super(detail);
    this.status = status;
    this.type = type;
    this.title = title;
    this.headers = headers;
  }
}

function refuse(type: ProblemType, detail: string, headers: Record<string, string> = {}): Refusal {
  const { status, title } = PROBLEMS[type];
  return new Refusal(status, `/usr/share/doc/problems/${type}.md`, title, detail, headers);
}

function refusalResponse(refusal: Refusal, request: Request): Response {
  const { status, type, title, message: detail } = refusal;
  const form = prefer(request.headers.get("accept"), [
    "application/problem+json",
    JSON_TYPE,
    "text/plain",
    HTML,
  ]);
  const text = form === "text/plain" || form === HTML;
  const body = new TextEncoder().encode(
    text
      ? `${status} ${title}\n${detail}\n`
      : JSON.stringify({ type, title, status, detail }) + "\n",
  );
  return respond(request, body, {
    "content-type": text ? "text/plain; charset=utf-8" : "application/problem+json",
    "content-length": String(body.length),
    "cache-control": "no-store",
    "vary": "Accept",
    ...refusal.headers,
  }, status);
}

// Media types

/** Suffixes by type; `text/*` is said to be UTF-8. */
const SUFFIXES: Readonly<Record<string, string>> = {
  "text/plain": "txt text log conf cfg ini env lock out err",
  "text/markdown": "md markdown",
  "text/html": "html htm",
  "text/css": "css",
  "text/csv": "csv",
  "text/tab-separated-values": "tsv",
  "text/javascript": "js mjs cjs",
  "text/typescript": "ts mts cts tsx",
  "text/x-python": "py",
  "text/x-shellscript": "sh bash zsh",
  "text/x-powershell": "ps1",
  "text/x-rust": "rs",
  "text/x-go": "go",
  "text/x-ruby": "rb",
  "text/x-perl": "pl",
  "text/x-php": "php",
  "text/x-sql": "sql",
  "text/x-c": "c h cc cpp cxx hpp",
  "text/x-java": "java",
  "text/x-diff": "diff patch",
  "text/x-subrip": "srt",
  "text/vtt": "vtt",
  "text/calendar": "ics",
  "text/vcard": "vcf",
  "text/org": "org",
  "text/x-tex": "tex",
  "application/json": "json map webmanifest",
  "application/jsonl": "jsonl",
  "application/x-ndjson": "ndjson",
  "application/yaml": "yaml yml",
  "application/toml": "toml",
  "application/xml": "xml",
  "application/xhtml+xml": "xhtml",
  "application/rss+xml": "rss",
  "application/atom+xml": "atom",
  "application/pdf": "pdf",
  "application/epub+zip": "epub",
  "application/rtf": "rtf",
  "application/zip": "zip",
  "application/gzip": "gz tgz",
  "application/x-bzip2": "bz2",
  "application/x-xz": "xz",
  "application/zstd": "zst",
  "application/x-tar": "tar",
  "application/x-7z-compressed": "7z",
  "application/wasm": "wasm",
  "application/vnd.sqlite3": "sqlite sqlite3 db",
  "application/vnd.apache.parquet": "parquet",
  "application/msword": "doc",
  "application/vnd.ms-excel": "xls",
  "application/vnd.ms-powerpoint": "ppt",
  "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "docx",
  "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx",
  "application/vnd.ms-excel.sheet.macroEnabled.12": "xlsm",
  "application/vnd.openxmlformats-officedocument.presentationml.presentation": "pptx",
  "application/vnd.oasis.opendocument.text": "odt",
  "application/vnd.oasis.opendocument.spreadsheet": "ods",
  "image/png": "png",
  "image/jpeg": "jpg jpeg",
  "image/gif": "gif",
  "image/webp": "webp",
  "image/avif": "avif",
  "image/svg+xml": "svg",
  "image/x-icon": "ico",
  "image/bmp": "bmp",
  "image/tiff": "tif tiff",
  "image/heic": "heic",
  "audio/mpeg": "mp3",
  "audio/mp4": "m4a",
  "audio/ogg": "ogg oga opus",
  "audio/flac": "flac",
  "audio/wav": "wav",
  "audio/aac": "aac",
  "video/mp4": "mp4 m4v",
  "video/webm": "webm",
  "video/quicktime": "mov",
  "video/x-matroska": "mkv",
  "video/ogg": "ogv",
  "font/woff": "woff",
  "font/woff2": "woff2",
  "font/ttf": "ttf",
  "font/otf": "otf",
};

const TYPES = new Map<string, string>();
for (const [type, suffixes] of Object.entries(SUFFIXES)) {
  const full = type.startsWith("text/") ? `${type}; charset=utf-8` : type;
  for (const suffix of suffixes.split(" ")) TYPES.set(suffix, full);
}

function mediaType(place: string): string {
  const name = place.slice(place.lastIndexOf("/") + 1);
  const dot = name.lastIndexOf(".");
  const suffix = dot > 0 ? name.slice(dot + 1).toLowerCase() : "";
  return TYPES.get(suffix) ?? "application/octet-stream";
}
