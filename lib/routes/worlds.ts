/**
 * Worlds over HTTP: the method is the action. This room turns an exchange into calls of the store
 * and the store's answers into responses; who may do it is asked of the policy first, always, and
 * nothing is looked up before that.
 */

import { require, visible } from "../auth/policy.ts";
import { seenBy } from "../auth/redact.ts";
import { passLocks } from "../dav/locks/lock_guard.ts";
import type { LockTable } from "../dav/locks/lock_table.ts";
import { precondition } from "../http/conditional.ts";
import { readBody } from "../http/read_body.ts";
import { type Exchange, hasQuery, queryNumber, queryValue } from "../request/request_context.ts";
import { respondListing, rowOf } from "../response/listing.ts";
import { chooser } from "../http/negotiate.ts";
import { encodePath } from "../http/path.ts";
import { Problem } from "../http/problem.ts";
import { hasText, represent, respond } from "../response/representation.ts";
import { respondShell } from "../response/shell_page.ts";
import { storeProblem } from "../response/store_problem.ts";
import type { Machine } from "../request/server_context.ts";
import { chooseExt } from "../world/media_type.ts";
import { handleState, pluginOfState } from "./plugin_state.ts";
import { collectMeta } from "../world/metadata.ts";
import { nameFault } from "../world/name.ts";
import type { Precondition, World } from "../world/store.ts";
import { answerWritten, deleted, unchanged } from "./world_responses.ts";

const OBJECT_METHODS = "GET, HEAD, PUT, POST, DELETE, OPTIONS";
const COLLECTION_METHODS = "GET, HEAD, DELETE, OPTIONS";
const NAMESPACE_METHODS = "GET, HEAD, OPTIONS";
/** Worlds removed at a time when a whole collection goes. */
const REMOVE_STEP = 64;

const HTML = "text/html";
const TEXT = "text/plain";
const JSON_TYPE = "application/json";
const chooseForm = chooser([JSON_TYPE, TEXT, HTML], JSON_TYPE);
const chooseBinaryForm = chooser([JSON_TYPE, HTML], JSON_TYPE);
const chooseListing = chooser([TEXT, JSON_TYPE, HTML], TEXT);

/** Handles every request for a path in one of the namespaces that hold worlds. */
export class WorldRoutes {
  readonly #machine: Machine;
  readonly #locks: LockTable;

  /** @param locks what WebDAV clients hold, which no plain write gets past without their token */
  constructor(machine: Machine, locks: LockTable) {
    this.#machine = machine;
    this.#locks = locks;
  }

  /**
   * Answers one request.
   *
   * @throws {Problem}
   */
  handle(exchange: Exchange): Promise<Response> | Response {
    const { request, target, caller } = exchange;
    const plugin = pluginOfState(target.name);
    if (plugin !== undefined) return handleState(this.#machine, exchange, plugin);
    switch (request.method) {
      case "GET":
      case "HEAD": {
        require(caller, "read", target.path);
        if (target.collection) return this.#list(exchange);
        const hot = this.#machine.store.peek(target.name);
        if (hot !== undefined && (target.query === "" || target.query === "raw")) {
          return this.#send(exchange, seenBy(caller, hot), target.query === "raw");
        }
        return this.#read(exchange);
      }
      case "PUT":
        return this.#put(exchange);
      case "POST":
        return this.#append(exchange);
      case "DELETE":
        return target.collection ? this.#removeAll(exchange) : this.#remove(exchange);
      case "OPTIONS":
        return new Response(null, { status: 204, headers: { "allow": methods(exchange) } });
      default:
        throw notAllowed(exchange);
    }
  }

  /** A world's representation; the hot path ends here. */
  #send(exchange: Exchange, world: World, raw: boolean): Response | Promise<Response> {
    const { request } = exchange;
    if (raw) return respond(request, represent(world, "raw"), true);
    const accept = request.headers.get("accept");
    let form = chooseForm(accept);
    if (form === TEXT && !hasText(world)) form = chooseBinaryForm(accept);
    if (form === HTML) return respondShell(this.#machine.store, request, { world });
    return respond(request, represent(world, form === TEXT ? "text" : "json"), false);
  }

  async #read(exchange: Exchange): Promise<Response> {
    const { target, caller } = exchange;
    const { name, path, query } = target;
    const raw = hasQuery(query, "raw");
    const at = queryNumber(query, "at", Number.MAX_SAFE_INTEGER);
    const known = queryNumber(query, "v", Number.MAX_SAFE_INTEGER);
    const { store } = this.#machine;
    const namespace = !name.includes("/");
    if (!namespace) {
      mustFit(name, path, "read");
      try {
        const world = at === undefined ? await store.read(name) : await store.readAt(name, at);
        if (world !== undefined) {
          const answer = await this.#send(exchange, seenBy(caller, world), raw);
          const has = known === world.version && at === undefined;
          return has && answer.ok ? unchanged(answer) : answer;
        }
      } catch (error) {
        throw storeProblem(error, at === undefined ? "read" : `read version ${at} of`, path);
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
    if (chooseListing(exchange.request.headers.get("accept")) !== HTML) return this.#list(exchange);
    return new Response(null, {
      status: 302,
      headers: { "location": `${encodePath(path)}/`, "vary": "Accept" },
    });
  }

  async #list(exchange: Exchange): Promise<Response> {
    const { request, target, caller } = exchange;
    const { name, path } = target;
    const { store } = this.#machine;
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
    const shown = children.filter((child) => visible(caller, `${path}/${child.name}`));
    return respondListing(request, shown.map(rowOf), form);
  }

  async #put(exchange: Exchange): Promise<Response> {
    const { request, target, caller } = exchange;
    const { name, path, query } = target;
    require(caller, "write", path);
    mustBeObject(exchange);
    mustFit(name, path, "write");
    if (request.headers.has("content-range")) {
      throw new Problem(
        "bad-header",
        `Cannot write a part of ${path}: Content-Range was sent; send the whole content (RFC 9110 §14.5)`,
      );
    }
    const from = queryNumber(query, "from", Number.MAX_SAFE_INTEGER);
    const meta = collectMeta(request.headers);
    if ("fault" in meta) {
      throw new Problem("bad-metadata", `Cannot write ${path}: ${meta.fault}; nothing was stored`);
    }
    const demanded = precondition(request.headers);
    const body = await readBody(request, this.#machine.config.maxBody);
    passLocks(this.#locks, this.#machine.store, exchange, false);
    if (from !== undefined) return await this.#bringBack(exchange, from, body);
    const chosen = chooseExt({
      queryExt: queryValue(query, "ext"),
      contentType: request.headers.get("content-type"),
      name,
      body,
    });
    if ("fault" in chosen) {
      throw new Problem("bad-query", `Cannot write ${path}: ${chosen.fault}; nothing was stored`);
    }
    const written = await this.#attempt("write", path, () =>
      this.#machine.store.put({
        name,
        body,
        ext: chosen.ext,
        meta: meta.meta,
        by: caller.by,
        state: bornState(name),
        ...(demanded === undefined ? {} : { precondition: demanded }),
      }));
    return answerWritten(path, written);
  }

  async #bringBack(exchange: Exchange, from: number, body: Uint8Array): Promise<Response> {
    const { request, target: { name, path }, caller } = exchange;
    if (body.length > 0) {
      throw new Problem(
        "bad-body",
        `Cannot bring back version ${from} of ${path}: content was sent as well; send none`,
      );
    }
    const demanded = precondition(request.headers);
    const written = await this.#attempt(`bring back version ${from} of`, path, async () => {
      const past = await this.#machine.store.readAt(name, from);
      return await this.#machine.store.put({
        name,
        body: past.body,
        ext: past.ext,
        meta: past.meta,
        by: caller.by,
        state: bornState(name),
        facts: { from_version: from },
        ...(demanded === undefined ? {} : { precondition: demanded }),
      });
    });
    return answerWritten(path, written);
  }

  async #append(exchange: Exchange): Promise<Response> {
    const { request, target, caller } = exchange;
    const { name, path, query } = target;
    require(caller, "write", path);
    mustBeObject(exchange);
    mustFit(name, path, "append to");
    const demanded = precondition(request.headers);
    const body = await readBody(request, this.#machine.config.maxBody);
    const chosen = chooseExt({
      queryExt: queryValue(query, "ext"),
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
    passLocks(this.#locks, this.#machine.store, exchange, false);
    const written = await this.#attempt("append to", path, () =>
      this.#machine.store.append({
        name,
        body,
        ext: chosen.ext,
        by: caller.by,
        state: bornState(name),
        ...(demanded === undefined ? {} : { precondition: demanded }),
      }));
    return answerWritten(path, written);
  }

  async #remove(exchange: Exchange): Promise<Response> {
    const { request, target: { name, path }, caller } = exchange;
    require(caller, "delete", path);
    mustBeObject(exchange);
    mustFit(name, path, "delete");
    const demanded = precondition(request.headers);
    const { store } = this.#machine;
    if (store.stat(name) === undefined && store.isCollection(name)) {
      throw new Problem(
        "not-found",
        `Cannot delete ${path}: it is a collection only; DELETE ${path}/ deletes every world below it`,
      );
    }
    passLocks(this.#locks, store, exchange, true);
    await this.#attempt("delete", path, () =>
      store.remove({
        name,
        by: caller.by,
        ...(demanded === undefined ? {} : { precondition: demanded }),
      }));
    return deleted([name]);
  }

  async #removeAll(exchange: Exchange): Promise<Response> {
    const { request, target: { name, path }, caller } = exchange;
    require(caller, "delete", path);
    if (!name.includes("/")) throw notAllowed(exchange);
    mustBeUnconditional(precondition(request.headers), path);
    const { store } = this.#machine;
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
    passLocks(this.#locks, store, exchange, true);
    const gone: string[] = [];
    for (let at = 0; at < upper.length; at += REMOVE_STEP) {
      const step = upper.slice(at, at + REMOVE_STEP);
      const done = await Promise.all(step.map((entry) => this.#removeOne(entry.name, caller.by)));
      gone.push(...done.filter((found) => found !== undefined));
    }
    await this.#unmark(name);
    return deleted(gone);
  }

  /** Takes away what WebDAV clients made below a collection, empty ones in empty ones, and itself. */
  async #unmark(name: string): Promise<void> {
    const { store } = this.#machine;
    for (const child of await store.list(name)) {
      if (child.dir) await this.#unmark(`${name}/${child.name}`);
    }
    await store.mark(name, false);
  }

  /** One world of a collection; one that somebody else deleted meanwhile is as gone as can be. */
  async #removeOne(name: string, by: string): Promise<string | undefined> {
    try {
      await this.#machine.store.remove({ name, by });
      return name;
    } catch (error) {
      const problem = storeProblem(error, "delete", `/${name}`);
      if (problem instanceof Problem && problem.status === 404) return undefined;
      throw problem;
    }
  }

  async #attempt<T>(action: string, path: string, act: () => Promise<T>): Promise<T> {
    try {
      return await act();
    } catch (error) {
      throw storeProblem(error, action, path);
    }
  }
}

/** The state a write leaves a world in: plugin sources wait for approval. */
function bornState(name: string): string {
  return name.startsWith("lib/") ? "pending" : "";
}

function mustFit(name: string, path: string, action: string): void {
  const fault = nameFault(name);
  if (fault !== undefined) {
    throw new Problem("bad-name", `Cannot ${action} ${path}: as a world's name ${fault}`);
  }
}

function mustBeObject(exchange: Exchange): void {
  const { name, collection } = exchange.target;
  if (collection || !name.includes("/")) throw notAllowed(exchange);
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
function mustBeUnconditional(demanded: Precondition | undefined, path: string): void {
  if (demanded === undefined) return;
  const { match, noneMatch, unmodifiedSince } = demanded;
  if (match === "*" && noneMatch === undefined && unmodifiedSince === undefined) return;
  throw new Problem(
    "precondition-failed",
    `Cannot delete ${path}/: no condition on a whole collection can be kept; ` +
      "delete its worlds one by one, each with its own",
  );
}

function methods({ target: { name, collection } }: Exchange): string {
  if (!name.includes("/")) return NAMESPACE_METHODS;
  return collection ? COLLECTION_METHODS : OBJECT_METHODS;
}

function notAllowed(exchange: Exchange): Problem {
  const { request: { method }, target: { path, collection } } = exchange;
  const allow = methods(exchange);
  const shown = collection && path !== "/" ? `${path}/` : path;
  return new Problem(
    "method-not-allowed",
    `Cannot ${method} ${shown}: it takes ${allow}`,
    { allow },
  );
}
