/**
 * The PUT method of WebDAV (RFC 4918 §9.7): writes a world; its collection must exist. Unlike a PUT
 * on a plain path, it keeps the metadata of the world if the request has none, because clients of
 * file systems cannot see the metadata.
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

/** Maximum number of attempts if other writes happen between the read of metadata and the write. */
const MAX_ATTEMPTS = 4;

/**
 * Handles a PUT request.
 *
 * @throws {Problem}
 */
export async function put(context: DavContext, davRequest: DavRequest): Promise<Response> {
  const { request, caller, target: { path, name } } = davRequest;
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
  // Checked before the body is read, so that a client with Expect: 100-continue does not send it.
  await checkTarget(context, davRequest);
  const body = await readBody(request, context.server.config.maxBodyBytes, davRequest.connection);
  const found = await checkTarget(context, davRequest);
  const ext = chooseDavExt(name, request.headers.get("content-type"), body, found?.entry);
  const written = await replace(context, davRequest, found, { body, ext, sent: meta.meta });
  return new Response(null, {
    status: found === undefined ? 201 : 204,
    headers: { etag: writtenEtag(written) },
  });
}

/**
 * Checks whether the path can be written.
 *
 * @returns the existing resource, or `undefined`
 */
async function checkTarget(
  context: DavContext,
  davRequest: DavRequest,
): Promise<Resource | undefined> {
  const { request, target } = davRequest;
  const { store } = context.server;
  assertWorld(target, request.method);
  const found = await findResource(store, target.path);
  if (found !== undefined && found.entry === undefined) {
    throw new Problem(
      "method-not-allowed",
      `Cannot PUT ${target.path}: it is a collection; PUT a world into it`,
    );
  }
  if (found === undefined) await assertParentExists(store, target.path, "PUT");
  assertLockTokens(
    context.locks,
    davRequest,
    target.path,
    found === undefined ? "membership" : "content",
  );
  return found;
}

async function replace(
  context: DavContext,
  { request, caller, target: { name } }: DavRequest,
  found: Resource | undefined,
  { body, ext, sent }: {
    readonly body: Uint8Array<ArrayBuffer>;
    readonly ext: string;
    readonly sent: Meta;
  },
): Promise<ChangeResult> {
  const { store } = context.server;
  const requested = parseDavPrecondition(request.headers, found?.entry);
  for (let attempt = 1;; attempt++) {
    const current = sent.length > 0 ? undefined : await findMeta(store, found?.entry);
    const keepsMeta = current !== undefined;
    // Without a condition in the request, require the version whose metadata is kept.
    const condition: Precondition | undefined = requested ??
      (keepsMeta ? { match: [{ version: current.version }] } : undefined);
    try {
      return await store.put({
        name,
        body,
        ext,
        meta: keepsMeta ? current.meta : sent,
        by: caller.by,
        state: initialState(name),
        ...(condition === undefined ? {} : { precondition: condition }),
      });
    } catch (error) {
      const hasChanged = requested === undefined && error instanceof StoreError &&
        error.code === "precondition";
      if (!hasChanged || attempt === MAX_ATTEMPTS) throw error;
    }
  }
}

/**
 * Returns the current version if it has metadata. A newest event that records no metadata avoids
 * reading the bytes.
 */
async function findMeta(store: Store, entry: WorldEntry | undefined): Promise<World | undefined> {
  if (entry === undefined) return undefined;
  const { name, layer } = entry;
  let world = store.peek(name);
  try {
    if (world === undefined && layer === "upper") {
      const [newest] = await store.log(name, { limit: 1 });
      if (newest?.type === "stage_written" && recordsNoMeta(newest.payload)) return undefined;
    }
    world ??= await store.read(name);
  } catch (error) {
    // The world was deleted, so there is no metadata to keep.
    if (error instanceof StoreError && error.code === "absent") return undefined;
    throw error;
  }
  return world === undefined || world.meta.length === 0 ? undefined : world;
}

function recordsNoMeta(payload: unknown): boolean {
  return typeof payload === "object" && payload !== null && "meta_headers" in payload &&
    Array.isArray(payload.meta_headers) && payload.meta_headers.length === 0;
}
