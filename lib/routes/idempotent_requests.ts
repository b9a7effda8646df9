/**
 * Requests with `Idempotency-Key`: for 24 hours, a request with the same key of the same caller, method
 * and path gets the first response again and changes nothing. What the server knows of a key is in the
 * events of the changes only, which are written with them: a crash loses neither without the other, and
 * keys take no memory. The response is made again from the event. A request that changed nothing, such
 * as one that was refused, leaves no event: the next one with its key is answered anew.
 */

import { credentialKey } from "../auth/caller.ts";
import { assertCan } from "../auth/policy.ts";
import { hmacSha256, sha256Hex } from "../base/hash.ts";
import { parseIdempotencyKey } from "../http/idempotency_key.ts";
import { Problem } from "../http/problem.ts";
import { readBody } from "../http/read_body.ts";
import { IDEMPOTENCY_MS } from "../limits.ts";
import { toStoreProblem } from "../response/store_problem.ts";
import type { KeyedRequest, RequestContext } from "../request/request_context.ts";
import type { ServerContext } from "../request/server_context.ts";
import type { KeyedEvent } from "../world/changes.ts";
import { formatMark, readMark } from "../world/idempotency_mark.ts";
import { compareNames } from "../world/name.ts";
import { StoreError, type StoreErrorCode } from "../world/store.ts";
import type { Handler } from "./handler.ts";
import { currentWriteChecks } from "../world/write_checks.ts";
import {
  deletedResponse,
  toDeletedWorld,
  toRestoredFrom,
  toWrittenVersion,
  writtenResponse,
} from "./world_responses.ts";

const HEADER = "idempotency-key";
const NO_BODY = new Uint8Array();
/** Length of a hash in a mark: 128 bits in base64url. */
const HASH_BYTES = 16;
/** Why the store fails, whatever the request is. */
const FAILURES: ReadonlySet<StoreErrorCode> = new Set<StoreErrorCode>([
  "unknown",
  "unreachable",
  "closed",
  "detached",
  "unusable",
]);

/** The requests of one server that have an idempotency key. */
export class IdempotentRequests {
  readonly #server: Pick<ServerContext, "store" | "config" | "now">;
  readonly #key: string;
  /** Key of the hashes in marks, made with the first of them. */
  #secret: Uint8Array | undefined;

  constructor(server: Pick<ServerContext, "store" | "config" | "now" | "key">) {
    this.#server = server;
    this.#key = server.key;
  }

  /** Returns a handler that answers a repeated request with the first response. */
  wrap(handler: Handler): Handler {
    return (context) => {
      const header = (context.headers ?? context.request.headers).get(HEADER);
      return header === null ? handler(context) : this.#run(context, header, handler);
    };
  }

  async #run(context: RequestContext, header: string, handler: Handler): Promise<Response> {
    const { request: { method }, target: { path, isCollection }, caller } = context;
    // Before anything else: a caller that has lost a right gets no earlier response either.
    assertCan(caller, method === "DELETE" ? "delete" : "write", path);
    const parsed = parseIdempotencyKey(header);
    if ("fault" in parsed) {
      throw new Problem("bad-header", `Cannot ${method} ${path}: ${parsed.fault}`);
    }
    const place = isCollection ? `${path}/` : path;
    const key = this.#hash([caller.by, credentialKey(caller), method, place, parsed.key]);
    // Requests with the same key run one after another, on whichever servers they are.
    const { coordination } = this.#server.store;
    return await coordination.exclusive(key, () => this.#answer(context, key, handler));
  }

  async #answer(context: RequestContext, key: string, handler: Handler): Promise<Response> {
    const { request: { method }, target: { name, path } } = context;
    const read = async () => this.#hashContent(context, key, await this.#readContent(context));
    const done = await this.#findEvents(key, name);
    const repeated = await this.#repeat(context, done, read);
    if (repeated !== undefined) return repeated;
    let content: string | undefined;
    const keyed: KeyedRequest = {
      done,
      mark: (body, of) => {
        content = this.#hashContent(context, key, body);
        return formatMark({ key, content, ...(of === undefined ? {} : { of }) });
      },
    };
    try {
      return await handler({ ...context, keyed });
    } catch (error) {
      // An earlier try of the request at another server can have made the change after the look above.
      const later = isRefusal(error) ? await this.#findEvents(key, name) : done;
      const made = content;
      const response = later.length > done.length
        ? await this.#repeat(context, later, made === undefined ? read : () => made)
        : undefined;
      if (response !== undefined) return response;
      throw toRepeatable(error, method, path);
    }
  }

  async #findEvents(key: string, name: string): Promise<readonly KeyedEvent[]> {
    const { store, now } = this.#server;
    const oldest = new Date(now() - IDEMPOTENCY_MS).toISOString();
    return (await store.keyed(key, name)).filter(({ timestamp }) => timestamp > oldest);
  }

  /**
   * Answers a request that was answered before.
   *
   * @param hashContent returns the hash of what the request asks for
   * @returns undefined if it was not, or if the server stopped before it was complete
   */
  async #repeat(
    context: RequestContext,
    done: readonly KeyedEvent[],
    hashContent: () => string | Promise<string>,
  ): Promise<Response | undefined> {
    const last = done.at(-1);
    const mark = readMark(last?.payload);
    if (last === undefined || mark === undefined) return undefined;
    const { request: { method }, target: { path, isCollection } } = context;
    const restored = toRestoredFrom(last);
    if (restored !== undefined) assertCan(context.caller, "delete", restored);
    if (mark.content !== await hashContent()) {
      throw new Problem(
        "idempotency-key-reused",
        `Cannot ${method} ${path}: the Idempotency-Key was used for a request with another content, ` +
          "query, Content-Type or X-Meta header; send a new key",
      );
    }
    if (done.length < (mark.of ?? 1)) return undefined;
    if (method === "DELETE") {
      // The events of a collection are in the order in which its worlds were deleted.
      const deleted = done.map(toDeletedWorld).sort((a, b) => compareNames(a.name, b.name));
      await this.#follow(method, path);
      return markRepeated(deletedResponse(isCollection ? deleted : deleted.slice(-1)));
    }
    const written = toWrittenVersion(last);
    if (written === undefined) return undefined;
    await this.#follow(method, path);
    return markRepeated(writtenResponse(path, written));
  }

  /**
   * Waits until reads at this server see the change of the first request, which another server of a shared
   * store may have made a moment ago.
   *
   * @throws {Problem} `outcome-unknown` if the database cannot be reached: the change was made, so nothing may
   * deny it
   */
  async #follow(method: string, path: string): Promise<void> {
    const { store } = this.#server;
    if (!store.isShared) return;
    try {
      await store.refresh();
    } catch (cause) {
      const unknown = new StoreError("unknown", "Cannot follow a change that was made");
      unknown.cause = cause;
      throw toRepeatable(unknown, method, path);
    }
  }

  async #readContent({ request, connection }: RequestContext): Promise<Uint8Array> {
    if (request.method === "DELETE") return NO_BODY;
    return await readBody(request, this.#server.config.maxBodyBytes, connection);
  }

  /** Hashes what a request asks for: its content, and what else decides the result. */
  #hashContent(
    { request: { headers }, target: { query } }: RequestContext,
    key: string,
    body: Uint8Array,
  ): string {
    const meta = [...headers].filter(([name]) => name.startsWith("x-meta-"));
    return this.#hash([key, query, headers.get("content-type"), meta, sha256Hex(body)]);
  }

  #hash(parts: readonly unknown[]): string {
    this.#secret ??= hmacSha256(this.#key, "Idempotency-Key");
    return hmacSha256(this.#secret, JSON.stringify(parts)).subarray(0, HASH_BYTES)
      .toBase64({ alphabet: "base64url", omitPadding: true });
  }
}

/** Whether a request was refused, and not only failed: an earlier try of it can be the reason. */
function isRefusal(error: unknown): boolean {
  if (error instanceof Problem) return error.status < 500;
  return error instanceof StoreError && !FAILURES.has(error.code);
}

/** Adds to an unknown outcome when the request can be repeated, which is safe with its key. */
function toRepeatable(error: unknown, method: string, path: string): unknown {
  if (!(error instanceof StoreError) || error.code !== "unknown") return error;
  const problem = toStoreProblem(error, method, path);
  if (!(problem instanceof Problem)) return problem;
  const repeatable = new Problem(problem.type, problem.detail, { "retry-after": "1" });
  repeatable.cause = error;
  return repeatable;
}

function markRepeated(response: Response): Response {
  // What the first request changed is the effect of this one too.
  currentWriteChecks()?.recordEffect();
  response.headers.set("idempotent-replayed", "true");
  return response;
}
