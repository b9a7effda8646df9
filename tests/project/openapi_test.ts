import { assert, assertEquals, assertThrows } from "../support/assert.ts";
import type { RouteQuery } from "../../lib/http/query_parameters.ts";
import { CORE_ROUTES } from "../../lib/request/core_routes.ts";
import { ROUTE_QUERIES } from "../../lib/request/route_query.ts";
import { VERSION } from "../../lib/version.ts";
import { NAMESPACES } from "../../lib/world/name.ts";
import { lowerWorlds } from "../../worlds/mod.ts";
import { resolve, schemaFaults } from "../support/json_schema.ts";
import { EventReader } from "../support/event_reader.ts";
import { bearer, CLOSED, startTestServer, type TestServer, TOKEN } from "../support/test_server.ts";
import type { Reply } from "../support/wire.ts";

interface Media {
  readonly schema?: unknown;
}
interface Answer {
  readonly description?: string;
  readonly content?: Readonly<Record<string, Media>>;
  readonly headers?: Readonly<Record<string, unknown>>;
  readonly $ref?: string;
}
interface Parameter {
  readonly name: string;
  readonly in: string;
  readonly $ref?: string;
}
interface Operation {
  readonly operationId: string;
  readonly summary: string;
  readonly tags: readonly string[];
  readonly parameters?: readonly Parameter[];
  readonly responses: Readonly<Record<string, Answer>>;
}
type PathItem = { readonly parameters?: readonly Parameter[] } & Readonly<Record<string, unknown>>;

const DOCUMENT = JSON.parse(lowerWorlds["usr/share/doc/openapi.json"] ?? "{}");
const PATHS: Readonly<Record<string, PathItem>> = DOCUMENT.paths;
const METHODS = ["get", "head", "put", "post", "patch", "delete", "options"];

/** Every operation, with its path and its method. */
const OPERATIONS = Object.entries(PATHS).flatMap(([path, item]) =>
  METHODS.filter((method) => item[method] !== undefined).map((method) => ({
    path,
    method,
    item,
    // The tests below check that the document has this form.
    operation: item[method] as Operation,
  }))
);

function follow<T extends { readonly $ref?: string }>(value: T): T {
  // A reference has the type of its target; `resolve` throws if there is no target.
  return value.$ref === undefined ? value : resolve(value.$ref, DOCUMENT) as T;
}

Deno.test("openapi.json has version 3.1 and this server's version, and every reference has a target", () => {
  assertEquals(DOCUMENT.openapi, "3.1.0");
  assertEquals(DOCUMENT.info.version, VERSION);
  const refs = [...JSON.stringify(DOCUMENT).matchAll(/"\$ref":"([^"]+)"/g)].map(([, ref = ""]) =>
    ref
  );
  for (const ref of refs) assert(resolve(ref, DOCUMENT) !== undefined, ref);
  // Every component is used.
  for (const [kind, members] of Object.entries(DOCUMENT.components)) {
    if (kind === "securitySchemes") continue;
    for (const name of Object.keys(members as object)) {
      assert(refs.includes(`#/components/${kind}/${name}`), `${kind}/${name} is not used`);
    }
  }
});

Deno.test("openapi.json has each operation once, with summary, tag and path parameters", () => {
  const ids = OPERATIONS.map(({ operation }) => operation.operationId);
  assertEquals(new Set(ids).size, ids.length);
  const tags = DOCUMENT.tags.map(({ name }: { name: string }) => name);
  for (const { path, item, operation } of OPERATIONS) {
    assert(operation.summary.length > 0 && operation.tags.every((tag) => tags.includes(tag)), path);
    const declared = [...item.parameters ?? [], ...operation.parameters ?? []].map(follow);
    const inPath = declared.filter((parameter) => parameter.in === "path").map(({ name }) => name);
    assertEquals(inPath, [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name), path);
    for (const [status, answer] of Object.entries(operation.responses)) {
      assert(
        /^(?:[1-5]\d\d|default)$/.test(status) && follow(answer).description,
        `${path} ${status}`,
      );
    }
    assert(operation.responses.default !== undefined, path);
  }
});

Deno.test("openapi.json names Elastik-At for each change of worlds, and for reads", () => {
  const paths = ["/dav/{path}", "/lib/{plugin}/state", "/proc/trash/"];
  const changes = OPERATIONS.filter(({ path, method }) =>
    ["put", "post", "patch", "delete"].includes(method) &&
    (path.startsWith("/{namespace}/") || paths.includes(path))
  );
  for (const { path, method, operation } of changes) {
    const made = Object.entries(operation.responses).filter(([status]) => status.startsWith("2"));
    assert(made.length > 0, `${method} ${path}`);
    for (const [status, answer] of made) {
      const { headers = {} } = follow(answer);
      assert(Object.hasOwn(headers, "Elastik-At"), `${method} ${path} ${status}`);
    }
  }
  const read = PATHS["/{namespace}/{name}"]?.get as Operation;
  assert(read.parameters?.map(follow).some(({ name }) => name === "Elastik-At"));
});

Deno.test("openapi.json describes every route of the core", () => {
  const starts = Object.keys(PATHS).flatMap((path) =>
    path.startsWith("/{namespace}/")
      ? NAMESPACES.map((name) => path.replace("{namespace}", name))
      : [path]
  );
  for (const route of Object.keys(CORE_ROUTES)) {
    assert(starts.some((path) => path === route || path.startsWith(`${route}/`)), route);
  }
});

const { world, collection, collectionStream, plugins, pluginState, mint, log, worlds } =
  ROUTE_QUERIES;
const { changes, collectionLog, pluginLog, search, trash, trashBelow, usage } = ROUTE_QUERIES;
/** What the server takes at each path of the document; other paths take no parameters. */
const QUERIES: Readonly<Record<string, RouteQuery>> = {
  "/{namespace}/{name}": world,
  "/{namespace}/{name}/": collection,
  "/{namespace}/": collection,
  "/lib/": plugins,
  "/lib/{plugin}/state": pluginState,
  "/stream/{path}": collectionStream,
  "/auth/mint": mint,
  "/proc/changes/": changes,
  "/proc/changes/{path}/": changes,
  "/proc/log/": collectionLog,
  "/proc/log/{path}": log,
  "/proc/log/{path}/": collectionLog,
  "/proc/plugins/{plugin}/log": pluginLog,
  "/proc/search/": search,
  "/proc/search/{path}/": search,
  "/proc/trash/": trash,
  "/proc/trash/{path}/": trashBelow,
  "/proc/usage/": usage,
  "/proc/usage/{path}/": usage,
  "/proc/worlds": worlds,
};

Deno.test("openapi.json has exactly the query parameters that the server takes", () => {
  for (const { path, method, item, operation } of OPERATIONS) {
    const found = [...item.parameters ?? [], ...operation.parameters ?? []].map(follow)
      .filter((parameter) => parameter.in === "query").map(({ name }) => name);
    const { methods }: RouteQuery = QUERIES[path] ?? ROUTE_QUERIES.none;
    const name = method === "head" ? "GET" : method.toUpperCase();
    const taken = Object.entries(methods).filter(([of]) => of === name)
      .flatMap(([, parameters]) => parameters).filter(({ hidden }) => hidden !== true);
    assertEquals(
      found.sort(),
      taken.map((parameter) => parameter.name).sort(),
      `${method} ${path}`,
    );
  }
  const paths = Object.keys(QUERIES).filter((path) => PATHS[path] === undefined);
  assertEquals(paths, []);
});

type Caller = "T2" | "T3" | "cap" | "unknown";

/** One request of an operation, and the expected status. Without `who`, no credential is sent. */
interface Row {
  readonly id: string;
  readonly status: number;
  readonly target: string;
  readonly who?: Caller;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

const JSON_TYPE = { accept: "application/json" };
const TEXT = { accept: "text/plain" };
const HTML = { accept: "text/html" };
const SOURCE = `export const description = "says hi";
export const routes = ["/hi"];
export default { fetch: () => new Response("hi") };
`;

/** A source within the limit of the test server. */
const TINY = "export const routes=['/x'];export default {fetch(){}};";
const EDITS = { "content-type": "application/json" };

/** Sent in this order: a row may need the worlds of earlier rows. */
const ROWS: readonly Row[] = [
  { id: "getRoot", status: 200, target: "/", headers: JSON_TYPE },
  { id: "getRoot", status: 200, target: "/", headers: TEXT },
  { id: "getRoot", status: 200, target: "/", headers: HTML },
  { id: "writeWorld", status: 201, target: "/home/x", who: "T2", body: "one" },
  {
    id: "writeWorld",
    status: 200,
    target: "/home/x",
    who: "T2",
    body: "two",
    headers: { "x-meta-a": "b" },
  },
  { id: "writeWorld", status: 200, target: "/home/x?from=1", who: "T2" },
  { id: "writeWorld", status: 400, target: "/home/x?ext=!", who: "T2", body: "x" },
  { id: "writeWorld", status: 401, target: "/home/x", body: "x" },
  { id: "writeWorld", status: 403, target: "/etc/x", who: "T2", body: "x" },
  { id: "writeWorld", status: 404, target: "/home/x?from=99", who: "T2" },
  {
    id: "writeWorld",
    status: 412,
    target: "/home/x",
    who: "T2",
    body: "x",
    headers: { "if-none-match": "*" },
  },
  { id: "writeWorld", status: 413, target: "/home/x", who: "T2", body: "x".repeat(65) },
  { id: "appendWorld", status: 201, target: "/home/log", who: "cap", body: "a" },
  { id: "appendWorld", status: 200, target: "/home/log", who: "cap", body: "b" },
  { id: "appendWorld", status: 401, target: "/home/log", body: "b" },
  {
    id: "appendWorld",
    status: 412,
    target: "/home/log",
    who: "T2",
    body: "b",
    headers: { "if-match": '"1"' },
  },
  { id: "appendWorld", status: 413, target: "/home/log", who: "T2", body: "x".repeat(65) },
  ...([[200, '{"append":"c"}'], [400, "{}"], [409, '{"line":9,"replace":""}'], [
    413,
    `{"append":"${"x".repeat(65)}"}`,
  ]] as const)
    .map(([status, body]): Row => ({
      id: "editWorld",
      status,
      target: "/home/log",
      who: "cap",
      body,
      headers: EDITS,
    })),
  { id: "editWorld", status: 401, target: "/home/log", body: "{}", headers: EDITS },
  { id: "editWorld", status: 403, target: "/etc/x", who: "T2", body: "{}", headers: EDITS },
  {
    id: "editWorld",
    status: 404,
    target: "/home/none",
    who: "T2",
    body: '{"append":"c"}',
    headers: EDITS,
  },
  {
    id: "editWorld",
    status: 412,
    target: "/home/log",
    who: "T2",
    body: "{}",
    headers: { ...EDITS, "if-match": '"1"' },
  },
  { id: "editWorld", status: 415, target: "/home/log", who: "T2", body: "{}" },
  { id: "writeWorld", status: 201, target: "/home/below/y?ext=bin", who: "T2", body: "\xff" },
  ...["one", "two"].map((body, at): Row => ({
    id: "appendWorld",
    status: at === 0 ? 201 : 422,
    target: "/home/keyed",
    who: "T2",
    body,
    headers: { "idempotency-key": "k" },
  })),
  {
    id: "writeWorld",
    status: 400,
    target: "/home/x",
    who: "T2",
    body: "x",
    headers: { "idempotency-key": "k k" },
  },
  { id: "readWorld", status: 200, target: "/home/x" },
  { id: "readWorld", status: 200, target: "/home/x", headers: TEXT },
  { id: "readWorld", status: 200, target: "/home/x", headers: HTML },
  { id: "readWorld", status: 200, target: "/home/x?raw" },
  { id: "readWorld", status: 200, target: "/home/x?diff=1..2" },
  { id: "readWorld", status: 200, target: "/home/x?lines=1" },
  { id: "readWorld", status: 200, target: "/home/x?at=2" },
  { id: "readWorld", status: 200, target: "/usr/share/doc/http.md" },
  { id: "readWorld", status: 206, target: "/home/x?raw", headers: { range: "bytes=0-1" } },
  { id: "readWorld", status: 304, target: "/home/x?v=3" },
  { id: "readWorld", status: 404, target: "/home/none" },
  { id: "readWorld", status: 404, target: "/home/none", headers: TEXT },
  { id: "readWorld", status: 404, target: "/home/none", headers: HTML },
  { id: "readWorld", status: 410, target: "/home/old?at=1" },
  { id: "readWorld", status: 416, target: "/home/x?raw", headers: { range: "bytes=99-" } },
  { id: "readWorld", status: 400, target: "/home//x" },
  { id: "readWorld", status: 403, target: "/boot/env", who: "T2" },
  { id: "headWorld", status: 200, target: "/home/x" },
  { id: "headWorld", status: 304, target: "/home/x", headers: { "if-none-match": "*" } },
  { id: "headWorld", status: 404, target: "/home/none" },
  { id: "headWorld", status: 401, target: "/boot/env" },
  { id: "optionsWorld", status: 204, target: "/home/x", who: "T2" },
  { id: "listCollection", status: 200, target: "/home/below/", headers: JSON_TYPE },
  { id: "listCollection", status: 200, target: "/home/below/", headers: TEXT },
  { id: "listCollection", status: 200, target: "/home/below/", headers: HTML },
  {
    id: "listCollection",
    status: 200,
    target: "/home/below/?deep&sort=time&contents&limit=1",
    headers: JSON_TYPE,
  },
  { id: "listCollection", status: 400, target: "/home/below/?sort=size&after=x" },
  { id: "listCollection", status: 304, target: "/home/below/", headers: { "if-none-match": "*" } },
  { id: "listCollection", status: 404, target: "/home/none/" },
  { id: "listNamespace", status: 200, target: "/home/", headers: JSON_TYPE },
  { id: "listNamespace", status: 200, target: "/home/" },
  { id: "listNamespace", status: 200, target: "/home/", headers: HTML },
  { id: "listNamespace", status: 304, target: "/home/", headers: { "if-none-match": "*" } },
  { id: "listNamespace", status: 401, target: "/boot/" },
  { id: "listWorlds", status: 200, target: "/proc/worlds", headers: JSON_TYPE },
  { id: "listWorlds", status: 200, target: "/proc/worlds", headers: TEXT },
  { id: "listWorlds", status: 200, target: "/proc/worlds", headers: HTML },
  { id: "streamChanges", status: 200, target: "/stream/home/x" },
  { id: "streamChanges", status: 200, target: "/stream/home/?brief" },
  { id: "streamChanges", status: 200, target: "/stream/home/?deep&contents" },
  { id: "streamChanges", status: 403, target: "/stream/boot/env", who: "T2" },
  { id: "readLog", status: 200, target: "/proc/log/home/x?limit=2" },
  { id: "readLog", status: 404, target: "/proc/log/home/none" },
  { id: "readLog", status: 403, target: "/proc/log/boot/env", who: "T2" },
  { id: "readChanges", status: 200, target: "/proc/changes/home/?after=now&wait=0" },
  { id: "readChanges", status: 200, target: "/proc/changes/home/?limit=2" },
  { id: "readChanges", status: 403, target: "/proc/changes/boot/", who: "T2" },
  { id: "readChanges", status: 410, target: "/proc/changes/home/?after=x" },
  { id: "searchWorlds", status: 200, target: "/proc/search/home/?q=a&limit=1" },
  {
    id: "searchWorlds",
    status: 200,
    target: "/proc/search/home/?q=a",
    headers: { accept: "application/json" },
  },
  {
    id: "searchWorlds",
    status: 200,
    target: "/proc/search/home/?q=a",
    headers: { accept: "text/html" },
  },
  { id: "searchWorlds", status: 400, target: "/proc/search/home/" },
  { id: "searchWorlds", status: 403, target: "/proc/search/boot/?q=a", who: "T2" },
  { id: "searchWorlds", status: 404, target: "/proc/search/none/?q=a" },
  { id: "readCollectionLog", status: 200, target: "/proc/log/home/?limit=2" },
  { id: "readCollectionLog", status: 403, target: "/proc/log/boot/", who: "T2" },
  { id: "readCollectionLog", status: 410, target: "/proc/log/home/?before=x" },
  { id: "readAllChanges", status: 200, target: "/proc/changes/?limit=2", who: "cap" },
  { id: "readAllChanges", status: 410, target: "/proc/changes/?after=x" },
  { id: "readWholeLog", status: 200, target: "/proc/log/?limit=2", who: "cap" },
  { id: "readCollectionLog", status: 200, target: "/proc/log/home/", headers: HTML },
  { id: "readWholeLog", status: 200, target: "/proc/log/", headers: HTML },
  { id: "readWholeLog", status: 410, target: "/proc/log/?before=x" },
  { id: "searchAllWorlds", status: 200, target: "/proc/search/?q=a&limit=1", who: "cap" },
  { id: "searchAllWorlds", status: 200, target: "/proc/search/?q=a", headers: JSON_TYPE },
  { id: "searchAllWorlds", status: 200, target: "/proc/search/?q=a", headers: HTML },
  { id: "searchAllWorlds", status: 400, target: "/proc/search/" },
  { id: "listPlugins", status: 200, target: "/proc/plugins", headers: JSON_TYPE },
  { id: "listPlugins", status: 200, target: "/proc/plugins", headers: TEXT },
  { id: "listPlugins", status: 200, target: "/proc/plugins", headers: HTML },
  { id: "listTrash", status: 200, target: "/proc/trash/?limit=5", headers: JSON_TYPE },
  { id: "listTrash", status: 200, target: "/proc/trash/", headers: TEXT },
  { id: "listTrash", status: 200, target: "/proc/trash/", headers: HTML },
  { id: "writeWorld", status: 409, target: "/home/x?trash=first", who: "T3" },
  { id: "expungeTrash", status: 200, target: "/proc/trash/?id=first", who: "T3" },
  { id: "expungeTrash", status: 401, target: "/proc/trash/?id=none" },
  { id: "expungeTrash", status: 403, target: "/proc/trash/?id=none", who: "T2" },
  { id: "expungeTrash", status: 404, target: "/proc/trash/?id=none", who: "T3" },
  { id: "listTrashBelow", status: 200, target: "/proc/trash/home/", headers: JSON_TYPE },
  { id: "listTrashBelow", status: 200, target: "/proc/trash/home/", headers: TEXT },
  { id: "listTrashBelow", status: 200, target: "/proc/trash/home/", headers: HTML },
  { id: "listTrashBelow", status: 403, target: "/proc/trash/boot/", who: "T2" },
  { id: "usage", status: 200, target: "/proc/usage/", headers: JSON_TYPE, who: "T3" },
  { id: "usage", status: 200, target: "/proc/usage/?by=T2", headers: TEXT },
  { id: "usage", status: 200, target: "/proc/usage/", headers: HTML },
  { id: "usageBelow", status: 200, target: "/proc/usage/home/", headers: JSON_TYPE },
  { id: "usageBelow", status: 200, target: "/proc/usage/home/", headers: TEXT },
  { id: "usageBelow", status: 200, target: "/proc/usage/home/", headers: HTML },
  { id: "usageBelow", status: 403, target: "/proc/usage/boot/", who: "T2" },
  { id: "audit", status: 200, target: "/proc/audit/home/x" },
  { id: "audit", status: 404, target: "/proc/audit/home/none" },
  { id: "audit", status: 403, target: "/proc/audit/boot/env", who: "T2" },
  { id: "snapshot", status: 200, target: "/proc/snapshot/home/x", who: "T3" },
  { id: "snapshot", status: 401, target: "/proc/snapshot/boot/env" },
  { id: "snapshot", status: 404, target: "/proc/snapshot/home/none", who: "T3" },
  {
    id: "signedSnapshot",
    status: 200,
    target: "/proc/snapshot/home/x",
    who: "T3",
    body: "0f".repeat(32),
  },
  { id: "signedSnapshot", status: 400, target: "/proc/snapshot/home/x", who: "T3", body: "short" },
  { id: "signedSnapshot", status: 401, target: "/proc/snapshot/home/x", body: "0f".repeat(32) },
  {
    id: "signedSnapshot",
    status: 404,
    target: "/proc/snapshot/home/none",
    who: "T3",
    body: "0f".repeat(32),
  },
  { id: "listSource", status: 200, target: "/proc/source/", who: "T3", headers: JSON_TYPE },
  { id: "listSource", status: 200, target: "/proc/source/", who: "T3", headers: TEXT },
  { id: "listSource", status: 401, target: "/proc/source/" },
  { id: "readSource", status: 200, target: "/proc/source/main.ts", who: "T3" },
  { id: "readSource", status: 401, target: "/proc/source/main.ts" },
  { id: "readSource", status: 404, target: "/proc/source/none.ts", who: "T3" },
  { id: "whoami", status: 200, target: "/auth/whoami" },
  { id: "whoami", status: 200, target: "/auth/whoami", who: "cap" },
  { id: "whoami", status: 401, target: "/auth/whoami", who: "unknown" },
  { id: "mint", status: 200, target: "/auth/mint?prefix=/home/x&ttl=60&mode=r", who: "T3" },
  { id: "mint", status: 400, target: "/auth/mint", who: "T3" },
  { id: "mint", status: 401, target: "/auth/mint?prefix=/home/x" },
  { id: "mint", status: 403, target: "/auth/mint?prefix=/home/x", who: "T2" },
  { id: "writeWorld", status: 201, target: "/etc/revoked", who: "T3", body: "name:kestrel" },
  { id: "mint", status: 409, target: "/auth/mint?prefix=/home/x&name=kestrel", who: "T3" },
  { id: "listRoutes", status: 200, target: "/bin", headers: JSON_TYPE },
  { id: "listRoutes", status: 200, target: "/bin", headers: TEXT },
  { id: "listRoutes", status: 200, target: "/bin", headers: HTML },
  { id: "listRoutes", status: 304, target: "/bin", headers: { "if-none-match": "*" } },
  ...["Dev", "Mnt"].flatMap((name): Row[] =>
    [JSON_TYPE, TEXT, HTML].map((headers) => ({
      id: `list${name}`,
      status: 200,
      target: `/${name.toLowerCase()}/`,
      headers,
    }))
  ),
  { id: "health", status: 200, target: "/proc/health", headers: { host: "elastik.example" } },
  { id: "health", status: 200, target: "/proc/health", headers: TEXT },
  { id: "status", status: 200, target: "/proc/status" },
  { id: "status", status: 200, target: "/proc/status", headers: TEXT },
  { id: "listNodes", status: 200, target: "/proc/nodes", who: "T3", headers: JSON_TYPE },
  { id: "listNodes", status: 200, target: "/proc/nodes", who: "T2", headers: TEXT },
  { id: "listNodes", status: 401, target: "/proc/nodes" },
  { id: "uptime", status: 200, target: "/proc/uptime" },
  { id: "uptime", status: 200, target: "/proc/uptime", headers: JSON_TYPE },
  { id: "version", status: 200, target: "/proc/version" },
  { id: "version", status: 200, target: "/proc/version", headers: JSON_TYPE },
  { id: "metrics", status: 200, target: "/proc/metrics" },
  { id: "metrics", status: 200, target: "/proc/metrics", headers: TEXT },
  { id: "metrics", status: 401, target: "/proc/metrics", headers: { host: "elastik.example" } },
  { id: "writeWorld", status: 201, target: "/lib/hi", who: "T2", body: SOURCE.slice(0, 64) },
  { id: "readWorld", status: 200, target: "/lib/hi" },
  { id: "checkPlugin", status: 422, target: "/lib/?check", who: "T3", body: "no source" },
  { id: "checkPlugin", status: 200, target: "/lib/?check&name=x", who: "T3", body: TINY },
  { id: "checkPlugin", status: 400, target: "/lib/?check&name=a/b", who: "T3", body: TINY },
  { id: "checkPlugin", status: 401, target: "/lib/?check", body: SOURCE },
  { id: "checkPlugin", status: 403, target: "/lib/?check", who: "T2", body: SOURCE },
  { id: "readPluginState", status: 200, target: "/lib/hi/state" },
  { id: "readPluginLog", status: 200, target: "/proc/plugins/hi/log?limit=5", who: "T2" },
  { id: "readPluginLog", status: 200, target: "/proc/plugins/hi/log", who: "T3", headers: TEXT },
  { id: "readPluginLog", status: 401, target: "/proc/plugins/hi/log" },
  { id: "readPluginLog", status: 403, target: "/proc/plugins/hi/log", who: "cap" },
  { id: "readPluginLog", status: 404, target: "/proc/plugins/none/log", who: "T3" },
  { id: "readPluginState", status: 404, target: "/lib/none/state" },
  { id: "readPluginState", status: 403, target: "/lib/hi/state?asks", who: "T2" },
  { id: "setPluginState", status: 422, target: "/lib/hi/state", who: "T3", body: "active" },
  { id: "setPluginState", status: 400, target: "/lib/hi/state", who: "T3", body: "on" },
  { id: "setPluginState", status: 401, target: "/lib/hi/state", body: "active" },
  { id: "setPluginState", status: 404, target: "/lib/none/state", who: "T3", body: "active" },
  {
    id: "setPluginState",
    status: 412,
    target: "/lib/hi/state",
    who: "T3",
    body: "disabled",
    headers: { "if-match": '"9"' },
  },
  { id: "setPluginState", status: 200, target: "/lib/hi/state", who: "T3", body: "disabled" },
  { id: "optionsDav", status: 200, target: "/dav/home/x" },
  { id: "readDav", status: 200, target: "/dav/home/x" },
  { id: "readDav", status: 404, target: "/dav/home/none" },
  { id: "writeDav", status: 201, target: "/dav/home/d.txt", who: "T2", body: "d" },
  { id: "writeDav", status: 204, target: "/dav/home/d.txt", who: "T2", body: "e" },
  { id: "writeDav", status: 401, target: "/dav/home/d.txt", body: "e" },
  { id: "deleteDav", status: 204, target: "/dav/home/d.txt", who: "T3" },
  { id: "deleteDav", status: 404, target: "/dav/home/d.txt", who: "T3" },
  { id: "readSiteFile", status: 200, target: "/llms.txt", headers: { host: "elastik.example" } },
  { id: "readSiteFile", status: 404, target: "/none.txt" },
  { id: "deleteWorld", status: 401, target: "/home/x" },
  { id: "deleteWorld", status: 403, target: "/home/x", who: "T2" },
  { id: "deleteWorld", status: 412, target: "/home/x", who: "T3", headers: { "if-match": '"9"' } },
  { id: "deleteWorld", status: 200, target: "/home/x", who: "T3" },
  { id: "deleteWorld", status: 404, target: "/home/x", who: "T3" },
  { id: "deleteCollection", status: 401, target: "/home/below/" },
  { id: "deleteCollection", status: 200, target: "/home/below/", who: "T3" },
  { id: "deleteCollection", status: 404, target: "/home/below/", who: "T3" },
];

function credential(server: TestServer, who: Caller | undefined): Record<string, string> {
  switch (who) {
    case "T2":
      return bearer(TOKEN);
    case "T3":
      return bearer(server.approveToken);
    case "cap":
      return bearer(server.capability("/home", "rw"));
    case "unknown":
      return bearer("unknown-token");
    default:
      return {};
  }
}

/** Sends a row. Of an event stream only the first event is read. */
async function send(server: TestServer, row: Row, method: string): Promise<Reply> {
  const headers = { ...credential(server, row.who), ...row.headers };
  const sent = { method: method.toUpperCase(), target: row.target, headers };
  if (row.id === "streamChanges" && row.status === 200) {
    const url = `http://127.0.0.1:${server.port}${row.target}`;
    const reader = await EventReader.open(url, headers);
    await reader.next();
    await reader.close();
    const { response: { status, headers: answered }, wire: text } = reader;
    return { status, headers: new Map(answered), head: "", body: new Uint8Array(), text };
  }
  // The response of mint contains a capability, which `send` otherwise reports as a secret.
  return await server.send(
    row.body === undefined ? sent : { ...sent, body: row.body },
    row.id === "mint",
  );
}

/** Whether a target matches a path of the document. */
function matchesPath(path: string, target: string): boolean {
  const pattern = path.replace(/[.*+?^$()[\]|\\]/g, "\\$&")
    .replace("{namespace}", `(?:${NAMESPACES.join("|")})`).replace(/\{(?:name|path)\}/g, ".+")
    .replace(/\{\w+\}/g, "[^/]+");
  return new RegExp(`^${pattern}$`).test(target.split("?", 1)[0] ?? "");
}

function assertDescribed(
  reply: Reply,
  row: Row,
  method: string,
  answers: Operation["responses"],
): void {
  const where = `${row.id} ${row.target} ${row.status}`;
  assertEquals(reply.status, row.status, `${where}: ${reply.text.slice(0, 300)}`);
  const described = answers[String(row.status)] ?? answers.default;
  assert(described !== undefined);
  const { content, headers } = follow(described);
  for (const name of Object.keys(headers ?? {})) {
    // Only servers that share a database send it; tests/request/shared_store_test.ts has its test.
    if (name === "Elastik-At") continue;
    assert(reply.headers.has(name.toLowerCase()), `${where}: no ${name}`);
  }
  if (method === "head" || reply.status === 304) return assertEquals(reply.text, "", where);
  if (content === undefined) return assertEquals(reply.text, "", where);
  const type = (reply.headers.get("content-type") ?? "").split(";", 1)[0] ?? "";
  const media = content[type] ?? content["*/*"];
  assert(media !== undefined, `${where}: ${type} is not described`);
  const json = /[/+]json$/.test(type) && content[type] !== undefined;
  const value: unknown = json ? JSON.parse(reply.text) : reply.text;
  assertEquals(schemaFaults(media.schema, value, DOCUMENT), [], where);
}

Deno.test("openapi.json describes the responses of every operation, and every response occurs", async () => {
  const server = await startTestServer({
    // Small limits, so that few bytes exceed them.
    env: { ...CLOSED, ELASTIK_MAX_BODY: "64", ELASTIK_HISTORY: "3" },
    lowerTexts: lowerWorlds,
  });
  try {
    for (let i = 0; i < 9; i++) await server.approve("PUT", "/home/old", `${i}`);
    await server.approve("PUT", "/home/gone", "gone");
    const [id] = JSON.parse((await server.approve("DELETE", "/home/gone")).text).trash;
    await Deno.rename(`${server.data}/.trash/${id}`, `${server.data}/.trash/first`);
    const received = new Set<string>();
    for (const row of ROWS) {
      const found = OPERATIONS.find(({ operation }) => operation.operationId === row.id);
      assert(found !== undefined, row.id);
      const { path, method, operation } = found;
      assert(matchesPath(path, row.target), `${row.target} does not match ${path}`);
      const reply = await send(server, row, method);
      assertDescribed(reply, row, method, operation.responses);
      received.add(
        `${row.id} ${operation.responses[row.status] === undefined ? "default" : row.status}`,
      );
      const type = (reply.headers.get("content-type") ?? "").split(";", 1)[0];
      received.add(`${row.id} ${row.status} ${type}`);
    }
    const missing: string[] = [];
    for (const { operation } of OPERATIONS) {
      for (const [status, answer] of Object.entries(operation.responses)) {
        // `default` describes errors that every operation can have.
        if (status === "default") continue;
        const id = `${operation.operationId} ${status}`;
        if (!received.has(id)) missing.push(id);
        if (answer.$ref !== undefined) continue;
        for (const type of Object.keys(answer.content ?? {})) {
          if (type !== "*/*" && !received.has(`${id} ${type}`)) missing.push(`${id} ${type}`);
        }
      }
    }
    assertEquals(missing, [], "these documented responses never occurred");
  } finally {
    await server.close();
  }
});

Deno.test("schemaFaults() lists each fault, and throws for a schema that it does not know", () => {
  const root = { components: { a: { type: "integer", minimum: 1 } } };
  const schema = {
    type: "object",
    properties: {
      n: { $ref: "#/components/a" },
      list: { type: "array", items: { enum: ["x"] } },
      at: { type: "string", format: "date-time" },
    },
    required: ["n"],
    additionalProperties: false,
  };
  assertEquals(
    schemaFaults(schema, { n: 1, list: ["x"], at: "2026-01-01T00:00:00.000Z" }, root),
    [],
  );
  assertEquals(schemaFaults(schema, { n: 0, list: ["y"], more: 1, at: "soon" }, root).length, 4);
  assertEquals(schemaFaults(schema, {}, root).length, 1);
  assertEquals(schemaFaults(schema, [], root).length, 1);
  assertThrows(() => schemaFaults({ oneof: [] }, 1, root), /unknown keyword: "oneof"/);
  assertThrows(
    () => schemaFaults({ type: "string", format: "odd" }, "", root),
    /unknown format "odd"/,
  );
  assertThrows(() => schemaFaults({ $ref: "#/components/b" }, 1, root), /can't resolve reference/);
  assertThrows(() => resolve("#/components/b", root), /Cannot follow/);
});
