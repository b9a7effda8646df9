/**
 * `deno task bench:dispatch`: the cost of the router for a read of a world in memory. Two servers differ
 * only in the router. They are under load in turn, so that other load on the computer affects both.
 * If the aim is missed, reads from memory should bypass the router. Needs `wrk`.
 */

import { load } from "./load.ts";
import { start } from "./process.ts";
import { median, report } from "./report.ts";
import { freePort } from "../support/free_port.ts";

const PAIRS = 9;
const SECONDS = 2;
const AIM = ">= 0.92";
const PROGRAM = new URL("./dispatch_server.ts", import.meta.url).pathname;
const CONFIG = new URL("../../deno.json", import.meta.url).pathname;

function startServer(mode: "router" | "direct") {
  const port = freePort();
  const data = Deno.makeTempDirSync({ prefix: "elastik-bench-" });
  return start(port, "/home/x", {
    args: ["run", "-A", "--config", CONFIG, PROGRAM, mode, String(port), data],
  });
}

await using router = await startServer("router");
await using direct = await startServer("direct");

const response = await fetch(`${router.url}/home/x`);
await response.body?.cancel();
const etag = response.headers.get("etag") ?? "";

for (
  const [what, path, headers] of [
    ["GET ?raw", "/home/x?raw", {}],
    ["GET as JSON", "/home/x", {}],
    ["GET answered 304", "/home/x", { "if-none-match": etag }],
  ] as const
) {
  const ratios: number[] = [];
  const rates: number[] = [];
  for (let pair = 0; pair < PAIRS; pair++) {
    const order = pair % 2 === 0 ? [router, direct] : [direct, router];
    const found = new Map<typeof router, number>();
    for (const server of order) {
      const { perSecond } = await load(`${server.url}${path}`, { seconds: SECONDS, headers });
      found.set(server, perSecond);
    }
    rates.push(found.get(router) ?? 0);
    ratios.push((found.get(router) ?? 0) / (found.get(direct) ?? 1));
  }
  const rate = median(rates);
  report({ what, found: rate, unit: "/s", limit: rate / median(ratios), aim: AIM });
}
