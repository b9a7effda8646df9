/**
 * `/proc/trash`: the deleted worlds that the caller could read, newest first, and their final deletion.
 * What a caller cannot read costs it no time and is in no count. `PUT /home/x?trash=<id>` restores a
 * world, see `restore_world.ts`.
 */

import { assertCan, assertCanEach, canRead } from "../../auth/policy.ts";
import { limitReadScope, toReadScope } from "../../auth/read_scope.ts";
import { createTypeChooser } from "../../http/negotiate.ts";
import { encodePath } from "../../http/path.ts";
import { Problem } from "../../http/problem.ts";
import { readQueryNumber, readQueryValue } from "../../http/query.ts";
import { MAX_TRASH_PAGE_ENTRIES, TRASH_PAGE_ENTRIES } from "../../limits.ts";
import type { RequestContext } from "../../request/request_context.ts";
import type { ServerContext } from "../../request/server_context.ts";
import { jsonResponse, textResponse } from "../../response/json_response.ts";
import { respondShell } from "../../response/shell_page.ts";
import type { TrashEntry, TrashPosition } from "../../world/trash.ts";
import { deletedResponse } from "../world_responses.ts";
import { readPrefix } from "./collection_prefix.ts";

const HTML = "text/html";
const chooseType = createTypeChooser(["application/json", "text/plain", HTML], "application/json");

/**
 * `GET /proc/trash/<prefix>/?limit=&after=`: the deleted worlds below a prefix, newest first. A line of
 * the text has id, name, version, time and caller, separated by tabs; the JSON also has `expires_at`.
 *
 * @throws {Problem} `unauthorized`, `forbidden`, `not-found`, `bad-query`
 */
export async function listTrash(
  { store, config }: Pick<ServerContext, "store" | "config">,
  context: RequestContext,
): Promise<Response> {
  const name = readPrefix(context, "proc/trash", "the trash");
  const { request, target: { query }, caller } = context;
  const mediaType = chooseType(request.headers.get("accept"));
  if (mediaType === HTML) return await respondShell(store, request);
  const limit = readQueryNumber(query, "limit", MAX_TRASH_PAGE_ENTRIES) ?? TRASH_PAGE_ENTRIES;
  const sent = readQueryValue(query, "after");
  const after = sent === null ? undefined : parsePosition(sent);
  const within = limitReadScope(toReadScope(caller), name);
  const page = await store.listTrash({ within, limit, ...(after === undefined ? {} : { after }) });
  const entries = page.entries.filter((entry) => canRead(caller, `/${entry.name}`));
  const last = page.entries.at(-1);
  const path = `/proc/trash/${name === "" ? "" : `${encodePath(name)}/`}`;
  const headers: Record<string, string> = { vary: "Accept" };
  if (page.more && last !== undefined) {
    headers.link = `<${path}?limit=${limit}&after=${formatPosition(last)}>; rel="next"`;
  }
  if (mediaType === "application/json") {
    return jsonResponse(
      entries.map((entry) => ({ ...toRow(entry), ...toExpiry(entry, config.trashMs) })),
      headers,
    );
  }
  const lines = entries.map((entry) => `${Object.values(toRow(entry)).join("\t")}\n`);
  return textResponse(lines.join(""), headers);
}

/**
 * `DELETE /proc/trash/?id=<id>`: deletes the worlds of an id for good.
 *
 * @throws {Problem} `unauthorized`, `forbidden`, `bad-query`, `not-found`
 */
export async function expungeTrash(
  { store }: Pick<ServerContext, "store">,
  { caller, target: { query } }: RequestContext,
): Promise<Response> {
  assertCan(caller, "delete", "/proc/trash");
  const id = readQueryValue(query, "id");
  if (id === null) {
    throw new Problem(
      "bad-query",
      "Cannot delete from the trash: ?id= is missing; GET /proc/trash/ lists the ids",
    );
  }
  // One question for each name: a plugin never does it for accounts and sources.
  assertCanEach(caller, "delete", (await store.findTrash(id)).map(({ name }) => `/${name}`));
  const deleted = await store.expunge(id);
  if (deleted.length === 0) {
    throw new Problem(
      "not-found",
      `Cannot delete ${
        id.slice(0, 100)
      } from the trash: there is no such id; GET /proc/trash/ lists ` +
        "the ids",
    );
  }
  return deletedResponse(deleted.map(({ name, id: trash }) => ({ name, trash })));
}

function toRow({ id, name, version, deletedAt, by }: TrashEntry) {
  return { id, name, version, deleted_at: deletedAt, by };
}

/** When the server deletes the world for good; nothing if it never does. */
function toExpiry({ deletedAt }: TrashEntry, keepMs: number | undefined) {
  const at = new Date(Date.parse(deletedAt) + (keepMs ?? NaN));
  return Number.isNaN(at.getTime()) ? {} : { expires_at: at.toISOString() };
}

/** A place in the list as an opaque text. */
function formatPosition({ deletedAt, id, name }: TrashPosition): string {
  return new TextEncoder().encode(JSON.stringify([deletedAt, id, name]))
    .toBase64({ alphabet: "base64url", omitPadding: true });
}

function parsePosition(text: string): TrashPosition {
  try {
    const bytes = Uint8Array.fromBase64(text, { alphabet: "base64url" });
    const fields: unknown = JSON.parse(new TextDecoder().decode(bytes));
    if (Array.isArray(fields) && fields.length === 3) {
      const [deletedAt, id, name]: unknown[] = fields;
      if (typeof deletedAt === "string" && typeof id === "string" && typeof name === "string") {
        return { deletedAt, id, name };
      }
    }
  } catch {
    // Not a place; refused below.
  }
  throw new Problem(
    "bad-query",
    "Cannot read the trash: ?after= is not a place in the list; use the Link of a page",
  );
}
