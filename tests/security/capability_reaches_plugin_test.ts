/**
 * Property: a capability reaches a plugin only if it covers the path of the request, if the route is of
 * tier T1 and not a mount, or if the manifest says `subject = true` and the capability covers the path
 * after the route. Names of mounts and paths that look like worlds give no right.
 */

import { assertEquals, assertStrictEquals } from "../support/assert.ts";
import { putWorld, withPluginServer } from "../support/plugin_server.ts";
import { bearer } from "../support/test_server.ts";

/** A plugin that returns the method and path that it was called with. */
function source(manifest: Record<string, unknown>): string {
  return Object.entries(manifest).map(([name, value]) =>
    `export const ${name} = ${JSON.stringify(value)};\n`
  ).join("") +
    `export default { fetch: (r) => new Response("called " + r.method + " " + new URL(r.url).pathname) };\n`;
}

const PLUGINS = [
  ["ops", source({ routes: ["/ops"], auth: "T2" })],
  ["open", source({ routes: ["/open"], auth: "T1" })],
  ["granted", source({ routes: ["/granted"], auth: "T1", grants: { "/home/g": "r" } })],
  ["about", source({ routes: ["/about"], auth: "T2", subject: true })],
  ["high", source({ routes: ["/high"], auth: "T3", subject: true })],
  ["mounts", source({ routes: ["/mnt"], auth: "T1" })],
] as const;

Deno.test("a capability calls only the plugins that it reaches, in every spelling and by every alias", async () => {
  await withPluginServer({ plugins: PLUGINS }, async (server) => {
    await putWorld(server, "/home/scratch/x", "x");
    const rw = server.capability("/home/scratch", "rw");
    const r = server.capability("/home/scratch", "r");
    const ops = server.capability("/ops", "rw");
    const mount = server.capability("/mnt/home/scratch", "r");
    const rows: [token: string, method: string, target: string, status: number][] = [
      // The path after the route of a plugin without `subject` says nothing.
      [rw, "POST", "/ops", 403],
      [rw, "POST", "/ops/home/scratch/restart", 403],
      [rw, "POST", "/ops/%68ome/scratch/restart", 403],
      [rw, "GET", "/bin/ops/home/scratch/restart", 403],
      [ops, "POST", "/ops/home/scratch/restart", 200],
      [ops, "POST", "/bin/ops/x", 200],
      // A route of tier T1.
      [rw, "POST", "/open", 200],
      [rw, "GET", "/open/anything", 200],
      [r, "GET", "/open", 200],
      // It has no authority of its own: what it does, it does with that of its caller.
      [r, "POST", "/open", 200],
      [r, "GET", "/granted", 200],
      [r, "POST", "/granted", 403],
      [rw, "POST", "/granted", 200],
      // With `subject`, by the canonical path.
      [rw, "POST", "/about/home/scratch/x", 200],
      [rw, "GET", "/about/home/%73cratch/x", 200],
      [rw, "GET", "/bin/about/home/scratch/x", 200],
      [r, "GET", "/about/home/scratch/x", 200],
      [r, "POST", "/about/home/scratch/x", 403],
      [rw, "GET", "/about", 403],
      [rw, "GET", "/about/home", 403],
      [rw, "GET", "/about/home/scratchy", 403],
      [rw, "GET", "/about/home/Scratch/x", 403],
      [rw, "GET", "/about/home/scratch/../b", 400],
      [rw, "GET", "/about/home/scratch%2f..%2fb", 400],
      [rw, "GET", "/about//home/scratch/x", 400],
      [rw, "GET", "/about/about/home/scratch/x", 403],
      [rw, "GET", "/about/mnt/home/scratch/x", 403],
      [mount, "GET", "/about/mnt/home/scratch/x", 200],
      [rw, "GET", "/high/home/scratch/x", 403],
      // Mounts, whatever their name is.
      [rw, "GET", "/mnt", 403],
      [rw, "GET", "/mnt/home/scratch/x", 403],
      [rw, "PUT", "/mnt/home/scratch/x", 403],
      [rw, "GET", "/bin/mnt/home/scratch/x", 403],
      [rw, "GET", "/dav/mnt/home/scratch/x", 403],
      [rw, "PUT", "/dav/mnt/home/scratch/x", 403],
      [rw, "PROPFIND", "/dav/mnt/home/scratch/x", 403],
      [mount, "GET", "/mnt/home/scratch/x", 200],
      [mount, "PUT", "/mnt/home/scratch/x", 403],
    ];
    for (const [token, method, target, status] of rows) {
      const body = method === "PUT" || method === "POST" ? { body: "x" } : {};
      const reply = await server.send({ method, target, headers: bearer(token), ...body });
      const label = `${method} ${target} ${reply.text.slice(0, 200)}`;
      assertStrictEquals(reply.status, status, label);
      assertEquals(
        reply.text.startsWith("called"),
        status === 200 && !target.startsWith("/dav"),
        label,
      );
    }
  });
});

Deno.test("a mount cannot declare that its paths name worlds", async () => {
  await withPluginServer({ plugins: [] }, async (server) => {
    for (const route of ["/mnt", "/mnt/home"]) {
      await putWorld(server, "/lib/m", source({ routes: [route], auth: "T1", subject: true }));
      const refused = await server.approve("PUT", "/lib/m/state", "active");
      assertEquals(refused.status, 422, refused.text);
      assertEquals(refused.text.includes("`subject`"), true, refused.text);
    }
  });
});
