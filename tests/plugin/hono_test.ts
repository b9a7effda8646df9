/** Test of a Hono app, bundled to one file, as a plugin. */

import { assert, assertEquals } from "../support/assert.ts";
import { CELL_LIMITS } from "../../lib/cell_limits.ts";
import { probeManifest } from "../../lib/plugin/host/probe_manifest.ts";
import { LAUNCHES, withCell } from "./cell_fixture.ts";

const APP = `
import { Hono } from "npm:hono@4.13.19";
import { streamSSE } from "npm:hono@4.13.19/streaming";
import { cors } from "npm:hono@4.13.19/cors";
export const routes = ["/api"];
const app = new Hono();
app.use(cors());
app.get("/api/hello/:name", (c) => c.json({ hello: c.req.param("name"), tier: c.env.caller.tier }));
app.post("/api/echo", async (c) => { c.executionCtx.waitUntil(Promise.resolve()); return c.text(await c.req.text()); });
app.get("/api/events", (c) => streamSSE(c, async (s) => { for (let i = 0; i < 3; i++) await s.writeSSE({ data: String(i) }); }));
app.onError((_, c) => c.text("caught", 500));
app.get("/api/boom", () => { throw new Error("boom"); });
export default app;
`;

Deno.test("probeManifest() and Cell accept a Hono app that is bundled to one file", async () => {
  const folder = await Deno.makeTempDir();
  try {
    await Deno.writeTextFile(`${folder}/app.ts`, APP);
    const bundled = await new Deno.Command(Deno.execPath(), {
      args: ["bundle", "--quiet", "--minify", "-o", `${folder}/app.js`, `${folder}/app.ts`],
      stdout: "null",
      stderr: "piped",
    }).output();
    assert(bundled.success, new TextDecoder().decode(bundled.stderr));
    const source = await Deno.readTextFile(`${folder}/app.js`);
    const { manifest } = await probeManifest({
      name: "hono",
      code: source,
      startCell: LAUNCHES.process,
      limits: CELL_LIMITS,
      now: Date.now,
      routeFault: () => undefined,
      readConfig: () => Promise.resolve(undefined),
    });
    assertEquals(manifest.routes, ["/api"]);
    await withCell(source, {}, async ({ ask, text }) => {
      const hello = await ask("/api/hello/ada");
      assertEquals(await hello.json(), { hello: "ada", tier: "T2" });
      // The server withholds the headers of the cors middleware.
      assertEquals(hello.headers.get("access-control-allow-origin"), null);
      assertEquals(await text("/api/echo", { method: "POST", body: "ü" }), "ü");
      assertEquals(await text("/api/events"), "data: 0\n\ndata: 1\n\ndata: 2\n\n");
      assertEquals((await ask("/api/boom")).status, 500);
      assertEquals((await ask("/api/none")).status, 404);
    });
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
