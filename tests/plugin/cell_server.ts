/**
 * A program with one cell, for a test that kills the program. It sends the cell a request for the path
 * in its argument and prints the id of the cell's process.
 */

import { makeCell, until, WAIT_MS } from "./cell_fixture.ts";

const { cell, ask, lines } = await makeCell(
  `export default { async fetch(request) {
    console.log("started");
    await new Promise((resolve) => setTimeout(resolve, 1));
    if (request.url.endsWith("/busy")) for (;;);
    return new Response("ok");
  } };`,
  { limits: { responseTimeoutMs: 10 * WAIT_MS, heartbeatTimeoutMs: 10 * WAIT_MS } },
);
await cell.start();
void ask(Deno.args[0] ?? "/ok");
await until(() => lines.includes("log started"), WAIT_MS, "the plugin has the request");
console.log(cell.health().pid);
await new Promise((resolve) => setTimeout(resolve, 10 * WAIT_MS));
