/**
 * `/proc/snapshot/<name>`: a copy of the whole file of a world, for callers that can read
 * everything in it. T3 can have the chain of the copy signed with another key, so that a clone does
 * not need the key of this server. A key in a request is neither stored nor returned.
 */

import { UNCACHED_HEADERS } from "../../http/headers.ts";
import { assertAllowed, assertCan, decideCopy } from "../../auth/policy.ts";
import { Problem } from "../../http/problem.ts";
import { readBody } from "../../http/read_body.ts";
import { MAX_KEY_BODY_BYTES } from "../../limits.ts";
import { type RequestContext, restOf } from "../../request/request_context.ts";
import { toJobCaller } from "../../request/job_caller.ts";
import type { Store } from "../../world/store.ts";
import { assertSubject, describeAbsence, withAbsenceExplained } from "../missing_world.ts";

/** The form of a key: 32 bytes in lower-case hex. */
const KEY = /^[0-9a-f]{64}$/;

/** `GET /proc/snapshot/<name>`: the copy. HEAD sends its headers without Content-Length. */
export async function respondSnapshot(
  { store }: { readonly store: Store },
  context: RequestContext,
): Promise<Response> {
  const name = readSubject(context);
  // The length is known only after the copy is made; HEAD makes none.
  if (context.request.method === "HEAD") {
    const entry = store.stat(name);
    if (entry?.layer !== "upper") {
      const found = entry === undefined
        ? describeAbsence(store, context.caller, name)
        : "it is in the lower layer and has no file";
      throw new Problem("not-found", `Cannot copy /${name}: ${found}`);
    }
    // A stream, because Deno sends Content-Length 0 for an empty body (RFC 9110 §8.6; 2.9.6).
    return new Response(new Blob().stream(), { headers: headersOf(name) });
  }
  return await respondCopy(store, context, name);
}

/** `POST /proc/snapshot/<name>`: the copy with its chain signed with the key in the body (T3). */
export async function respondSignedSnapshot(
  { store }: { readonly store: Store },
  context: RequestContext,
): Promise<Response> {
  assertCan(context.caller, "write", context.target.path);
  const name = readSubject(context);
  return await respondCopy(store, context, name, await readKey(context));
}

function readSubject(context: RequestContext): string {
  const name = restOf(context, "/proc/snapshot/");
  assertAllowed(decideCopy(context.caller, `/${name}`));
  assertSubject(name, "/proc/snapshot", "copy");
  return name;
}

async function respondCopy(
  store: Store,
  context: RequestContext,
  name: string,
  key?: string,
): Promise<Response> {
  const pending = store.snapshot(name, key, toJobCaller(context));
  const { body, length, named } = await withAbsenceExplained(
    store,
    context.caller,
    name,
    "copy",
    pending,
  );
  const decision = decideCopy(context.caller, `/${name}`, named);
  if (!decision.allowed && body instanceof ReadableStream) await body.cancel();
  assertAllowed(decision);
  return new Response(body, {
    headers: { ...headersOf(name, length), "content-length": String(length) },
  });
}

async function readKey({ request, connection }: RequestContext): Promise<string> {
  const text = new TextDecoder().decode(await readBody(request, MAX_KEY_BODY_BYTES, connection))
    .trim();
  if (KEY.test(text)) return text;
  throw new Problem(
    "bad-body",
    "Cannot sign the copy: the content is not a key; 32 random bytes as 64 lower-case hex digits " +
      "are needed",
  );
}

/**
 * @param length length of the copy in bytes; also sent as `size` for clients that get no
 * Content-Length (RFC 2183 §2.7)
 */
function headersOf(name: string, length?: number): Record<string, string> {
  const file = encodeURIComponent(name.slice(name.lastIndexOf("/") + 1)).replaceAll("'", "%27");
  return {
    "content-type": "application/vnd.sqlite3",
    "content-disposition": `attachment; filename="world.db"; filename*=UTF-8''${file}.db${
      length === undefined ? "" : `; size=${length}`
    }`,
    ...UNCACHED_HEADERS,
  };
}
