/**
 * `PUT /home/x?trash=<id>`: restores a deleted world with its events and earlier versions. Under another
 * name than it had, this is a move, with the same rights. A caller learns nothing about entries of
 * worlds that it could not read.
 */

import { canCarryChain } from "../auth/carry_chain.ts";
import { assertCan, canRead } from "../auth/policy.ts";
import { assertUnlocked } from "../dav/locks/lock_guard.ts";
import type { Locks } from "../dav/locks/locks.ts";
import { chooseMovedExt } from "../dav/resource/file_extension.ts";
import { parsePrecondition } from "../http/conditional.ts";
import { Problem } from "../http/problem.ts";
import { readQueryValue } from "../http/query.ts";
import { readBody } from "../http/read_body.ts";
import { assertValidName, type RequestContext } from "../request/request_context.ts";
import type { ServerContext } from "../request/server_context.ts";
import { chooseExt } from "../world/media_type.ts";
import { type ChangeResult, initialState, type Restore, StoreError } from "../world/store.ts";
import type { TrashEntry } from "../world/trash.ts";
import { writtenResponse } from "./world_responses.ts";
import { assertWorldTarget } from "./world_target.ts";

/** The services that a restore uses. */
type RestoreContext = Pick<ServerContext, "store" | "config">;

/**
 * Restores a world from the trash.
 *
 * @param id the id from the query
 * @throws {Problem} `unauthorized`, `forbidden`, `bad-body`, `bad-metadata`, `not-found`, `conflict`,
 * `locked`, `precondition-failed`; nothing is restored then
 */
export async function restoreFromTrash(
  { store, config }: RestoreContext,
  locks: Locks,
  context: RequestContext,
  id: string,
): Promise<Response> {
  const { request, target: { name, path }, caller } = context;
  assertCan(caller, "write", path, "restore");
  assertWorldTarget(context);
  assertValidName(name, "restore");
  assertNoMetadata(request, path);
  const precondition = parsePrecondition(request.headers);
  const body = await readBody(request, config.maxBodyBytes, context.connection);
  if (body.length > 0) {
    throw new Problem("bad-body", `Cannot restore ${path}: the request has content; send none`);
  }
  const required = await assertUnlocked(locks, store, context, false, precondition);
  const entry = chooseEntry(context, id, await store.findTrash(id));
  assertCan(caller, "delete", `/${entry.name}`, "restore");
  if (entry.name !== name && !canCarryChain(`/${entry.name}`, path)) {
    throw new Problem(
      "conflict",
      `Cannot restore /${entry.name} as ${path}: other callers could read its history there; restore ` +
        "it under its own name, then MOVE it",
    );
  }
  const change: Restore = {
    name,
    trash: id,
    from: entry.name,
    by: caller.by,
    ext: chooseRestoredExt(context, entry),
    state: initialState(name),
    ...(required === undefined ? {} : { precondition: required }),
    ...(context.keyed === undefined ? {} : { idem: context.keyed.mark(body) }),
  };
  return writtenResponse(path, await restore({ store }, change));
}

async function restore(
  { store }: Pick<RestoreContext, "store">,
  change: Restore,
): Promise<ChangeResult> {
  try {
    return await store.restore(change);
  } catch (error) {
    if (!(error instanceof StoreError)) throw error;
    const path = `/${change.name}`;
    if (error.code === "absent") throw notInTrash(path, change.trash);
    if (error.code !== "precondition" || change.precondition !== undefined) throw error;
    throw new Problem(
      "conflict",
      `Cannot restore ${path}: a world exists there; delete or MOVE it, or restore under another name`,
    );
  }
}

/** Chooses the world of an id: the one of the name in the URL, or the only one. */
function chooseEntry(
  { caller, target: { name, path } }: RequestContext,
  id: string,
  entries: readonly TrashEntry[],
): TrashEntry {
  const readable = entries.filter((entry) => canRead(caller, `/${entry.name}`));
  const found = readable.find((entry) => entry.name === name) ??
    (readable.length === 1 ? readable[0] : undefined);
  if (found !== undefined) return found;
  if (readable.length === 0) throw notInTrash(path, id);
  throw new Problem(
    "conflict",
    `Cannot restore ${path}: the id has several worlds; restore each under its own name: ${
      readable.slice(0, 3).map((entry) => `/${entry.name}`).join(", ")
    }`,
  );
}

function notInTrash(path: string, id: string): Problem {
  return new Problem(
    "not-found",
    `Cannot restore ${path}: the trash has no world with the id ${
      id.slice(0, 60)
    } that the caller ` +
      "can read; GET /proc/trash/ lists the ids",
  );
}

/** A restored world keeps its metadata. */
function assertNoMetadata({ headers }: Request, path: string): void {
  for (const name of headers.keys()) {
    if (!name.startsWith("x-meta-")) continue;
    throw new Problem(
      "bad-metadata",
      `Cannot restore ${path}: ${name} was sent, and a restored world keeps its metadata; send none`,
    );
  }
}

function chooseRestoredExt(
  { target: { name, query } }: RequestContext,
  entry: TrashEntry,
): string {
  const queryExt = readQueryValue(query, "ext");
  if (queryExt === null) {
    return entry.name === name ? entry.ext : chooseMovedExt(entry.name, name, entry.ext);
  }
  const chosen = chooseExt({ queryExt, contentType: null, name, body: new Uint8Array() });
  if ("ext" in chosen) return chosen.ext;
  throw new Problem("bad-query", `Cannot restore /${name}: ${chosen.fault}; nothing was restored`);
}
