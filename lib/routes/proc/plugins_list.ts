/**
 * `/proc/plugins`: every plugin that the caller can read, with its state, its routes and its health, so
 * that an overview needs one request. `/lib/<name>/state` has all facts of one plugin.
 */

import { assertCan, decide } from "../../auth/policy.ts";
import { createTypeChooser } from "../../http/negotiate.ts";
import { SHORT_LISTING_ROWS } from "../../limits.ts";
import type { RequestContext } from "../../request/request_context.ts";
import type { ServerContext } from "../../request/server_context.ts";
import { jsonResponse, textResponse } from "../../response/json_response.ts";
import { sharedListingsOf } from "../../response/shared_listings.ts";
import { respondShell } from "../../response/shell_page.ts";
import { selectListing } from "../listing/listing_selection.ts";

const HTML = "text/html";
const chooseType = createTypeChooser(["application/json", "text/plain", HTML], "application/json");
/** Members of `/lib/<name>/state` that the list has, too. */
const MEMBERS = ["up", "description", "routes", "auth", "fallback", "health", "fault"] as const;

/**
 * Answers a GET or HEAD of `/proc/plugins`: a JSON array in the order of names, or one line per plugin
 * for a client that prefers text.
 */
export async function listPlugins(
  { store, plugins }: Pick<ServerContext, "store" | "plugins">,
  context: RequestContext,
): Promise<Response> {
  const { request, caller } = context;
  assertCan(caller, "read", "/proc/plugins");
  const type = chooseType(request.headers.get("accept"));
  if (type === HTML) return await respondShell(store, request);
  const page = { deep: false, order: "name", limit: SHORT_LISTING_ROWS } as const;
  const { slices } = sharedListingsOf(store);
  const { rows } = await selectListing(store, caller, "lib", page, slices);
  const found = rows.flatMap(({ child: { name, entry } }) => {
    if (entry === undefined || entry.layer === "lower") return [];
    const world = `lib/${name}`;
    const all = plugins.admin.describe(world, decide(caller, "activate", `/${world}`).allowed);
    const members = MEMBERS.filter((member) => Object.hasOwn(all, member))
      .map((member) => [member, all[member]] as const);
    const { state, version, updatedAt } = entry;
    const up = all.up === true;
    return [{
      name,
      state,
      version,
      updated_at: updatedAt,
      up,
      ...Object.fromEntries(members),
    }];
  });
  const headers = { "vary": "Accept" };
  if (type !== "text/plain") return jsonResponse(found, headers);
  const lines = found.map(({ name, state, up }) => `${name}\t${state}\t${up ? "up" : "down"}\n`);
  return textResponse(lines.join(""), headers);
}
