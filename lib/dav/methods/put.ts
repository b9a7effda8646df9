/**
 * PUT of WebDAV (RFC 4918 §9.7): bytes into a world whose collection is there. It differs from the
 * plain PUT in what clients of file systems expect: metadata they cannot see they do not take away.
 */

import { assertCan } from "../../auth/policy.ts";
import { readBody } from "../../http/read_body.ts";
import { Problem } from "../../http/problem.ts";
import { parseMetaHeaders } from "../../world/metadata.ts";
import {
  type ChangeResult,
  initialState,
  type Meta,
  type Precondition,
  type Store,
  StoreError,
  type World,
  type WorldEntry,
} from "../../world/store.ts";
import { parseDavPrecondition, writtenEtag } from "../resource/dav_etag.ts";
import { chooseDavExt } from "../resource/file_extension.ts";
import { assertLockTokens } from "../locks/lock_guard.ts";
import { assertParentExists, assertWorld } from "./target_checks.ts";
import { findResource, type Resource } from "../resource/resource.ts";
import type { DavContext, DavRequest } from "./dav_context.ts";

/** Times a write is tried again when somebody else's came between reading metadata and writing. */
const TRIES = 4;

/**
 * Answers a PUT.
 *
 * @throws {Problem}
 */
export async function put(room: DavContext, asked: DavRequest): Promise<Response> {
  const { request, caller, target: { path, name } } = asked;
  assertCan(caller, "write", path);
  if (request.headers.has("content-range")) {
    throw new Problem(
      "bad-header",
      `Cannot write a part of ${path}: Content-Range was sent; send the whole content (RFC 9110 §14.5)`,
    );
  }
  const meta = parseMetaHeaders(request.headers);
  if ("fault" in meta) {
    throw new Problem("bad-metadata", `Cannot write ${path}: ${meta.fault}; nothing was stored`);
  }
  // Asked before the content is, so that a client that waits with it need not send it in vain.
  await mayCome(room, asked);
  const body = await readBody(request, room.server.config.maxBodyBytes);
  const found = await mayCome(room, asked);
  const ext = chooseDavExt(name, request.headers.get("content-type"), body, found?.entry);
  const written = await replace(room, asked, found, { body, ext, sent: meta.meta });
  return new Response(null, {
    status: found === undefined ? 201 : 204,
    headers: { etag: writtenEtag(written) },
  });
}

/** Whether there may be a world here; what is there now. */
async function mayCome(room: DavContext, asked: DavRequest): Promise<Resource | undefined> {
  const { request, target } = asked;
  const { store } = room.server;
  assertWorld(target, request.method);
  const found = await findResource(store, target.path);
  if (found !== undefined && found.entry === undefined) {
    throw new Problem(
      "method-not-allowed",
      `Cannot PUT ${target.path}: it is a collection; PUT a world into it`,
    );
  }
  if (found === undefined) await assertParentExists(store, target.path, "PUT");
  assertLockTokens(room.locks, asked, target.path, found === undefined ? "membership" : "content");
  return found;
}

async function replace(
  room: DavContext,
  { request, caller, target: { name } }: DavRequest,
  found: Resource | undefined,
  { body, ext, sent }: {
    readonly body: Uint8Array<ArrayBuffer>;
    readonly ext: string;
    readonly sent: Meta;
  },
): Promise<ChangeResult> {
  const { store } = room.server;
  const demanded = parseDavPrecondition(request.headers, found?.entry);
  for (let tries = 1;; tries++) {
    const now = sent.length > 0 ? undefined : await withMeta(store, found?.entry);
    const keeps = now !== undefined;
    // Without a condition of its own, the write takes along the metadata of the version it replaces.
    const guard: Precondition | undefined = demanded ??
      (keeps ? { match: [{ version: now.version }] } : undefined);
    try {
      return await store.put({
        name,
        body,
        ext,
        meta: keeps ? now.meta : sent,
        by: caller.by,
        state: initialState(name),
        ...(guard === undefined ? {} : { precondition: guard }),
      });
    } catch (error) {
      const overtaken = demanded === undefined && error instanceof StoreError &&
        error.code === "precondition";
      if (!overtaken || tries === TRIES) throw error;
    }
  }
}

/** The current version when it has metadata, found without its bytes where its chain says it has none. */
async function withMeta(store: Store, entry: WorldEntry | undefined): Promise<World | undefined> {
  if (entry === undefined) return undefined;
  const { name, layer } = entry;
  let world = store.peek(name);
  try {
    if (world === undefined && layer === "upper") {
      const [newest] = await store.log(name, { limit: 1 });
      if (newest?.type === "stage_written" && saysNoMeta(newest.payload)) return undefined;
    }
    world ??= await store.read(name);
  } catch (error) {
    // Deleted meanwhile, so there is nothing to keep.
    if (error instanceof StoreError && error.code === "absent") return undefined;
    throw error;
  }
  return world === undefined || world.meta.length === 0 ? undefined : world;
}

function saysNoMeta(payload: unknown): boolean {
  return typeof payload === "object" && payload !== null && "meta_headers" in payload &&
    Array.isArray(payload.meta_headers) && payload.meta_headers.length === 0;
}
