/**
 * Reads the JSON of responses that a plugin can determine: listings, routes, the state of a plugin. A
 * plugin answers at its routes with whatever it likes, so a view must use no member that a reader of
 * this module did not check. A reader returns a value of the expected kind, without what it does not
 * know, or undefined.
 */

import { RequestError, send } from "./api.js";

const text = (value) => typeof value === "string" ? value : undefined;
const number = (value) => typeof value === "number" && Number.isFinite(value) ? value : undefined;
const flag = (value) => value === true ? true : undefined;
/** A path of this server; `//host` would be a link to another one. */
const path = (value) => typeof value === "string" && /^\/(?![/\\])/.test(value) ? value : undefined;

/** An array without the entries that are of another kind. */
const list = (read) => (value) =>
  Array.isArray(value) ? value.map(read).filter((entry) => entry !== undefined) : undefined;

const isObject = (value) => typeof value === "object" && value !== null && !Array.isArray(value);

/** An object with the members that could be read; undefined if a required one is missing. */
function record(members, ...required) {
  return (value) => {
    if (!isObject(value)) return undefined;
    const found = {};
    for (const [name, read] of Object.entries(members)) {
      const member = Object.hasOwn(value, name) ? read(value[name]) : undefined;
      if (member !== undefined) found[name] = member;
    }
    return required.every((name) => Object.hasOwn(found, name)) ? found : undefined;
  };
}

/** An object with names that are not known before, and values of one kind. */
const dictionary = (read) => (value) =>
  isObject(value)
    ? Object.fromEntries(
      Object.entries(value).map(([name, member]) => [name, read(member)])
        .filter(([, member]) => member !== undefined),
    )
    : undefined;

const ROW_MEMBERS = {
  name: text,
  dir: flag,
  version: number,
  ext: text,
  updated_at: text,
  len: number,
  state: text,
  layer: text,
  description: text,
  plugin: text,
};

/** A listing of worlds, devices or mounts. */
export const readRows = list(record(ROW_MEMBERS, "name"));
/** The routes of `/bin`. */
export const readRoutes = list(record({ ...ROW_MEMBERS, route: path }, "route"));
/** `/proc/status`. */
export const readStatus = record(
  { version: text, uptime: number, max_body: number, worlds: number, plugins: number },
  "uptime",
);
/** `/auth/whoami`. */
export const readCaller = record({
  tier: text,
  by: text,
  names: list(text),
  prefix: path,
  mode: text,
  ttl_sec: number,
});
/** A page of `/proc/search/`. */
export const readSearch = record({
  hits: list(record(
    {
      name: text,
      line: number,
      snippet: text,
      match: record({ start: number, end: number }, "start", "end"),
    },
    "name",
    "line",
    "snippet",
  )),
  after: text,
  too_long: list(text),
}, "hits");
/** The answer to a DELETE. */
export const readDeleted = record({ deleted: list(text), trash: list(text) }, "deleted");
/** The answer to a PUT. */
export const readWritten = record({ version: number, ext: text }, "version");
/** `/proc/trash/`. */
export const readTrash = list(record(
  {
    id: text,
    name: text,
    version: number,
    deleted_at: text,
    by: text,
    expires_at: text,
  },
  "id",
  "name",
));

const REQUEST_MEMBERS = {
  description: text,
  routes: list(text),
  auth: text,
  subject: flag,
  grants: dictionary(text),
  permissions: dictionary(list(text)),
  config: list(text),
  fallback: flag,
  cron: list(text),
  on: list(text),
  kv: flag,
  fault: text,
};
const HEALTH = record({
  state: text,
  reason: text,
  requests: number,
  waiting: number,
  served: number,
  refused: number,
  crashes: number,
  resident_kib: number,
  limits: record({
    resident_kib: number,
    requests: number,
    waiting: number,
    answer_ms: number,
  }),
  limits_reached: dictionary(number),
  cron: list(record(
    {
      cron: text,
      next: text,
      last: record({ started_at: text, ended_at: text, result: text, reason: text }),
      ok: number,
      failed: number,
      skipped: number,
    },
    "cron",
  )),
  on: record({ delivered: number, failed: number, skipped: number, lag_seconds: number }),
});
/** `/lib/<name>/state`, and with `?asks` what the source requests. */
export const readPluginState = record({
  ...REQUEST_MEMBERS,
  state: text,
  up: flag,
  health: HEALTH,
  asks: record({ ...REQUEST_MEMBERS, digest: text }, "digest"),
});

/** What was approved: the payload of the event of an approval. */
export const readRequested = record(REQUEST_MEMBERS);
/** `/proc/plugins`. */
export const readPlugins = list(
  record(
    { ...REQUEST_MEMBERS, name: text, state: text, version: number, up: flag, health: HEALTH },
    "name",
  ),
);

/** The members of an event that the shell uses. */
const PAYLOAD = record({
  by: text,
  op: text,
  from: text,
  to: text,
  from_version: number,
  version_after: number,
});
/** `/proc/log/`. */
export const readChanges = list(
  record(
    { cursor: text, name: text, id: number, timestamp: text, type: text, payload: PAYLOAD },
    "name",
    "timestamp",
    "type",
    "payload",
  ),
);

/**
 * The rows of any response whose entries all are rows, as those of `/dev`, `/mnt` and `/bin`;
 * undefined for other content, which is shown as text.
 */
export function readListing(value) {
  if (!Array.isArray(value)) return undefined;
  const read = value.every((entry) => isObject(entry) && Object.hasOwn(entry, "route"))
    ? readRoutes
    : readRows;
  const rows = read(value);
  return rows.length === value.length ? rows : undefined;
}

/**
 * Requests JSON.
 *
 * @param {(value: unknown) => any} read a reader of this module
 * @throws {RequestError} unless the response is 2xx and what the reader expects
 */
export async function requestAnswer(path, read, init) {
  const response = await send(path, init);
  const found = read(parseJson(await response.text()));
  if (found !== undefined) return found;
  throw new RequestError(
    response.status,
    "Unexpected response",
    `The response of ${path} is not what this page expects; reload the page`,
  );
}

/** Parses JSON; undefined if the text is not JSON. */
export function parseJson(content) {
  try {
    return JSON.parse(content);
  } catch {
    return undefined;
  }
}
