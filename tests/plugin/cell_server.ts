/** A program with one cell that prints the id of the cell's process and waits to be killed. */

import { makeCell } from "./cell_fixture.ts";

const { cell, ask } = await makeCell(
  `export default { fetch: (r) => { if (r.url.endsWith("/busy")) for (;;); return new Response("ok"); } };`,
  { limits: { responseTimeoutMs: 60_000, heartbeatTimeoutMs: 60_000 } },
);
await cell.start();
const asked = ask(Deno.args[0] ?? "/ok");
await Promise.race([asked, new Promise((resolve) => setTimeout(resolve, 100))]);
console.log(cell.health().pid);
await new Promise((resolve) => setTimeout(resolve, 60_000));
