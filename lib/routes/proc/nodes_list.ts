/** `/proc/nodes`: the servers that share the store, as each has reported itself. */

import { assertCan, readsAllPluginWords } from "../../auth/policy.ts";
import { createTypeChooser } from "../../http/negotiate.ts";
import type { RequestContext } from "../../request/request_context.ts";
import type { ServerContext } from "../../request/server_context.ts";
import { jsonResponse, textResponse } from "../../response/json_response.ts";
import type { NodeEntry } from "../../world/coordination.ts";

const chooseType = createTypeChooser(["application/json", "text/plain"], "application/json");

/**
 * Answers a GET or HEAD of `/proc/nodes`: a JSON array in the order of names, or one line per server. A
 * server with a data folder is the only row, without a name. Addresses are for T3.
 */
export async function listNodes(
  { store, version, now }: Pick<ServerContext, "store" | "version" | "now">,
  { request, caller }: RequestContext,
): Promise<Response> {
  assertCan(caller, "read", "/proc/nodes");
  const isOperator = readsAllPluginWords(caller);
  const rows = (await store.coordination.nodes()).map((node) => {
    const plugins = Object.values(node.plugins);
    return {
      id: node.id,
      ...(isOperator && node.url !== "" ? { url: node.url } : {}),
      version: node.version === "" ? version : node.version,
      readable: node.readable,
      ...seconds("lease_age", node.leaseAgeMs),
      ...seconds("feed_lag", node.feedLagMs),
      plugins: {
        up: plugins.filter(({ up }) => up).length,
        failed: plugins.filter(({ up }) => !up).length,
      },
      seen_at: new Date(now() - node.ageMs).toISOString(),
    };
  });
  const headers = { "vary": "Accept" };
  if (chooseType(request.headers.get("accept")) !== "text/plain") {
    return jsonResponse(rows, headers);
  }
  const lines = rows.map(({ id, version, readable, seen_at }) =>
    `${id === "" ? "-" : id}\t${version}\t${readable ? "readable" : "lost"}\t${seen_at}\n`
  );
  return textResponse(lines.join(""), headers);
}

function seconds(name: string, ms: NodeEntry["leaseAgeMs"]): Readonly<Record<string, number>> {
  return ms === undefined ? {} : { [name]: ms / 1000 };
}
