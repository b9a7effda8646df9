/**
 * The routes of the shipped plugins on one server, requested with spellings that leave their folder,
 * with capabilities for other paths, and by pages of other sites.
 */

import { assert, assertEquals, assertMatch } from "../support/assert.ts";
import { installPlugin } from "../support/plugin_server.ts";
import { type MountServer, T2, T3, withMountServer } from "../plugins/fstab/mount_server.ts";
import { APPROVE, basic, bearer } from "../support/test_server.ts";
import { traversalTargets } from "./path_spellings.ts";

/** Texts next to the mounted folder, in a private world, and in the source of the program. */
const SECRETS = ["the secret next to it", "5h4d0w-0f-a-plugin", "import { runCommandLine } from"];
/** Below each of these routes, a plugin or the server reads a path that the caller chose. */
const ROUTES = [
  "/mnt/works",
  "/dav/mnt/works",
  "/dev/db/mnt/works",
  "/dev/db/home",
  "/shaped/mnt/works",
  "/shaped/home",
  "/proc/snapshot/home",
  "/self",
  "/mnt/api",
];

async function setUp({ server, send }: MountServer): Promise<void> {
  for (const name of ["db", "reality", "semantic", "fanout"]) await installPlugin(server, name);
  for (const path of ["/boot/secret", "/etc/shadow"]) {
    assertEquals((await send("PUT", path, `${SECRETS[1]}:x`, T3)).status, 201);
  }
  assertEquals((await send("PUT", "/etc/fanout.conf", "board\n", T3)).status, 201);
  for (const name of ["works", "works2", "x"]) {
    assertEquals((await send("PUT", `/home/${name}/note`, "a note", T2)).status, 201);
  }
  for (const secret of SECRETS) server.secrets.add(secret);
}

Deno.test("routes of plugins follow the policy of the server", async (t) => {
  await withMountServer(async (mounts) => {
    const { server, folder, send, get, upstream } = mounts;
    await setUp(mounts);
    upstream.answer = (_, path) => new Response(`upstream ${path}`);

    await t.step("GET with any spelling stays in the folder of the route", async () => {
      const counts: Record<string, number> = {};
      for (const route of ROUTES) {
        for (
          const secret of ["/secret/key", "/boot/secret", "/etc/shadow", "/proc/source/main.ts"]
        ) {
          for (const target of traversalTargets(route, secret)) {
            // The test server checks every response for the secrets.
            const { status } = await get(
              `${target}${route.includes("db") ? "?sql=SELECT+1" : ""}`,
              T2,
            );
            assert(status >= 400 || status === 200 && route === "/mnt/api", `${status} ${target}`);
            counts[status] = (counts[status] ?? 0) + 1;
          }
        }
      }
      assert((counts[400] ?? 0) > 500, JSON.stringify(counts));
      for (const { url } of upstream.requests) {
        assert(!/\/\.\.?(?:\/|$)/.test(new URL(url).pathname), url);
      }
    });

    await t.step("a capability reaches nothing outside its prefix through a plugin", async () => {
      const cap = (prefix: string, mode: "r" | "rw" = "rw") =>
        bearer(server.capability(prefix, mode));
      const query = "?sql=SELECT+version+FROM+stage_meta";
      const rows: [prefix: string, reached: string[], refused: string[]][] = [
        ["/mnt/works", ["/mnt/works/hello.txt", "/dav/mnt/works/hello.txt"], [
          "/mnt/",
          "/mnt/docs/note.md",
          "/dav/mnt/docs/note.md",
          "/dev/db/mnt/docs/note.md",
          "/dev/db?file=works/hello.txt&sql=SELECT+1",
          "/dev/db/mnt?file=works/hello.txt&sql=SELECT+1",
          "/shaped/mnt/docs/note.md",
          "/dev/fanout",
        ]],
        ["/mnt/work", [], ["/mnt/works/hello.txt", "/dav/mnt/works/hello.txt"]],
        ["/home/works", [`/dev/db/home/works/note${query}`, "/proc/snapshot/home/works/note"], [
          `/dev/db/home/works2/note${query}`,
          `/dev/db${query}&world=home/works/note`,
          "/proc/snapshot/home/works2/note",
          "/shaped/home/works2/note",
          "/mnt/works/hello.txt",
          "/self/main.ts",
          "/proc/metrics",
        ]],
        ["/home/work", [], [
          `/dev/db/home/works/note${query}`,
          "/proc/snapshot/home/works/note",
          "/shaped/home/works/note",
        ]],
        ["/dev/db", [], [`/dev/db${query}&world=home/x/note`, `/dev/db/home/x/note${query}`]],
        ["/dav", [], ["/dav/mnt/works/hello.txt", "/dav/home/x/note"]],
        ["/shaped", [], ["/shaped/home/x/note", "/shaped/mnt/works/hello.txt"]],
        ["/", ["/mnt/works/hello.txt"], ["/self/main.ts", "/__reality__", "/proc/source/main.ts"]],
        ["/proc", [], ["/proc/snapshot/home/x/note", "/proc/source/main.ts"]],
      ];
      for (const [prefix, reached, refused] of rows) {
        const credential = cap(prefix);
        for (const target of reached) {
          const { status, text } = await get(target, credential);
          assertEquals(status, 200, `${prefix} ${target}: ${text}`);
        }
        for (const target of refused) {
          const { status } = await get(target, credential);
          // A request with two files is invalid for every caller.
          assert(
            status === 403 || status === 400 && target.includes("?file="),
            `${prefix} ${target}`,
          );
        }
      }
      const writes = ["/mnt/works/new", "/dav/mnt/works/new"];
      for (const target of writes) {
        const headers: Record<string, string>[] = [
          {},
          cap("/mnt/works", "r"),
          cap("/mnt/work"),
          cap("/home"),
          cap("/dav"),
        ];
        for (const credential of headers) {
          const { status } = await send("PUT", target, "x", credential);
          assert(status === 401 || status === 403, `${status} ${target}`);
        }
      }
      assertEquals((await send("POST", "/dev/fanout", "x", cap("/"))).status, 403);
      assertEquals((await get("/home/board?raw", T2)).status, 404);
      assertEquals([...Deno.readDirSync(folder)].map(({ name }) => name).includes("new"), false);
    });

    await t.step("a page of another site cannot write through a plugin", async () => {
      const foreign: Record<string, string>[] = [
        { origin: "https://evil.example" },
        { origin: "null" },
        { "sec-fetch-site": "cross-site" },
        { "sec-fetch-site": "same-site" },
      ];
      const writes: [method: string, target: string][] = [
        ["PUT", "/mnt/works/forged"],
        ["POST", "/mnt/works/hello.txt"],
        ["PUT", "/dav/mnt/works/forged"],
        ["POST", "/dev/fanout"],
        ["PUT", "/dev/fanout"],
        ["POST", "/dev/db?world=home/x/note"],
        ["POST", "/proc/snapshot/home/x/note"],
        ["PUT", "/lib/fstab/state"],
      ];
      for (const headers of foreign) {
        for (const [method, target] of writes) {
          const reply = await send(method, target, "forged", { ...basic("", APPROVE), ...headers });
          assertEquals(reply.status, 403, `${method} ${target}`);
          assertMatch(reply.text, /foreign-origin/);
        }
        const shape = await get("/shaped/home/x/note", { ...T2, ...headers });
        assert(
          headers.origin !== undefined || shape.status === 403,
          "a page of another site cannot start a generation",
        );
      }
      assertEquals(await Deno.readTextFile(`${folder}/hello.txt`), "0123456789");
      assertEquals([...Deno.readDirSync(folder)].some(({ name }) => name === "forged"), false);
    });

    await t.step(
      "GET of a mounted file sends a sandboxed response without the headers of the upstream",
      async () => {
        await Deno.writeTextFile(`${folder}/p.svg`, '<svg xmlns="http://www.w3.org/2000/svg"/>');
        upstream.answer = () =>
          new Response("<script>1</script>", {
            headers: {
              "content-type": "text/html",
              "content-security-policy": "default-src *",
              "set-cookie": "a=b",
              "x-show": "shell",
              "access-control-allow-origin": "*",
              "service-worker-allowed": "/",
            },
          });
        for (const route of ["/mnt", "/dav/mnt"]) {
          for (const path of ["works/page.html", "works/p.svg", "api/page"]) {
            for (
              const [method, headers] of [
                ["GET", {}],
                ["HEAD", {}],
                ["GET", { range: "bytes=0-3" }],
                ["GET", { accept: "text/html" }],
              ] as const
            ) {
              const reply = await send(method, `${route}/${path}`, undefined, headers);
              assert(reply.status === 200 || reply.status === 206, `${reply.status} ${path}`);
              assertEquals(
                reply.headers.get("content-security-policy"),
                "sandbox allow-scripts",
                path,
              );
              assertEquals(reply.headers.get("x-content-type-options"), "nosniff", path);
              for (const name of ["set-cookie", "x-show", "access-control-allow-origin"]) {
                assertEquals(reply.headers.get(name), undefined, name);
              }
              assertEquals(reply.headers.get("service-worker-allowed"), undefined);
            }
          }
        }
      },
    );
  });
});
