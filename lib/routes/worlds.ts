/**
 * Worlds over HTTP: the method is the action. This room turns an exchange into calls of the store
 * and the store's answers into responses; who may do it is asked of the policy first, always, and
 * nothing is looked up before that.
 */

import { assertCan, canRead } from "../auth/policy.ts";
import { redactFor } from "../auth/redact.ts";
import { assertUnlocked } from "../dav/locks/lock_guard.ts";
import type { LockTable } from "../dav/locks/lock_table.ts";
import { parsePrecondition } from "../http/conditional.ts";
import { readBody } from "../http/read_body.ts";
import {
  hasQuery,
  readQueryNumber,
  readQueryValue,
  type RequestContext,
} from "../request/request_context.ts";
import { respondListing, toListingRow } from "../response/listing.ts";
import { createTypeChooser } from "../http/negotiate.ts";
import { encodePath } from "../http/path.ts";
import { Problem } from "../http/problem.ts";
import {
  getRepresentation,
  hasUtf8Body,
  respondRepresentation,
} from "../response/representation.ts";
import { respondShell } from "../response/shell_page.ts";
import { toStoreProblem } from "../response/store_problem.ts";
import type { ServerContext } from "../request/server_context.ts";
import { chooseExt } from "../world/media_type.ts";
import { handlePluginState, parseStatePath } from "./plugin_state.ts";
import { parseMetaHeaders } from "../world/metadata.ts";
import { nameFault } from "../world/name.ts";
import type { Precondition, World } from "../world/store.ts";
import { deletedResponse, toNotModifiedResponse, writtenResponse } from "./world_responses.ts";

const OBJECT_METHODS = "GET, HEAD, PUT, POST, DELETE, OPTIONS";
const COLLECTION_METHODS = "GET, HEAD, DELETE, OPTIONS";
const NAMESPACE_METHODS = "GET, HEAD, OPTIONS";
/** Worlds removed at a time when a whole collection goes. */
const REMOVE_STEP = 64;

const HTML = "text/html";
const TEXT = "text/plain";
const JSON_TYPE = "application/json";
const chooseForm = createTypeChooser([JSON_TYPE, TEXT, HTML], JSON_TYPE);
const chooseBinaryForm = createTypeChooser([JSON_TYPE, HTML], JSON_TYPE);
const chooseListing = createTypeChooser([TEXT, JSON_TYPE, HTML], TEXT);

/** Handles every request for a path in one of the namespaces that hold worlds. */
export class WorldRoutes {
  readonly #server: ServerContext;
  readonly #locks: LockTable;

  /** @param locks what WebDAV clients hold, which no plain write gets past without their token */
  constructor(server: ServerContext, locks: LockTable) {
    this.#server = server;
    this.#locks = locks;
  }

  /**
   * Answers one request.
   *
   * @throws {Problem}
   */
  handle(context: RequestContext): Promise<Response> | Response {
    const { request, target, caller } = context;
    const plugin = parseStatePath(target.name);
    if (plugin !== undefined) return handlePluginState(this.#server, context, plugin);
    switch (request.method) {
      case "GET":
      case "HEAD": {
        assertCan(caller, "read", target.path);
        if (target.isCollection) return this.#list(context);
        const hot = this.#server.store.peek(target.name);
        if (hot !== undefined && (target.query === "" || target.query === "raw")) {
          return this.#send(context, redactFor(caller, hot), target.query === "raw");
        }
        return this.#read(context);
      }
      case "PUT":
        return this.#put(context);
      case "POST":
        return this.#append(context);
      case "DELETE":
        return target.isCollection ? this.#removeAll(context) : this.#remove(context);
      case "OPTIONS":
        return new Response(null, { status: 204, headers: { "allow": methods(context) } });
      default:
        throw notAllowed(context);
    }
  }

  /** A world's representation; the hot path ends here. */
  #send(context: RequestContext, world: World, raw: boolean): Response | Promise<Response> {
    const { request } = context;
    if (raw) return respondRepresentation(request, getRepresentation(world, "raw"), true);
    const accept = request.headers.get("accept");
    let form = chooseForm(accept);
    if (form === TEXT && !hasUtf8Body(world)) form = chooseBinaryForm(accept);
    if (form === HTML) return respondShell(this.#server.store, request, { world });
    return respondRepresentation(
      request,
      getRepresentation(world, form === TEXT ? "text" : "json"),
      false,
    );
  }

  async #read(context: RequestContext): Promise<Response> {
    const { target, caller } = context;
    const { name, path, query } = target;
    const raw = hasQuery(query, "raw");
    const at = readQueryNumber(query, "at", Number.MAX_SAFE_INTEGER);
    const known = readQueryNumber(query, "v", Number.MAX_SAFE_INTEGER);
    const { store } = this.#server;
    const namespace = !name.includes("/");
    if (!namespace) {
      assertValidName(name, path, "read");
      try {
        const world = at === undefined ? await store.read(name) : await store.readAt(name, at);
        if (world !== undefined) {
          const answer = await this.#send(context, redactFor(caller, world), raw);
          const has = known === world.version && at === undefined;
          return has && answer.ok ? toNotModifiedResponse(answer) : answer;
        }
      } catch (error) {
        throw toStoreProblem(error, at === undefined ? "read" : `read version ${at} of`, path);
      }
    }
    if (!namespace && !store.isCollection(name)) {
      throw new Problem("not-found", `Cannot read ${path}: nothing is here; a PUT would create it`);
    }
    if (raw || at !== undefined) {
      throw new Problem(
        "not-found",
        `Cannot read the bytes of ${path}: it is a collection only; GET ${path}/ lists it`,
      );
    }
    if (chooseListing(context.request.headers.get("accept")) !== HTML) return this.#list(context);
    return new Response(null, {
      status: 302,
      headers: { "location": `${encodePath(path)}/`, "vary": "Accept" },
    });
  }

  async #list(context: RequestContext): Promise<Response> {
    const { request, target, caller } = context;
    const { name, path } = target;
    const { store } = this.#server;
    if (!store.isCollection(name) && name.includes("/")) {
      throw new Problem(
        "not-found",
        store.stat(name) === undefined
          ? `Cannot list ${path}/: nothing is here`
          : `Cannot list ${path}/: it is a world without anything below it; GET ${path} reads it`,
      );
    }
    if (hasQuery(target.query, "raw")) {
      throw new Problem(
        "not-found",
        `Cannot read the bytes of ${path}/: a trailing slash names the collection; GET ${path}/ lists it`,
      );
    }
    const form = chooseListing(request.headers.get("accept"));
    if (form === HTML) return respondShell(store, request);
    const children = await store.list(name);
    const shown = children.filter((child) => canRead(caller, `${path}/${child.name}`));
    return respondListing(request, shown.map(toListingRow), form);
  }

  async #put(context: RequestContext): Promise<Response> {
    const { request, target, caller } = context;
    const { name, path, query } = target;
    assertCan(caller, "write", path);
    assertWorldTarget(context);
    assertValidName(name, path, "write");
    if (request.headers.has("content-range")) {
      throw new Problem(
        "bad-header",
        `Cannot write a part of ${path}: Content-Range was sent; send the whole content (RFC 9110 §14.5)`,
      );
    }
    const from = readQueryNumber(query, "from", Number.MAX_SAFE_INTEGER);
    const meta = parseMetaHeaders(request.headers);
    if ("fault" in meta) {
      throw new Problem("bad-metadata", `Cannot write ${path}: ${meta.fault}; nothing was stored`);
    }
    const demanded = parsePrecondition(request.headers);
    const body = await readBody(request, this.#server.config.maxBodyBytes);
    assertUnlocked(this.#locks, this.#server.store, context, false);
    if (from !== undefined) return await this.#bringBack(context, from, body);
    const chosen = chooseExt({
      queryExt: readQueryValue(query, "ext"),
      contentType: request.headers.get("content-type"),
      name,
      body,
    });
    if ("fault" in chosen) {
      throw new Problem("bad-query", `Cannot write ${path}: ${chosen.fault}; nothing was stored`);
    }
    const written = await this.#attempt("write", path, () =>
      this.#server.store.put({
        name,
        body,
        ext: chosen.ext,
        meta: meta.meta,
        by: caller.by,
        state: initialState(name),
        ...(demanded === undefined ? {} : { precondition: demanded }),
      }));
    return writtenResponse(path, written);
  }

  async #bringBack(context: RequestContext, from: number, body: Uint8Array): Promise<Response> {
    const { request, target: { name, path }, caller } = context;
    if (body.length > 0) {
      throw new Problem(
        "bad-body",
        `Cannot bring back version ${from} of ${path}: content was sent as well; send none`,
      );
    }
    const demanded = parsePrecondition(request.headers);
    const written = await this.#attempt(`bring back version ${from} of`, path, async () => {
      const past = await this.#server.store.readAt(name, from);
      return await this.#server.store.put({
        name,
        body: past.body,
        ext: past.ext,
        meta: past.meta,
        by: caller.by,
        state: initialState(name),
        facts: { from_version: from },
        ...(demanded === undefined ? {} : { precondition: demanded }),
      });
    });
    return writtenResponse(path, written);
  }

  async #append(context: RequestContext): Promise<Response> {
    const { request, target, caller } = context;
    const { name, path, query } = target;
    assertCan(caller, "write", path);
    assertWorldTarget(context);
    assertValidName(name, path, "append to");
    const demanded = parsePrecondition(request.headers);
    const body = await readBody(request, this.#server.config.maxBodyBytes);
    const chosen = chooseExt({
      queryExt: readQueryValue(query, "ext"),
      contentType: request.headers.get("content-type"),
      name,
      body,
    });
    if ("fault" in chosen) {
      throw new Problem(
        "bad-query",
        `Cannot append to ${path}: ${chosen.fault}; nothing was stored`,
      );
    }
    assertUnlocked(this.#locks, this.#server.store, context, false);
    const written = await this.#attempt("append to", path, () =>
      this.#server.store.append({
        name,
        body,
        ext: chosen.ext,
        by: caller.by,
        state: initialState(name),
        ...(demanded === undefined ? {} : { precondition: demanded }),
      }));
    return writtenResponse(path, written);
  }

  async #remove(context: RequestContext): Promise<Response> {
    const { request, target: { name, path }, caller } = context;
    assertCan(caller, "delete", path);
    assertWorldTarget(context);
    assertValidName(name, path, "delete");
    const demanded = parsePrecondition(request.headers);
    const { store } = this.#server;
    if (store.stat(name) === undefined && store.isCollection(name)) {
      throw new Problem(
        "not-found",
        `Cannot delete ${path}: it is a collection only; DELETE ${path}/ deletes every world below it`,
      );
    }
    assertUnlocked(this.#locks, store, context, true);
    await this.#attempt("delete", path, () =>
      store.remove({
        name,
        by: caller.by,
        ...(demanded === undefined ? {} : { precondition: demanded }),
      }));
    return deletedResponse([name]);
  }

  async #removeAll(context: RequestContext): Promise<Response> {
    const { request, target: { name, path }, caller } = context;
    assertCan(caller, "delete", path);
    if (!name.includes("/")) throw notAllowed(context);
    assertUnconditional(parsePrecondition(request.headers), path);
    const { store } = this.#server;
    const below = (await store.walk(name)).filter((entry) => entry.name !== name);
    const upper = below.filter((entry) => entry.layer === "upper");
    if (below.length === 0 && !store.isCollection(name)) {
      throw new Problem("not-found", `Cannot delete ${path}/: nothing lies below it`);
    }
    if (upper.length === 0 && below.length > 0) {
      throw new Problem(
        "lower-layer",
        `Cannot delete ${path}/: every world below it belongs to the read-only lower layer`,
      );
    }
    assertUnlocked(this.#locks, store, context, true);
    const gone: string[] = [];
    for (let at = 0; at < upper.length; at += REMOVE_STEP) {
      const step = upper.slice(at, at + REMOVE_STEP);
      const done = await Promise.all(step.map((entry) => this.#removeOne(entry.name, caller.by)));
      gone.push(...done.filter((found) => found !== undefined));
    }
    await this.#unmark(name);
    return deletedResponse(gone);
  }

  /** Takes away what WebDAV clients made below a collection, empty ones in empty ones, and itself. */
  async #unmark(name: string): Promise<void> {
    const { store } = this.#server;
    for (const child of await store.list(name)) {
      if (child.dir) await this.#unmark(`${name}/${child.name}`);
    }
    await store.markCollection(name, false);
  }

  /** One world of a collection; one that somebody else deleted meanwhile is as gone as can be. */
  async #removeOne(name: string, by: string): Promise<string | undefined> {
    try {
      await this.#server.store.remove({ name, by });
      return name;
    } catch (error) {
      const problem = toStoreProblem(error, "delete", `/${name}`);
      if (problem instanceof Problem && problem.status === 404) return undefined;
      throw problem;
    }
  }

  async #attempt<T>(action: string, path: string, act: () => Promise<T>): Promise<T> {
    try {
      return await act();
    } catch (error) {
      throw toStoreProblem(error, action, path);
    }
  }
}

/** The state a write leaves a world in: plugin sources wait for approval. */
function initialState(name: string): string {
  return name.startsWith("lib/") ? "pending" : "";
}

function assertValidName(name: string, path: string, action: string): void {
  const fault = nameFault(name);
  if (fault !== undefined) {
    throw new Problem("bad-name", `Cannot ${action} ${path}: as a world's name ${fault}`);
  }
}

function assertWorldTarget(context: RequestContext): void {
  const { name, isCollection: collection } = context.target;
  if (collection || !name.includes("/")) throw notAllowed(context);
  if (name.startsWith("lib/") && name.indexOf("/", 4) >= 0) {
    throw new Problem(
      "bad-name",
      `Cannot change /${name}: a plugin's name is one segment below /lib`,
    );
  }
}

/**
 * A collection is deleted world by world, so no condition on the whole of it could be kept. `If-Match:
 * *` alone asks for no more than that it is there.
 */
function assertUnconditional(demanded: Precondition | undefined, path: string): void {
  if (demanded === undefined) return;
  const { match, noneMatch, unmodifiedSince } = demanded;
  if (match === "*" && noneMatch === undefined && unmodifiedSince === undefined) return;
  throw new Problem(
    "precondition-failed",
    `Cannot delete ${path}/: no condition on a whole collection can be kept; ` +
      "delete its worlds one by one, each with its own",
  );
}

function methods({ target: { name, isCollection: collection } }: RequestContext): string {
  if (!name.includes("/")) return NAMESPACE_METHODS;
  return collection ? COLLECTION_METHODS : OBJECT_METHODS;
}

function notAllowed(context: RequestContext): Problem {
  const { request: { method }, target: { path, isCollection: collection } } = context;
  const allow = methods(context);
  const shown = collection && path !== "/" ? `${path}/` : path;
  return new Problem(
    "method-not-allowed",
    `Cannot ${method} ${shown}: it takes ${allow}`,
    { allow },
  );
}
