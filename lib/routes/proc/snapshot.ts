/**
 * `/proc/snapshot/<name>`: a world's whole file as a copy that stands on its own, for whoever may read
 * all that is in it. T3 may have the copy's chain signed with a key of its own, so that a clone never
 * needs the machine's. No key that comes in here is kept or told.
 */

import { enforce, mayCopy, require } from "../../auth/policy.ts";
import type { Hono } from "../../deps/hono.ts";
import { readBody } from "../../http/read_body.ts";
import type { Exchange } from "../../request/request_context.ts";
import { Problem } from "../../http/problem.ts";
import { storeProblem } from "../../response/store_problem.ts";
import { MAX_KEY_BYTES } from "../../limits.ts";
import { nameFault } from "../../world/name.ts";
import type { Store } from "../../world/store.ts";
import { onlyMethods, restOf, type RouteEnv } from "../handler.ts";

const SNAPSHOT = "/proc/snapshot/:world{.+}";
/** A key as the machine keeps its own: 32 bytes in lower-case hex. */
const KEY = /^[0-9a-f]{64}$/;

/** Adds the route to an app. */
export function addSnapshotRoute(app: Hono<RouteEnv>, store: Store): void {
  app.get(SNAPSHOT, async ({ env }) => {
    const name = subject(env);
    // The length is not known before the copy is made, and nobody would take it.
    if (env.request.method === "HEAD") {
      if (store.stat(name)?.layer !== "upper") throw absent(name);
      // A stream, since the server would call the length of no body 0 (RFC 9110 §8.6).
      return new Response(new Blob().stream(), { headers: headersOf(name) });
    }
    return await answer(store, name);
  });

  app.post(SNAPSHOT, async ({ env }) => {
    require(env.caller, "write", env.target.path);
    const name = subject(env);
    return await answer(store, name, await readKey(env.request));
  });

  app.all(SNAPSHOT, onlyMethods("GET, HEAD, POST"));
}

function subject(exchange: Exchange): string {
  const name = restOf(exchange, "/proc/snapshot/");
  enforce(mayCopy(exchange.caller, `/${name}`));
  const fault = nameFault(name);
  if (fault === undefined) return name;
  throw new Problem("bad-name", `Cannot copy /${name}: as a world's name ${fault}`);
}

async function answer(store: Store, name: string, key?: string): Promise<Response> {
  try {
    const { body, length } = await store.snapshot(name, key);
    return new Response(body, {
      headers: { ...headersOf(name, length), "content-length": String(length) },
    });
  } catch (error) {
    throw storeProblem(error, "copy", `/${name}`);
  }
}

async function readKey(request: Request): Promise<string> {
  const text = new TextDecoder().decode(await readBody(request, MAX_KEY_BYTES)).trim();
  if (KEY.test(text)) return text;
  throw new Problem(
    "bad-body",
    "Cannot sign the copy: the content is no key; 32 random bytes as 64 lower-case hex characters " +
      "are needed",
  );
}

function absent(name: string): Problem {
  return new Problem("not-found", `Cannot copy /${name}: no file of it is here`);
}

/** @param length bytes of the copy, told to those, too, who get no Content-Length (RFC 2183 §2.7) */
function headersOf(name: string, length?: number): Record<string, string> {
  const file = encodeURIComponent(name.slice(name.lastIndexOf("/") + 1)).replaceAll("'", "%27");
  return {
    "content-type": "application/vnd.sqlite3",
    "content-disposition": `attachment; filename="world.db"; filename*=UTF-8''${file}.db${
      length === undefined ? "" : `; size=${length}`
    }`,
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
  };
}
