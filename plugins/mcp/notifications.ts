/**
 * What streams send: `subscriptions/listen` of the stateless version, and the stream of a session. Both
 * follow the changes of the server only while a client listens.
 */

import { isRecord } from "../kit/json_record.ts";
import { type ChangedWorlds, commonCollection, readChangedWorlds } from "./changes.ts";
import {
  type Members,
  notificationMessage,
  resultMessage,
  RPC_CODES,
  RpcError,
  type RpcId,
} from "./json_rpc.ts";
import { HEARTBEAT_SECONDS, MAX_SUBSCRIPTIONS } from "./limits.ts";
import { META_KEYS, SERVER_INFO } from "./protocol.ts";
import { type ServerCaller, ServerRefusal } from "./server_call.ts";
import type { SessionStream, Subscriptions } from "./sessions.ts";
import { HEARTBEAT, messageEvent, pause } from "./streams.ts";
import { type NamedPath, readUri } from "./world_path.ts";

/** Changes that follow one another quickly are reported together, after this time in milliseconds. */
const COLLECT_MS = 100;
/** Longest wait after the server asked to try again later, in milliseconds. */
const MAX_RETRY_MS = 30_000;
/** A cursor that a client sends back as `Last-Event-ID`. */
const CURSOR = /^[\x21-\x7e]{1,256}$/;

/** What a client of the stateless version listens to. */
export interface Listening {
  /** Id of the request. */
  readonly id: RpcId;
  /** Names of worlds, each with the URI as the client wrote it. */
  readonly uris: ReadonlyMap<string, string>;
  /** Whether new, moved and deleted worlds below the prefix are reported. */
  readonly isListWanted: boolean;
  /** The collection that contains all of them. */
  readonly prefix: NamedPath;
  /** Position of the last change before; undefined if nothing is watched. */
  readonly cursor?: string;
}

/**
 * Reads the parameters of `subscriptions/listen`.
 *
 * @throws {RpcError} they are not what the protocol defines, or have too many URIs
 */
export function readListenFilter(
  params: Members,
): { readonly uris: ReadonlyMap<string, string>; readonly isListWanted: boolean } {
  const filter = params["notifications"];
  const given = isRecord(filter) ? filter["resourceSubscriptions"] ?? [] : undefined;
  if (!isRecord(filter) || !Array.isArray(given) || given.length > MAX_SUBSCRIPTIONS) {
    throw new RpcError(
      RPC_CODES.invalidParams,
      'Cannot listen: "notifications" is not an object whose "resourceSubscriptions", if there are any, ' +
        `are a list of at most ${MAX_SUBSCRIPTIONS} URIs`,
    );
  }
  const uris = new Map<string, string>();
  for (const uri of given) {
    const path = typeof uri === "string" ? readUri(uri) : undefined;
    // The acknowledgment leaves out what cannot be a world.
    if (path === undefined || "fault" in path || path.isCollection) continue;
    uris.set(path.name, uri);
  }
  return { uris, isListWanted: filter["resourcesListChanged"] === true };
}

/** Makes the events of `subscriptions/listen`: the acknowledgment first, then one per change. */
export async function* listenEvents(
  { id, uris, isListWanted, prefix, cursor: start }: Listening,
  caller: Omit<ServerCaller, "client">,
): AsyncGenerator<string, void, void> {
  const meta = { [META_KEYS.subscription]: id };
  const send = (method: string, params: Record<string, unknown>): string =>
    messageEvent(notificationMessage(method, { _meta: meta, ...params }));
  let cursor = start;
  yield send("notifications/subscriptions/acknowledged", {
    notifications: {
      ...(isListWanted && { resourcesListChanged: true }),
      ...(uris.size > 0 && { resourceSubscriptions: [...uris.values()] }),
    },
  });
  while (!caller.signal.aborted) {
    const changed = cursor === undefined
      ? await idle(caller.signal)
      : await nextChanges(caller, prefix, cursor);
    if (changed === "ended") break;
    if (changed === "nothing") {
      yield HEARTBEAT;
      continue;
    }
    cursor = changed.cursor;
    if (changed.names.size === 0 && !changed.isIncomplete) yield HEARTBEAT;
    for (const uri of changedUris(uris, changed)) {
      yield send("notifications/resources/updated", { uri });
    }
    if (isListWanted && (changed.isListChanged || changed.isIncomplete)) {
      yield send("notifications/resources/list_changed", {});
    }
  }
  if (caller.signal.aborted) return;
  const result = {
    resultType: "complete",
    _meta: { ...meta, [META_KEYS.serverInfo]: SERVER_INFO },
  };
  yield messageEvent(resultMessage(id, result));
}

/**
 * Makes the events of the stream of a session. The id of an event is the position of the change, so a
 * client that sends it back as `Last-Event-ID` misses nothing.
 *
 * @param stream receives the function that makes this stream look at the subscriptions again
 * @param lastEventId where to continue; null begins where the session was
 * @param isPrimed whether the first event is one without data, whose id is the current position
 */
export async function* sessionEvents(
  subscriptions: Subscriptions,
  stream: SessionStream,
  caller: Omit<ServerCaller, "client">,
  lastEventId: string | null,
  isPrimed: boolean,
): AsyncGenerator<string, void, void> {
  const { signal } = caller;
  if (lastEventId !== null && CURSOR.test(lastEventId)) subscriptions.cursor = lastEventId;
  if (isPrimed && subscriptions.cursor !== undefined) {
    yield `id: ${subscriptions.cursor}\ndata: \n\n`;
  }
  while (!signal.aborted) {
    const round = new AbortController();
    stream.wake = () => round.abort();
    const current = AbortSignal.any([signal, round.signal]);
    const { uris, cursor } = subscriptions;
    const changed = uris.size === 0 || cursor === undefined
      ? await idle(current)
      : await nextChanges({ ...caller, signal: current }, commonCollection(uris.keys()), cursor);
    if (round.signal.aborted) continue; // the subscriptions have changed
    if (changed === "ended") return;
    if (changed === "nothing") {
      yield HEARTBEAT;
      continue;
    }
    const sent = [...changedUris(uris, changed)];
    if (sent.length === 0) yield HEARTBEAT;
    for (const [i, uri] of sent.entries()) {
      const message = notificationMessage("notifications/resources/updated", { uri });
      // Only the last one has an id: a client that continues there has received all of them.
      yield messageEvent(message, i === sent.length - 1 ? changed.cursor : undefined);
    }
    subscriptions.cursor = changed.cursor;
  }
}

/** Waits for the next changes; `ended` if the caller cannot read them any more. */
async function nextChanges(
  caller: Omit<ServerCaller, "client">,
  prefix: NamedPath,
  after: string,
): Promise<ChangedWorlds | "nothing" | "ended"> {
  try {
    const first = await readChangedWorlds(caller, prefix, after);
    if (first.isIncomplete) return first;
    if (first.names.size === 0) return first;
    await pause(COLLECT_MS, caller.signal);
    const more = await readChangedWorlds(caller, prefix, first.cursor, 0);
    return {
      names: first.names.union(more.names),
      isListChanged: first.isListChanged || more.isListChanged,
      cursor: more.cursor,
      isIncomplete: more.isIncomplete,
    };
  } catch (error) {
    if (caller.signal.aborted) return "ended";
    if (!(error instanceof ServerRefusal)) throw error;
    if (error.status !== 429 && error.status !== 503) return "ended";
    const seconds = Number(error.retryAfter ?? 1);
    await pause(Math.min(Math.max(seconds * 1000 || 0, 1000), MAX_RETRY_MS), caller.signal);
    return "nothing";
  }
}

async function idle(signal: AbortSignal): Promise<"nothing"> {
  await pause(HEARTBEAT_SECONDS * 1000, signal);
  return "nothing";
}

/** The URIs of the worlds that have changed; all if some changes are unknown. */
function* changedUris(
  uris: ReadonlyMap<string, string>,
  { names, isIncomplete }: ChangedWorlds,
): Generator<string> {
  for (const [name, uri] of uris) if (isIncomplete || names.has(name)) yield uri;
}
