/**
 * The one order of all changes over HTTP: `/proc/log/<prefix>/`, newest first, and `/proc/changes`,
 * oldest first from a cursor. A caller gets only events of worlds that it can read. What it cannot read
 * costs it no time and is in no count.
 */

import { parseRfc3339 } from "../../base/rfc3339.ts";
import type { Caller } from "../../auth/caller.ts";
import { canRead } from "../../auth/policy.ts";
import { limitReadScope, toReadScope } from "../../auth/read_scope.ts";
import { showEvent, showMove } from "../../auth/redact.ts";
import { encodePath } from "../../http/path.ts";
import { createTypeChooser } from "../../http/negotiate.ts";
import { Problem } from "../../http/problem.ts";
import { readQueryNumber, readQueryValue } from "../../http/query.ts";
import { CHANGES_PER_PAGE, MAX_CHANGES_PER_PAGE, MAX_WAIT_SECONDS } from "../../limits.ts";
import { toJobCaller } from "../../request/job_caller.ts";
import type { RequestContext } from "../../request/request_context.ts";
import type { ServerContext } from "../../request/server_context.ts";
import { readPrefix } from "./collection_prefix.ts";
import { jsonResponse } from "../../response/json_response.ts";
import { respondShell } from "../../response/shell_page.ts";
import type { ChangePage, ChangeQuery, IndexedEvent } from "../../world/changes.ts";
import { type JobCaller, type Published, type Store, StoreError } from "../../world/store.ts";
import type { Waits } from "../stream/waits.ts";

const HTML = "text/html";
const chooseType = createTypeChooser(["application/json", HTML], "application/json");

/** A row of both routes. */
interface ChangeRow {
  readonly cursor: string;
  readonly name: string;
  readonly id: number;
  readonly timestamp: string;
  readonly type: string;
  readonly payload: unknown;
}

/**
 * `GET /proc/log/<prefix>/?limit=&before=&since=&by=`: the events of the worlds below a prefix, newest
 * first, one page at a time. A browser gets the page of the shell.
 *
 * @throws {Problem} `unauthorized`, `forbidden`, `not-found`, `gone`, `bad-query`
 * @throws {StoreError} `busy` if too many logs with `by` are being read
 */
export async function readCollectionLog(
  { store }: Pick<ServerContext, "store">,
  context: RequestContext,
): Promise<Response> {
  const name = readPrefix(context, "proc/log", "the changes");
  const { request, target: { query }, caller } = context;
  if (chooseType(request.headers.get("accept")) === HTML) return await respondShell(store, request);
  const limit = readLimit(query);
  const before = readQueryValue(query, "before");
  const since = readQueryValue(query, "since");
  const by = readQueryValue(query, "by");
  const page = await readPage(store, caller, name, {
    order: "newest",
    limit,
    ...(before === null ? {} : { from: before }),
    ...(since === null ? {} : { since: parseRfc3339(since) ?? since }),
    ...(by === null ? {} : { by }),
  }, toJobCaller(context));
  const rest = new URLSearchParams({ before: page.cursor, limit: String(limit) });
  if (since !== null) rest.set("since", since);
  if (by !== null) rest.set("by", by);
  const next = `/proc/log/${name === "" ? "" : `${encodePath(name)}/`}?${rest}`;
  const link = page.more ? { "link": `<${next}>; rel="next"` } : {};
  return jsonResponse(page.rows, { "vary": "Accept", ...link });
}

/**
 * `GET /proc/changes/<prefix>/?after=&limit=&wait=`: the events of the worlds below a prefix, oldest
 * first, from a cursor. Without `after` it starts at the beginning; `after=now` starts at the end.
 *
 * @throws {Problem} `unauthorized`, `forbidden`, `not-found`, `gone`, `bad-query`, `too-many-requests`,
 * `unavailable`
 */
export async function readChanges(
  { store }: Pick<ServerContext, "store">,
  waits: Waits,
  context: RequestContext,
): Promise<Response> {
  const name = readPrefix(context, "proc/changes", "the changes");
  const { target: { query }, caller } = context;
  const limit = readLimit(query);
  const seconds = readQueryNumber(query, "wait", MAX_WAIT_SECONDS) ?? 0;
  const after = readQueryValue(query, "after");
  let from = after === "now" ? await findEnd(store, caller, name) : after ?? undefined;
  const found = await waits.until(context, {
    seconds: context.request.method === "HEAD" ? 0 : seconds,
    async look() {
      for (;;) {
        const page = await readPage(store, caller, name, {
          order: "oldest",
          limit,
          ...(from === undefined ? {} : { from }),
        });
        from = page.cursor;
        if (page.rows.length > 0) return page;
        if (!page.more) return undefined;
      }
    },
    subscribe: (wake) =>
      store.follow(name === "" ? "/" : `${name}/`, (published) => {
        if (concerns(caller, published)) wake();
      }),
  });
  return jsonResponse({ changes: found?.rows ?? [], cursor: from });
}

/** The position of the newest change that a caller can see. */
async function findEnd(
  store: Pick<Store, "changes">,
  caller: Caller,
  name: string,
): Promise<string> {
  return (await readPage(store, caller, name, { order: "newest", limit: 1 })).cursor;
}

/** Whether a caller can see that events of a world were indexed. */
function concerns(caller: Caller, { name }: Published): boolean {
  return canRead(caller, `/${name}`);
}

/** A page as a caller can see it. */
interface VisiblePage extends Omit<ChangePage, "events"> {
  readonly rows: readonly ChangeRow[];
}

async function readPage(
  store: Pick<Store, "changes">,
  caller: Caller,
  name: string,
  query: Omit<ChangeQuery, "within">,
  job?: JobCaller,
): Promise<VisiblePage> {
  const within = limitReadScope(toReadScope(caller), name);
  try {
    const { events, cursor, more } = await store.changes({ ...query, within }, job);
    const rows = events.flatMap((event) => toRow(caller, name, event));
    return { rows, cursor, more };
  } catch (error) {
    if (!(error instanceof StoreError) || error.code !== "gone") throw error;
    const cursor = (query.from ?? "").slice(0, 40);
    const restart = query.order === "newest"
      ? "start without ?before="
      : "?after=now gives a new one";
    throw new Problem(
      "gone",
      `Cannot continue at the cursor ${cursor}: the server does not know it, or a power loss took the ` +
        `changes after it; read the worlds again, then ${restart}`,
    );
  }
}

/** Returns an event as a caller can see it; nothing if it can read neither name. */
function toRow(caller: Caller, prefix: string, event: IndexedEvent): ChangeRow[] {
  const { name, also } = event;
  if (canRead(caller, `/${name}`)) return [toChangeRow(showEvent(caller, name, event))];
  if (also === undefined || !canRead(caller, `/${also}`)) return [];
  if (prefix !== "" && !also.startsWith(`${prefix}/`)) return [];
  return [toChangeRow(showMove(caller, also, event))];
}

function toChangeRow({ cursor, name, id, timestamp, type, payload }: IndexedEvent): ChangeRow {
  return { cursor, name, id, timestamp, type, payload };
}

function readLimit(query: string): number {
  return readQueryNumber(query, "limit", MAX_CHANGES_PER_PAGE) ?? CHANGES_PER_PAGE;
}
