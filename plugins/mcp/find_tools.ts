/** Tools that find worlds and their changes: `list`, `search` and `history`. */

import { isRecord } from "../kit/json_record.ts";
import { ArgumentFault, type ToolArguments } from "./arguments.ts";
import type { Members } from "./json_rpc.ts";
import { MAX_PAGE_SIZE, MAX_TEXT_CHARS, PAGE_SIZE } from "./limits.ts";
import { callServer, readJson, type ServerCaller } from "./server_call.ts";
import {
  DATA_NOTICE,
  objectSchema,
  pathArgument,
  prefixArgument,
  READS,
  type Tool,
  type ToolOutput,
  toolOutput,
} from "./tool.ts";
import { readStart } from "../kit/read_start.ts";
import { NAMESPACES } from "../kit/world_name.ts";
import { type NamedPath, readPath, urlPath } from "./world_path.ts";

const PREFIX = {
  type: "string",
  description: "Path of a collection, such as /home/notes/.",
} as const;
const LIMIT = {
  type: "integer",
  minimum: 1,
  maximum: MAX_PAGE_SIZE,
  description: `Most entries of the result; ${PAGE_SIZE} by default`,
} as const;
const AFTER = {
  type: "string",
  minLength: 1,
  description:
    "Continues a list: the value next of the result before, with the same other arguments",
} as const;
const SINCE = {
  type: "string",
  minLength: 1,
  description: "Only what changed at this time or later, such as 2026-11-28T10:00:00Z",
} as const;
const NEXT = { type: "string", description: "Value of after that continues the list" } as const;
const ROWS = { type: "array", items: { type: "object" } } as const;

export const listTool: Tool = {
  name: "list",
  title: "List worlds",
  description:
    "Lists the worlds and collections directly in a collection, or with deep all worlds below it, " +
    "each with version and time. With trash it lists deleted worlds, whose ids restore takes.",
  inputSchema: objectSchema({
    "prefix?": {
      ...PREFIX,
      description: `${PREFIX.description} By default everything that the credential covers.`,
    },
    "deep?": {
      type: "boolean",
      description: "All worlds below the prefix, not only its own entries",
    },
    "sort?": {
      type: "string",
      enum: ["name", "time", "size"],
      description: "By name, newest first, or largest first",
    },
    "since?": SINCE,
    "limit?": LIMIT,
    "after?": AFTER,
    "trash?": {
      type: "boolean",
      description: "List deleted worlds instead, newest first; without deep, sort and since",
    },
  }),
  outputSchema: objectSchema({ prefix: { type: "string" }, entries: ROWS, "next?": NEXT }, false),
  annotations: READS,
  run: runList,
};

export const searchTool: Tool = {
  name: "search",
  title: "Search in all worlds",
  description:
    "Finds the lines that contain a text, in all worlds below a prefix: one literal text, case does " +
    "not matter. The result has path, line number and line. Use it before you read many worlds.",
  inputSchema: objectSchema({
    query: { type: "string", minLength: 1, description: "The text to find, taken literally" },
    "prefix?": { ...PREFIX, description: `${PREFIX.description} By default everything readable.` },
    "limit?": LIMIT,
    "after?": AFTER,
  }),
  outputSchema: objectSchema({ query: { type: "string" }, hits: ROWS, "next?": NEXT }, false),
  annotations: READS,
  run: runSearch,
};

export const historyTool: Tool = {
  name: "history",
  title: "Read the history",
  description:
    "Shows who changed a world and when, newest first, with the versions that read and restore take. " +
    "For a path that ends in a slash it shows the changes of all worlds below it. With from it returns the " +
    "difference between two versions of a text.",
  inputSchema: objectSchema({
    path: {
      type: "string",
      minLength: 1,
      description: "Path of a world, or of a collection with a slash at the end",
    },
    "from?": { type: "integer", minimum: 1, description: "Show the difference from this version" },
    "to?": {
      type: "integer",
      minimum: 1,
      description: "To this version; by default the current one",
    },
    "since?": { ...SINCE, description: `${SINCE.description}; for collections` },
    "by?": {
      type: "string",
      minLength: 1,
      description: "Only changes of this caller, as the history shows it; for collections",
    },
    "limit?": LIMIT,
    "after?": AFTER,
  }),
  outputSchema: objectSchema({
    path: { type: "string" },
    "events?": ROWS,
    "diff?": { type: "string" },
    "truncated?": { type: "boolean" },
    "next?": NEXT,
  }, false),
  annotations: READS,
  run: runHistory,
};

async function runList(args: ToolArguments, caller: ServerCaller): Promise<ToolOutput> {
  const prefix = args.text("prefix") === undefined
    ? await coveredPrefix(caller)
    : prefixArgument(args, "prefix");
  if (args.flag("trash")) return await listTrash(args, prefix, caller);
  if (prefix.name === "") return await listNamespaces(args, caller);
  const query = new URLSearchParams();
  if (args.flag("deep")) query.set("deep", "");
  for (const name of ["sort", "since", "after"]) copyText(args, query, name);
  query.set("limit", String(args.integer("limit") ?? PAGE_SIZE));
  const { value, next } = await readJson(caller, `${urlPath(prefix)}?${toQuery(query)}`);
  const entries = rowsOf(value).map((row) => ({ path: entryPath(prefix, row), ...row }));
  const lines = entries.map(entryLine);
  return page(`Entries of ${shownPath(prefix)}`, lines, next?.get("after") ?? undefined, {
    prefix: shownPath(prefix),
    entries,
  });
}

/** The root is a list of routes, of which only the namespaces have worlds below them. */
async function listNamespaces(args: ToolArguments, caller: ServerCaller): Promise<ToolOutput> {
  assertWithout(args, ["sort", "since", "after"], 'needs a "prefix" such as /home/');
  const { value } = await readJson(caller, "/");
  const root = { name: "", isCollection: true };
  const entries = rowsOf(value).filter(({ name }) => NAMESPACES.includes(String(name)))
    .map((row) => ({ path: entryPath(root, row), ...row }));
  return page("Entries of /", entries.map(entryLine), undefined, { prefix: "/", entries });
}

/** Refuses arguments of `list` that have no effect on what is listed: `deep`, and texts. */
function assertWithout(args: ToolArguments, texts: readonly string[], reason: string): void {
  const found = args.flag("deep") ? "deep" : texts.find((name) => args.text(name) !== undefined);
  if (found !== undefined) throw new ArgumentFault(`"${found}" ${reason}`);
}

async function listTrash(
  args: ToolArguments,
  prefix: NamedPath,
  caller: ServerCaller,
): Promise<ToolOutput> {
  assertWithout(args, ["sort", "since"], 'cannot be combined with "trash"');
  const query = new URLSearchParams();
  copyText(args, query, "after");
  const limit = args.integer("limit");
  if (limit !== undefined) query.set("limit", String(limit));
  const search = query.size === 0 ? "" : `?${query}`;
  const path = `/proc/trash${prefix.name === "" ? "/" : urlPath(prefix)}${search}`;
  const { value, next } = await readJson(caller, path);
  const entries = rowsOf(value);
  const lines = entries.map(({ id, name, version, deleted_at: time, by }) =>
    `${id}\t/${name}\tversion ${version}\tdeleted ${time} by ${by}`
  );
  return page(`Deleted worlds below ${shownPath(prefix)}`, lines, next?.get("after") ?? undefined, {
    prefix: shownPath(prefix),
    entries,
  });
}

async function runSearch(args: ToolArguments, caller: ServerCaller): Promise<ToolOutput> {
  const prefix: NamedPath = args.text("prefix") === undefined
    ? { name: "", isCollection: true }
    : prefixArgument(args, "prefix");
  const text = args.required("query");
  const query = new URLSearchParams({ q: text });
  query.set("limit", String(args.integer("limit") ?? PAGE_SIZE));
  copyText(args, query, "after");
  const path = `/proc/search${prefix.name === "" ? "/" : urlPath(prefix)}?${query}`;
  const { value, next } = await readJson(caller, path);
  const rows = isRecord(value) ? value["hits"] : value;
  const hits = rowsOf(rows).map((row) => ({ path: `/${row["name"]}`, ...row }));
  const lines = hits.map((hit: Members) => `${hit["path"]}:${hit["line"]}: ${hit["snippet"]}`);
  const title = `Lines below ${shownPath(prefix)} that contain the text`;
  return page(title, lines, next?.get("after") ?? undefined, { query: text, hits });
}

async function runHistory(args: ToolArguments, caller: ServerCaller): Promise<ToolOutput> {
  const named = pathArgument(args, "path");
  const from = args.integer("from");
  const to = args.integer("to");
  if (from !== undefined) return await diff(named, from, to, caller);
  if (to !== undefined) throw new ArgumentFault('"to" needs "from"');
  const query = new URLSearchParams();
  query.set("limit", String(args.integer("limit") ?? PAGE_SIZE));
  const after = args.text("after");
  if (after !== undefined) query.set("before", after);
  for (const name of ["since", "by"]) {
    if (args.text(name) !== undefined && !named.isCollection) {
      throw new ArgumentFault(`"${name}" is for collections; end "path" with a slash`);
    }
    copyText(args, query, name);
  }
  const log = `/proc/log${named.name === "" ? "/" : urlPath(named)}?${query}`;
  const { value, next } = await readJson(caller, log);
  const events = rowsOf(value);
  const lines = events.map((event) => eventLine(shownPath(named), event));
  return page(
    `Changes of ${shownPath(named)}, newest first`,
    lines,
    next?.get("before") ?? undefined,
    {
      path: shownPath(named),
      events,
    },
  );
}

async function diff(
  named: NamedPath,
  from: number,
  to: number | undefined,
  caller: ServerCaller,
): Promise<ToolOutput> {
  if (named.isCollection) {
    throw new ArgumentFault('"from" is for worlds; "path" ends with a slash');
  }
  const range = to === undefined ? `${from}` : `${from}..${to}`;
  const response = await callServer(caller, `${urlPath(named)}?diff=${range}`, {
    headers: { accept: "text/x-diff, */*;q=0.5" },
  });
  const { bytes, whole } = await readStart(response, MAX_TEXT_CHARS);
  const text = new TextDecoder().decode(bytes);
  const path = shownPath(named);
  const rest = whole ? "" : ` It was cut after ${MAX_TEXT_CHARS} bytes.`;
  return toolOutput([`Difference of ${path} from version ${range}.${rest} ${DATA_NOTICE}`, text], {
    path,
    diff: text,
    truncated: !whole,
  });
}

/**
 * The collection that a caller can work in: the prefix of a capability, otherwise `/home/`, also for a
 * capability over everything: the root itself has no worlds.
 */
export async function coveredPrefix(caller: Omit<ServerCaller, "client">): Promise<NamedPath> {
  const { value } = await readJson(caller, "/auth/whoami");
  const given = isRecord(value) ? value["prefix"] : undefined;
  const path = readPath(typeof given === "string" ? given : "/home/");
  const name = "fault" in path || path.name === "" ? "home" : path.name;
  return { name, isCollection: true };
}

/** Returns the rows of a JSON list of the server. */
export function rowsOf(value: unknown): Members[] {
  return Array.isArray(value) ? value.filter(isRecord) : [];
}

/** The path of an entry of a list, whose name is relative or complete. */
export function entryPath({ name: prefix }: NamedPath, { name, dir }: Members): string {
  const text = String(name);
  const isComplete = prefix === "" || text.startsWith(`${prefix}/`);
  return `/${isComplete ? text : `${prefix}/${text}`}${dir === true ? "/" : ""}`;
}

function entryLine(entry: Members): string {
  const { path, version, updated_at: time, by, len, size } = entry;
  const bytes = size ?? len;
  const facts = [
    typeof version === "number" && version > 0 && `version ${version}`,
    typeof bytes === "number" && `${bytes} bytes`,
    typeof time === "string" && `changed ${time}`,
    typeof by === "string" && `by ${by}`,
  ].filter((fact) => typeof fact === "string");
  return [String(path), ...facts].join("\t");
}

function eventLine(path: string, { id, name, timestamp, type, payload }: Members): string {
  const details = isRecord(payload) ? payload : {};
  const version = details["version_after"] ?? details["version"];
  const world = typeof name === "string" ? `/${name}` : path;
  const facts = [
    version !== undefined && `version ${version}`,
    typeof details["op"] === "string" && details["op"],
    `by ${details["by"]}`,
  ].filter((fact) => typeof fact === "string");
  return [timestamp, type, world, ...facts, `event ${id}`].join("\t");
}

/** Makes the output of one page. Lines that would make it too long are left out of the text only. */
function page(
  title: string,
  lines: readonly string[],
  next: string | undefined,
  structured: Members,
): ToolOutput {
  let length = 0;
  const shown = lines.filter((line) => (length += line.length + 1) <= MAX_TEXT_CHARS);
  const left = lines.length - shown.length;
  const notes = [
    `${title}: ${lines.length}.`,
    ...left > 0 ? [`${left} are not shown; use a smaller limit.`] : [],
    ...next === undefined ? [] : [`More follow; continue with after ${JSON.stringify(next)}.`],
    DATA_NOTICE,
  ];
  return toolOutput([notes.join(" "), shown.join("\n")], {
    ...structured,
    ...(next !== undefined && { next }),
  });
}

function copyText(args: ToolArguments, query: URLSearchParams, name: string): void {
  const value = args.text(name);
  if (value !== undefined) query.set(name, value);
}

/** Writes a query; a flag has no value. */
function toQuery(query: URLSearchParams): string {
  return query.toString().replace(/(^|&)deep=(?=&|$)/, "$1deep");
}

/** A path as a model reads it, not percent-encoded. */
function shownPath({ name, isCollection }: NamedPath): string {
  return `/${name}${isCollection && name !== "" ? "/" : ""}`;
}
