/**
 * The doors that the shipped plugins open, tried together on one machine: by paths that lead elsewhere
 * in somebody's reading, by capabilities for something else, and by pages of other sites.
 */

import { deepStrictEqual, equal, match, ok } from "node:assert/strict";
import { installPlugin } from "../support/plugin_server.ts";
import { type MountServer, T2, T3, withMountServer } from "../plugins/fstab/mount_server.ts";
import { APPROVE, basic, bearer } from "../support/machine.ts";
import { escapes } from "./odd_paths.ts";

/** What lies beside the mounted folder, in a private world, and in the program. */
const MARKS = ["the secret beside it", "5h4d0w-0f-a-plugin", "The front door: a command line in"];
/** Below each of these, a path chosen by the caller is read by somebody else. */
const DOORS = [
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

async function furnish({ machine, send }: MountServer): Promise<void> {
  for (const name of ["db", "reality", "semantic", "fanout"]) await installPlugin(machine, name);
  for (const path of ["/boot/secret", "/etc/shadow"]) {
    equal((await send("PUT", path, `${MARKS[1]}:x`, T3)).status, 201);
  }
  equal((await send("PUT", "/etc/fanout.conf", "board\n", T3)).status, 201);
  for (const name of ["works", "works2", "x"]) {
    equal((await send("PUT", `/home/${name}/note`, "a note", T2)).status, 201);
  }
  for (const mark of MARKS) machine.secrets.add(mark);
}

Deno.test("the doors of plugins", async (t) => {
  await withMountServer(async (place) => {
    const { machine, folder, send, get, server } = place;
    await furnish(place);
    server.answer = (_, path) => new Response(`asked for ${path}`);

    await t.step("no spelling of a path leads out of what is behind one", async () => {
      const bodies: Record<string, number> = {};
      for (const door of DOORS) {
        for (
          const secret of ["/secret/key", "/boot/secret", "/etc/shadow", "/proc/source/main.ts"]
        ) {
          for (const target of escapes(door, secret)) {
            // The wire's witness fails the test when an answer holds one of the marks.
            const { status } = await get(
              `${target}${door.includes("db") ? "?sql=SELECT+1" : ""}`,
              T2,
            );
            ok(status >= 400 || status === 200 && door === "/mnt/api", `${status} ${target}`);
            bodies[status] = (bodies[status] ?? 0) + 1;
          }
        }
      }
      ok((bodies[400] ?? 0) > 500, JSON.stringify(bodies));
      for (const { url } of server.asked) ok(!/\/\.\.?(?:\/|$)/.test(new URL(url).pathname), url);
    });

    await t.step("a capability reaches nothing beside its prefix through them", async () => {
      const cap = (prefix: string, mode: "r" | "rw" = "rw") =>
        bearer(machine.capability(prefix, mode));
      const ask = "?sql=SELECT+version+FROM+stage_meta";
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
        ["/home/works", [`/dev/db/home/works/note${ask}`, "/proc/snapshot/home/works/note"], [
          `/dev/db/home/works2/note${ask}`,
          `/dev/db${ask}&world=home/works/note`,
          "/proc/snapshot/home/works2/note",
          "/shaped/home/works2/note",
          "/mnt/works/hello.txt",
          "/self/main.ts",
          "/proc/metrics",
        ]],
        ["/home/work", [], [
          `/dev/db/home/works/note${ask}`,
          "/proc/snapshot/home/works/note",
          "/shaped/home/works/note",
        ]],
        ["/dev/db", [], [`/dev/db${ask}&world=home/x/note`, `/dev/db/home/x/note${ask}`]],
        ["/dav", [], ["/dav/mnt/works/hello.txt", "/dav/home/x/note"]],
        ["/shaped", [], ["/shaped/home/x/note", "/shaped/mnt/works/hello.txt"]],
        ["/", ["/mnt/works/hello.txt"], ["/self/main.ts", "/__reality__", "/proc/source/main.ts"]],
        ["/proc", [], ["/proc/snapshot/home/x/note", "/proc/source/main.ts"]],
      ];
      for (const [prefix, reached, refused] of rows) {
        const credential = cap(prefix);
        for (const target of reached) {
          const { status, text } = await get(target, credential);
          equal(status, 200, `${prefix} ${target}: ${text}`);
        }
        for (const target of refused) {
          const { status } = await get(target, credential);
          // Two targets in one question are no question, whoever asks.
          ok(status === 403 || status === 400 && target.includes("?file="), `${prefix} ${target}`);
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
          ok(status === 401 || status === 403, `${status} ${target}`);
        }
      }
      equal((await send("POST", "/dev/fanout", "x", cap("/"))).status, 403);
      equal((await get("/home/board?raw", T2)).status, 404);
      deepStrictEqual([...Deno.readDirSync(folder)].map(({ name }) => name).includes("new"), false);
    });

    await t.step("a page of another site writes through none of them", async () => {
      const foreign: Record<string, string>[] = [
        { origin: "https://evil.example" },
        { origin: "null" },
        { "sec-fetch-site": "cross-site" },
        { "sec-fetch-site": "same-site" },
      ];
      const doors: [method: string, target: string][] = [
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
        for (const [method, target] of doors) {
          const reply = await send(method, target, "forged", { ...basic("", APPROVE), ...headers });
          equal(reply.status, 403, `${method} ${target}`);
          match(reply.text, /foreign-origin/);
        }
        const shape = await get("/shaped/home/x/note", { ...T2, ...headers });
        ok(headers.origin !== undefined || shape.status === 403, "the budget is not theirs");
      }
      equal(await Deno.readTextFile(`${folder}/hello.txt`), "0123456789");
      equal([...Deno.readDirSync(folder)].some(({ name }) => name === "forged"), false);
    });

    await t.step("what a mount holds acts as nobody, by whichever door", async () => {
      await Deno.writeTextFile(`${folder}/p.svg`, '<svg xmlns="http://www.w3.org/2000/svg"/>');
      server.answer = () =>
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
      for (const door of ["/mnt", "/dav/mnt"]) {
        for (const path of ["works/page.html", "works/p.svg", "api/page"]) {
          for (
            const [method, headers] of [
              ["GET", {}],
              ["HEAD", {}],
              ["GET", { range: "bytes=0-3" }],
              ["GET", { accept: "text/html" }],
            ] as const
          ) {
            const reply = await send(method, `${door}/${path}`, undefined, headers);
            ok(reply.status === 200 || reply.status === 206, `${reply.status} ${path}`);
            equal(reply.headers.get("content-security-policy"), "sandbox allow-scripts", path);
            equal(reply.headers.get("x-content-type-options"), "nosniff", path);
            for (const name of ["set-cookie", "x-show", "access-control-allow-origin"]) {
              equal(reply.headers.get(name), undefined, name);
            }
            equal(reply.headers.get("service-worker-allowed"), undefined);
          }
        }
      }
    });
  });
});
