/**
 * `/dav`: the worlds as a file system, WebDAV class 1 and 2 (RFC 4918). One resource, one name:
 * `/dav/home/a.txt` is the world `/home/a.txt`, with the same tiers, store and events. This room finds
 * the method; what it does lives in `lib/dav`. It is loaded when it is first asked for.
 */

import { DAV_HEADERS } from "./resource/dav_headers.ts";
import { davErrorResponse, DavProblem } from "./resource/dav_problem.ts";
import { worldTarget } from "./resource/destination.ts";
import { get } from "./methods/get.ts";
import { lock, unlock } from "./methods/lock.ts";
import { readIf } from "./locks/lock_guard.ts";
import type { LockTable } from "./locks/lock_table.ts";
import { mkcol } from "./methods/mkcol.ts";
import { hasMounts, isMounted } from "./resource/mount_client.ts";
import { answerMounted } from "./methods/mount_methods.ts";
import { propfind } from "./methods/propfind.ts";
import { proppatch } from "./methods/proppatch.ts";
import { put } from "./methods/put.ts";
import { remove } from "./methods/delete.ts";
import { createRoom, type DavRequest, type Room } from "./methods/dav_context.ts";
import { transfer } from "./methods/copy_move.ts";
import type { Exchange } from "../request/request_context.ts";
import { Problem } from "../http/problem.ts";
import { storeProblem } from "../response/store_problem.ts";
import type { Machine } from "../request/server_context.ts";

type Method = (room: Room, asked: DavRequest) => Promise<Response> | Response;

const METHODS: ReadonlyMap<string, Method> = new Map<string, Method>([
  ["OPTIONS", options],
  ["GET", get],
  ["HEAD", get],
  ["PUT", put],
  ["DELETE", remove],
  ["PROPFIND", propfind],
  ["PROPPATCH", proppatch],
  ["MKCOL", mkcol],
  ["COPY", transfer],
  ["MOVE", transfer],
  ["LOCK", lock],
  ["UNLOCK", unlock],
]);
const ALLOW = [...METHODS.keys()].join(", ");
/** Methods that change nothing, whose If header nobody needs to judge. */
const READS: ReadonlySet<string> = new Set(["OPTIONS", "GET", "HEAD", "PROPFIND"]);

const NO_TOKENS: ReadonlySet<string> = new Set();

/** Basic alone: what mounts file systems asks for a password, and not for a token. */
const CHALLENGE = 'Basic realm="elastik", charset="UTF-8"';

/** Handles every request at or below `/dav`. */
export class DavRoutes {
  readonly #room: Room;

  /** @param locks the machine's, which plain writes heed as well */
  constructor(machine: Machine, locks: LockTable) {
    this.#room = createRoom(machine, locks);
    // However a world goes, its locks go with it (RFC 4918 §9.6).
    machine.store.watch("/", ({ kind, name }) => {
      if (kind === "delete") locks.forget(`/${name}`);
    });
  }

  /**
   * Answers one request.
   *
   * @throws {Problem}
   */
  handle(exchange: Exchange): Promise<Response> | Response {
    const { request, target, caller } = exchange;
    const world = worldTarget(target);
    const { plugins } = this.#room.machine;
    if (world !== undefined && isMounted(world.path) && hasMounts(plugins)) {
      return answerMounted(plugins, { ...exchange, target: world })
        .catch((error) => refuse(error, request.method, world.path));
    }
    const method = METHODS.get(request.method);
    if (world === undefined || method === undefined) {
      throw new Problem(
        "method-not-allowed",
        `Cannot ${request.method} ${target.path}: it takes ${ALLOW}`,
        { allow: ALLOW },
      );
    }
    try {
      const { locks, machine: { store } } = this.#room;
      const submitted = READS.has(request.method)
        ? NO_TOKENS
        : readIf(request, world.path, caller, locks, store);
      const answer = method(this.#room, { request, target: world, caller, submitted });
      return answer instanceof Promise
        ? answer.catch((error) => refuse(error, request.method, world.path))
        : answer;
    } catch (error) {
      return refuse(error, request.method, world.path);
    }
  }
}

/** Refusals in the words that clients of WebDAV know; what they do not know goes on as it is. */
function refuse(error: unknown, method: string, path: string): Response {
  if (error instanceof DavProblem) return davErrorResponse(error);
  if (error instanceof Problem && error.status === 401) {
    throw new Problem(error.type, error.detail, { "www-authenticate": CHALLENGE });
  }
  throw storeProblem(error, method, path);
}

function options(): Response {
  return new Response(null, { status: 200, headers: { ...DAV_HEADERS, "allow": ALLOW } });
}
