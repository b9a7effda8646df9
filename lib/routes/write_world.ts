/**
 * Writes a world: replaces it, appends to it, or restores an earlier version. `prepareWrite` makes
 * every check that does not need the content before it reads the body. A request without rights,
 * with a locked world or a stale version is therefore refused before its body is sent.
 */

import { assertCan } from "../auth/policy.ts";
import { assertUnlocked } from "../dav/locks/lock_guard.ts";
import type { Locks } from "../dav/locks/locks.ts";
import { parsePrecondition } from "../http/conditional.ts";
import { Problem } from "../http/problem.ts";
import { hasQuery, readQueryNumber, readQueryValue } from "../http/query.ts";
import { readBody } from "../http/read_body.ts";
import { assertValidName, type RequestContext } from "../request/request_context.ts";
import type { ServerContext } from "../request/server_context.ts";
import { chooseExt, type ChosenExt, type ExtHints } from "../world/media_type.ts";
import { parseMetaHeaders } from "../world/metadata.ts";
import { type CurrentVersion, preconditionFault } from "../world/precondition.ts";
import {
  initialState,
  type Meta,
  type Precondition,
  type Store,
  StoreError,
  type WorldEntry,
} from "../world/store.ts";
import { writtenResponse } from "./world_responses.ts";
import { assertWorldTarget } from "./world_target.ts";

const NO_BODY = new Uint8Array();
const NO_META = { meta: [] } as const;

/** The services that a write uses. */
export type WriteContext = Pick<ServerContext, "store" | "config">;

/** A checked write (caller, name, metadata, lock, precondition) with its body. */
export interface PreparedWrite {
  readonly name: string;
  readonly body: Uint8Array<ArrayBuffer>;
  readonly meta: Meta;
  readonly precondition?: Precondition;
  /** The mark of the idempotency key. */
  readonly idem?: string;
  /** The version that `?from=` names. Absent for an append. */
  readonly from?: number;
}

/**
 * `PUT /home/x`: replaces the world; with `?from=n` it restores version n, with the extension of
 * that version unless `?ext=` names another, and with its metadata unless the request has some.
 *
 * @throws {Problem} and {@link StoreError}; nothing is stored then
 */
export async function putWorld(
  server: WriteContext,
  locks: Locks,
  context: RequestContext,
): Promise<Response> {
  const { request, target: { path, query }, caller } = context;
  const { from, ...prepared } = await prepareWrite(server, locks, context, "write");
  if (from !== undefined) return await restoreWorld(server, context, prepared, from);
  const written = await server.store.put({
    ...prepared,
    ...chooseWorldExt(request, query, prepared, "write"),
    by: caller.by,
    state: initialState(prepared.name),
  });
  return writtenResponse(path, written);
}

/**
 * `POST /home/x`: appends to the world, or creates it; extension and metadata stay.
 *
 * @throws {Problem} and {@link StoreError}; nothing is stored then
 */
export async function appendToWorld(
  server: WriteContext,
  locks: Locks,
  context: RequestContext,
): Promise<Response> {
  const { request, target: { path, query }, caller } = context;
  const { meta: _meta, ...prepared } = await prepareWrite(server, locks, context, "append to");
  const written = await server.store.append({
    ...prepared,
    ext: chooseWorldExt(request, query, prepared, "append to").ext,
    by: caller.by,
    state: initialState(prepared.name),
  });
  return writtenResponse(path, written);
}

/** Writes the content of an earlier version as a new version. */
async function restoreWorld(
  { store }: WriteContext,
  { request, target: { path, query }, caller }: RequestContext,
  { name, body, meta, precondition, idem }: PreparedWrite,
  from: number,
): Promise<Response> {
  if (body.length > 0) {
    throw new Problem(
      "bad-body",
      `Cannot restore version ${from} of ${path}: the request has content; send none`,
    );
  }
  const earlier = await store.readAt(name, from);
  const written = await store.put({
    name,
    body: earlier.body,
    ext: hasQuery(query, "ext")
      ? chooseWorldExt(request, query, earlier, "restore").ext
      : earlier.ext,
    meta: meta.length > 0 ? meta : earlier.meta,
    by: caller.by,
    state: initialState(name),
    eventFields: { from_version: from },
    ...(precondition === undefined ? {} : { precondition }),
    ...(idem === undefined ? {} : { idem }),
  });
  return writtenResponse(path, written);
}

/**
 * Checks a write and then reads its body. Locks are checked again after the body, because a client
 * may take minutes to send it. The store checks the precondition again in the transaction of the
 * change.
 *
 * @param server the services that a write uses
 * @param locks the locks of WebDAV clients
 * @param context the request
 * @param action the attempted action as a verb, for error messages: `write`
 * @throws {Problem} `unauthorized`, `forbidden`, `method-not-allowed`, `bad-name`, `bad-header`,
 * `bad-metadata`, `locked`, `precondition-failed`, `body-too-large`
 */
export async function prepareWrite(
  { store, config }: WriteContext,
  locks: Locks,
  context: RequestContext,
  action: string,
): Promise<PreparedWrite> {
  const { request, target: { name, path, query }, caller } = context;
  const replaces = request.method === "PUT";
  assertCan(caller, "write", path);
  assertWorldTarget(context);
  assertValidName(name, action);
  // RFC 9110 defines Content-Range in requests for PUT only; other methods disregard it.
  if (replaces && request.headers.has("content-range")) {
    throw new Problem(
      "bad-header",
      `Cannot ${action} ${path}: Content-Range was sent; send the whole content (RFC 9110 §14.5)`,
    );
  }
  // An append keeps the metadata, so invalid metadata headers are not an error.
  const keepsMeta = request.method === "POST";
  const parsed = keepsMeta ? NO_META : parseMetaHeaders(request.headers);
  if ("fault" in parsed) {
    throw new Problem(
      "bad-metadata",
      `Cannot ${action} ${path}: ${parsed.fault}; nothing was stored`,
    );
  }
  const from = replaces ? readQueryNumber(query, "from", Number.MAX_SAFE_INTEGER) : undefined;
  // The content does not change whether ?ext= is valid.
  chooseWorldExt(request, query, { name, body: NO_BODY }, action);
  const precondition = parsePrecondition(request.headers);
  await assertUnlocked(locks, store, context, false, precondition);
  await assertNotStale(store, name, action, precondition);
  const body = await readBody(request, config.maxBodyBytes, context.connection);
  const required = await assertUnlocked(locks, store, context, false, precondition);
  return {
    name,
    body,
    meta: parsed.meta,
    ...(required === undefined ? {} : { precondition: required }),
    ...(context.keyed === undefined ? {} : { idem: context.keyed.mark(body) }),
    ...(from === undefined ? {} : { from }),
  };
}

/**
 * Refuses a write with a false precondition before its body is read. If it cannot decide, the store
 * does.
 */
async function assertNotStale(
  store: Store,
  name: string,
  action: string,
  precondition: Precondition | undefined,
): Promise<void> {
  if (precondition === undefined) return;
  let current: CurrentVersion | undefined = store.peek(name);
  if (current === undefined) {
    const entry = store.stat(name);
    if (entry !== undefined && mayHold(precondition, entry)) return;
    // The catalog is derived data: only the world itself can refuse a write.
    current = await readIfPossible(store, name);
    if (current === undefined && store.stat(name) !== undefined) return;
  }
  const fault = preconditionFault(precondition, current);
  if (fault !== undefined) {
    throw new Problem("precondition-failed", `Cannot ${action} /${name}: ${fault}`);
  }
}

/** Whether a precondition can hold for a catalog entry, which has no hash. */
function mayHold(precondition: Precondition, { version, updatedAt }: WorldEntry): boolean {
  const { match, ...other } = precondition;
  const versions = match === undefined || match === "*"
    ? match
    : match.map(({ version }) => ({ version }));
  const withoutHashes = versions === undefined ? other : { ...other, match: versions };
  return preconditionFault(withoutHashes, { version, updatedAt, sha256: "" }) === undefined;
}

/** Reads a world; undefined if it does not exist or cannot be read. */
async function readIfPossible(store: Store, name: string): Promise<CurrentVersion | undefined> {
  try {
    return await store.read(name);
  } catch (error) {
    if (error instanceof StoreError) return undefined;
    throw error;
  }
}

/**
 * Chooses the extension of the new content: from `?ext=`, Content-Type, the suffix of the name, or
 * the bytes.
 */
function chooseWorldExt(
  request: Request,
  query: string,
  { name, body }: Pick<ExtHints, "name" | "body">,
  action: string,
): ChosenExt {
  const chosen = chooseExt({
    queryExt: readQueryValue(query, "ext"),
    contentType: request.headers.get("content-type"),
    name,
    body,
  });
  if ("fault" in chosen) {
    throw new Problem(
      "bad-query",
      `Cannot ${action} /${name}: ${chosen.fault}; nothing was stored`,
    );
  }
  return chosen;
}
