/**
 * Property: an operation that changes more than one world asks the policy for each name before it
 * changes any. The longest matching grant decides for each name, by every method.
 */

import { assert, assertEquals } from "../support/assert.ts";
import { withMountServer } from "../plugins/fstab/mount_server.ts";
import { withPluginServer } from "../support/plugin_server.ts";
import { bearer, type TestServer, TOKEN } from "../support/test_server.ts";

/** Sends the requests of its body through `env.machine` and returns the status of each. */
const RELAY = `
export const routes = ["/relay"];
export const auth = "T3";
export const grants = {
  "/home/app/": "rw", "/home/app/policy": "r", "/home/app/conf/": "r",
  "/home/stage/": "rw", "/home/other/": "r", "/var/": "rw",
};
export default { async fetch(request, env) {
  const found = [];
  for (const { method, path, to, depth, body } of await request.json()) {
    const headers = { ...(to && { destination: to }), ...(depth && { depth }) };
    const init = { method, headers, ...(body === undefined ? {} : { body }) };
    found.push((await env.machine.fetch(path, init)).status);
  }
  return Response.json(found);
} };`;

interface Step {
  readonly method: string;
  readonly path: string;
  readonly to?: string;
  readonly depth?: string;
  readonly body?: string;
}

const LOCK =
  '<D:lockinfo xmlns:D="DAV:"><D:lockscope><D:exclusive/></D:lockscope><D:locktype><D:write/></D:locktype></D:lockinfo>';
const PROPERTY =
  '<D:propertyupdate xmlns:D="DAV:"><D:set><D:prop><x xmlns="urn:t">1</x></D:prop></D:set></D:propertyupdate>';

async function relay(server: TestServer, steps: readonly Step[]): Promise<number[]> {
  const { status, text } = await server.approve("POST", "/relay", JSON.stringify(steps));
  assertEquals(status, 200, text);
  return JSON.parse(text);
}

/** Names and contents of all worlds below /home. */
async function contents(server: TestServer): Promise<Record<string, string>> {
  const { text } = await server.approve("GET", "/proc/worlds");
  const rows = text.startsWith("[")
    ? JSON.parse(text).map(({ name }: { name: string }) => name)
    : text.trim().split("\n");
  const found: Record<string, string> = {};
  for (
    const name of rows.filter((row: string) => row.startsWith("home/") && row !== "usr/bin/boot")
  ) {
    found[name] = (await server.approve("GET", `/${name}?raw`)).text;
  }
  return found;
}

const WORLDS = {
  "/home/app/policy": "the operator's",
  "/home/app/conf/a": "the operator's",
  "/home/app/free": "free",
  "/home/stage/policy": "by the plugin",
  "/home/stage/free": "by the plugin",
  "/home/deep/conf/b": "b",
  "/home/other/x": "x",
};

Deno.test("no method lets a plugin change a name for which its longest grant is r", async (t) => {
  await withPluginServer({ plugins: [["relay", RELAY]], worlds: WORLDS }, async (server) => {
    const before = await contents(server);
    const refused: readonly Step[] = [
      { method: "PUT", path: "/home/app/policy", body: "x" },
      { method: "PUT", path: "/home/app/Policy", body: "another letter case" },
      { method: "PUT", path: "/home/app/CONF/a", body: "another letter case" },
      { method: "PUT", path: "/dav/home/app/conf/new", body: "x" },
      { method: "COPY", path: "/dav/home/stage/", to: "/dav/home/app" },
      { method: "MOVE", path: "/dav/home/stage/", to: "/dav/home/app" },
      { method: "COPY", path: "/dav/home/stage/free", to: "/dav/home/app/policy" },
      { method: "MOVE", path: "/dav/home/stage/free", to: "/dav/home/app/policy" },
      { method: "COPY", path: "/dav/home/stage/free", to: "/dav/home/app" },
      { method: "COPY", path: "/dav/home/stage/", to: "/dav/home/app/conf" },
      { method: "MOVE", path: "/dav/home/app/", to: "/dav/home/stage/app" },
      { method: "MOVE", path: "/dav/home/app/conf/", to: "/dav/home/stage/conf" },
      { method: "DELETE", path: "/dav/home/app/" },
      { method: "DELETE", path: "/home/app/" },
      { method: "DELETE", path: "/home/app/conf/" },
      { method: "DELETE", path: "/home/app/conf/a" },
      { method: "MOVE", path: "/dav/home/other/", to: "/dav/home/stage/other" },
      { method: "PROPPATCH", path: "/dav/home/app/policy", body: PROPERTY },
      { method: "MKCOL", path: "/dav/home/app/conf/new" },
      { method: "LOCK", path: "/dav/home/app/conf/new", body: LOCK },
      { method: "LOCK", path: "/dav/home/app", body: LOCK },
      { method: "POST", path: "/home/app/policy", body: "x" },
      { method: "PUT", path: "/home/app/policy?from=1" },
      { method: "PUT", path: "/var/lib/dav/0123.json", body: "{}" },
      { method: "COPY", path: "/dav/home/stage/", to: "/dav/var/lib/dav/x" },
    ];
    for (const step of refused) {
      await t.step(`${step.method} ${step.path} ${step.to ?? ""} is refused`, async () => {
        assertEquals(await relay(server, [step]), [403]);
        assertEquals(await contents(server), before);
      });
    }
  });
});

Deno.test("COPY and MOVE decide on names below the destination that do not exist", async () => {
  const worlds = { "/home/stage/conf/a": "by the plugin", "/home/stage/free": "free" };
  await withPluginServer({ plugins: [["relay", RELAY]], worlds }, async (server) => {
    const steps = ["COPY", "MOVE"].map((method) => (
      { method, path: "/dav/home/stage/", to: "/dav/home/app" }
    ));
    assertEquals(await relay(server, steps), [403, 403]);
    assertEquals(Object.keys(await contents(server)), ["home/stage/conf/a", "home/stage/free"]);
    const flat = { method: "COPY", path: "/dav/home/stage/", to: "/dav/home/app", depth: "0" };
    assertEquals(await relay(server, [flat]), [201]);
  });
});

Deno.test("COPY and MOVE work if the policy allows every name", async () => {
  await withPluginServer({ plugins: [["relay", RELAY]], worlds: WORLDS }, async (server) => {
    const steps: readonly Step[] = [
      { method: "COPY", path: "/dav/home/stage/", to: "/dav/home/stage2" },
      { method: "COPY", path: "/dav/home/stage/", to: "/dav/home/app/copied" },
      { method: "COPY", path: "/dav/home/app/conf/", to: "/dav/home/stage/conf" },
      { method: "MOVE", path: "/dav/home/app/copied/", to: "/dav/home/stage/moved" },
      { method: "DELETE", path: "/dav/home/stage/moved/" },
    ];
    assertEquals(await relay(server, steps), [403, 201, 201, 201, 204]);
  });
});

Deno.test("COPY of a tree with a private path is refused and reveals no name", async () => {
  await withPluginServer(
    { plugins: [], worlds: { "/var/a": "a", "/etc/a": "a" } },
    async (server) => {
      for (const tree of ["/dav/var/", "/dav/etc/", "/dav/var", "/dav/etc"]) {
        const headers = { ...bearer(TOKEN), destination: "/dav/home/copied" };
        const refused = await server.send({ method: "COPY", target: tree, headers });
        assertEquals(refused.status, 403, tree);
        assert(!/shadow|cache/.test(refused.text), refused.text);
      }
      assertEquals(await contents(server), {});
    },
  );
});

Deno.test("fanout writes no target if the policy refuses one", async () => {
  const worlds = { "/etc/fanout.conf": "home/a\netc/motd\nhome/b\n", "/etc/motd": "old" };
  await withPluginServer({ plugins: ["fanout"], worlds }, async (server) => {
    const request = { method: "PUT", target: "/dev/fanout", headers: bearer(TOKEN), body: "new" };
    const { status, text } = await server.send(request);
    assertEquals(status, 403, text);
    assertEquals(await contents(server), {});
    const { status: approved } = await server.approve("PUT", "/dev/fanout", "new");
    assertEquals(approved, 200);
    assertEquals(await contents(server), { "home/a": "new", "home/b": "new" });
  });
});

Deno.test("a capability reaches no mount through /dav because of the name of the mount", async () => {
  await withMountServer(async ({ server, folder, mount }) => {
    await Deno.mkdir(`${folder}/scratch`);
    await Deno.writeTextFile(`${folder}/scratch/note`, "words of the disk");
    await mount(`${folder} /mnt/home rw`);
    const headers = { ...bearer(server.capability("/home/scratch", "rw")), depth: "1" };
    for (const method of ["GET", "HEAD", "PUT", "PROPFIND"]) {
      for (const target of ["/dav/mnt/home/scratch/note", "/dav/mnt/home/scratch/", "/dav/mnt/"]) {
        const body = method === "PUT" ? { body: "owned" } : {};
        const { status, text } = await server.send({ method, target, headers, ...body });
        assert(status >= 400, `${method} ${target}: ${status}`);
        assert(!text.includes("words of the disk"));
      }
    }
    assertEquals(await Deno.readTextFile(`${folder}/scratch/note`), "words of the disk");
    const covering = { ...bearer(server.capability("/mnt/home/scratch", "r")), depth: "1" };
    const target = "/dav/mnt/home/scratch/note";
    assertEquals((await server.send({ method: "GET", target, headers: covering })).status, 200);
  });
});
