import { assert, assertEquals, assertMatch } from "../support/assert.ts";
import { randomBytes } from "node:crypto";
import reality from "../../plugins/reality.ts";
import { APPROVE, bearer, KEY, startTestServer, TOKEN } from "../support/test_server.ts";
import { fetchTar, filesBelow, holds, untar, verified, withReality } from "./reality/archives.ts";
import { eventually } from "../plugin/plugin_test_server.ts";
import { withTempFolder } from "../support/temp_folder.ts";

const T3 = bearer(APPROVE);
/** A name whose folder has the longest name that is allowed. */
const LONG = `home/${"ä".repeat(60)}/${"b".repeat(124)}`;

Deno.test("/__reality__ packs every world and a new key", () =>
  withReality(async (server) => {
    const worlds: Readonly<Record<string, string>> = {
      "/home/x": "one",
      "/home/a%20b%25/c": "odd",
      [`/${LONG.split("/").map(encodeURIComponent).join("/")}`]: "long",
      "/etc/fstab": "remote https://example.com ro,bearer=upstream\n",
      "/home/empty": "",
      "/home/big": "a long line of words. ".repeat(200_000),
    };
    for (const [path, body] of Object.entries(worlds)) {
      const put = await server.approve("PUT", path, body);
      assert(put.status < 300, put.text);
    }
    await server.approve("PUT", "/home/x", "two");
    const rows: { name: string }[] = JSON.parse((await server.approve("GET", "/proc/worlds")).text);
    const listed = rows.map(({ name }) => name)
      .filter((name) => !/^usr\/|^home\/boot$/.test(name));
    await withTempFolder(async (folder) => {
      await untar(await fetchTar(server, "/__reality__"), folder);
      const files = filesBelow(folder);
      const packed = [...files.keys()].filter((path) => path !== "data/.key");
      assertEquals(
        packed.sort(),
        listed.map((name) =>
          `data/${name.replaceAll("%", "%25").replaceAll("/", "%2F")}/universe.db`
        )
          .sort(),
      );
      assert([...files.values()].every(({ mode }) => mode === 0o600));
      assertEquals((Deno.lstatSync(`${folder}/data`).mode ?? 0) & 0o777, 0o700);
      const key = new TextDecoder().decode(files.get("data/.key")?.bytes);
      assertMatch(key, /^[0-9a-f]{64}\n$/);
      const { code, lines } = verified(`${folder}/data`);
      assertEquals([code, lines], [0, [`${listed.length} worlds checked, 0 broken`]]);
      // With the key of the first server no chain is valid.
      assertEquals(verified(`${folder}/data`, KEY).code, 1);
      for (const [path, { bytes }] of files) {
        for (const secret of [TOKEN, APPROVE, KEY]) {
          assert(!holds(bytes, secret), `${path}: a secret`);
        }
      }
    });
  }));

Deno.test("/__reality__ creates a copy with equal worlds and other keys", () =>
  withReality(async (server) => {
    await server.approve("PUT", "/home/x", "kept");
    const capability = server.capability("/home", "rw");
    await withTempFolder(async (folder) => {
      await untar(await fetchTar(server, "/__reality__"), folder);
      const env = {
        ELASTIK_KEY: undefined,
        ELASTIK_APPROVE_TOKEN: undefined,
        ELASTIK_TOKEN: TOKEN,
      };
      const clone = await startTestServer({ data: `${folder}/data`, env });
      try {
        assert(clone.hasNewToken, "the clone had an approve token");
        const read = await clone.send({ method: "GET", target: "/home/x?raw" });
        assertEquals(read.text, "kept");
        const sent = { method: "PUT", target: "/home/y", body: "no" };
        const refused = await clone.send({ ...sent, headers: bearer(capability) });
        assertEquals(refused.status, 401);
        assertEquals((await clone.send({ ...sent, headers: T3 })).status, 401);
        await clone.approve("PUT", "/home/x", "grown");
        await clone.audit();
        // The plugin is in the clone, approved, and can clone the clone.
        await withTempFolder(async (other) => {
          await untar(await fetchTar(clone, "/__reality__"), other);
          assertEquals(verified(`${other}/data`).code, 0);
          assert(
            Deno.readTextFileSync(`${other}/data/.key`) !==
              Deno.readTextFileSync(`${folder}/data/.key`),
          );
        });
      } finally {
        await clone.stop();
      }
      assertEquals(verified(`${folder}/data`).code, 0);
    });
  }));

Deno.test("/__reality__ is consistent during writes, and leaves out deleted worlds", () =>
  withReality(async (server, url) => {
    const names = Array.from({ length: 40 }, (_, i) => `w${i}`);
    for (const name of names) await server.approve("PUT", `/home/h/${name}`, "first\n");
    let writing = true;
    let writes = 0;
    const writeContinuously = async (shift: number) => {
      for (let i = shift; writing; i++) {
        const path = `${url}/home/h/${names[i % 35]}`;
        const method = i % 3 === 0 ? "PUT" : "POST";
        const init = { method, body: `line ${i}\n`, headers: bearer(TOKEN) };
        const answer = await fetch(path, init);
        await answer.body?.cancel();
        writes += 1;
      }
    };
    const remove = async () => {
      for (const name of names.slice(35)) {
        await (await fetch(`${url}/home/h/${name}`, { method: "DELETE", headers: T3 })).body
          ?.cancel();
      }
    };
    const writers = [writeContinuously(0), writeContinuously(11), writeContinuously(23)];
    while (writes < 10) await new Promise((resolve) => setTimeout(resolve, 5));
    const [archive] = await Promise.all([fetchTar(server, "/__reality__"), remove()]);
    writing = false;
    await Promise.all(writers);
    await withTempFolder(async (folder) => {
      await untar(archive, folder);
      const { code, lines } = verified(`${folder}/data`);
      assertEquals([code, lines.length], [0, 1], lines.join("\n"));
      const paths = [...filesBelow(folder).keys()];
      for (const name of names.slice(0, 35)) {
        assert(paths.includes(`data/home%2Fh%2F${name}/universe.db`), name);
      }
    });
  }));

Deno.test("/__reality__ has a text in place of a damaged world, which verify reports", () =>
  withReality(async (server) => {
    await server.approve("PUT", "/home/whole", "whole");
    await server.approve("PUT", "/home/damaged", "damaged");
    const damaged = `${server.data}/home%2Fdamaged/universe.db`;
    for (const end of ["-wal", "-shm"]) await Deno.remove(damaged + end).catch(() => {});
    await Deno.writeTextFile(damaged, "not a database\n".repeat(1000));
    await withTempFolder(async (folder) => {
      await untar(await fetchTar(server, "/__reality__"), folder);
      const { code, lines } = verified(`${folder}/data`);
      assertEquals(code, 1);
      assertEquals(lines.filter((line) => line.includes("unreadable")).length, 1);
      assert(lines.some((line) => line.startsWith("home/damaged: unreadable")));
      assertMatch(
        Deno.readTextFileSync(`${folder}/data/home%2Fdamaged/universe.db`),
        /\/home\/damaged/,
      );
    });
    assert(server.log.some((line) => line.includes("Cannot copy /home/damaged")));
  }));

Deno.test("/__reality__ removes its copies after the client disconnects", () =>
  withReality(async (server, url) => {
    for (let i = 0; i < 12; i++) {
      const body = new Uint8Array(randomBytes(2_000_000));
      await server.approve("PUT", `/home/r${i}`, body);
    }
    for (let i = 0; i < 8; i++) {
      const answer = await fetch(`${url}/__reality__`, { headers: T3 });
      const reader = answer.body?.getReader();
      await reader?.read();
      await reader?.cancel();
    }
    // Sixteen copies can be open; copies that were not removed would use them up.
    await withTempFolder(async (folder) => {
      await untar(await fetchTar(server, "/__reality__"), folder);
      assertEquals(verified(`${folder}/data`).code, 0);
    });
    // The server notices a moment later that a client left.
    await eventually(
      () =>
        Promise.resolve(
          [...Deno.readDirSync(`${server.data}/.incoming`)].length === 0 || undefined,
        ),
      "no copy is left",
    );
  }));

/** A server of one world that answers requests for its copy with these responses. */
function envOf(...copies: readonly Response[]) {
  let at = 0;
  const answer = (path: string) =>
    path === "/proc/worlds"
      ? Response.json([{ name: "home/x", layer: "upper" }, { name: "usr/low", layer: "lower" }])
      : copies[at++] ?? Response.error();
  const fetch = (path: string) => Promise.resolve(answer(path));
  return { caller: { tier: "T3", fetch }, machine: { fetch } };
}

function copyOf(body: string, size: number | string): Response {
  return new Response(body, { headers: { "content-disposition": `attachment; size=${size}` } });
}

async function tarOf(env: ReturnType<typeof envOf>): Promise<string> {
  const answer = await reality.fetch(new Request("http://server/__reality__"), env);
  assert(answer.body !== null);
  const tar = answer.body.pipeThrough(new DecompressionStream("gzip"));
  return new TextDecoder("latin1").decode(await new Response(tar).bytes());
}

Deno.test("/__reality__ breaks off if a world cannot be copied", async () => {
  const failures = [
    [copyOf("ten bytes.", 11)],
    [copyOf("ten bytes.", 9)],
    [copyOf("ten bytes.", "many")],
    [new Response("full", { status: 507 })],
    [new Response("failed", { status: 500 })],
  ];
  const said = console.error;
  const lines: unknown[] = [];
  console.error = (line) => void lines.push(line);
  try {
    for (const copies of failures) {
      const outcome = await tarOf(envOf(...copies)).then(() => "whole", () => "broken");
      assertEquals(outcome, "broken");
    }
  } finally {
    console.error = said;
  }
  assertEquals(lines.length, failures.length);
  assertMatch(
    String(lines[0]),
    /^Cannot complete data\.tar\.gz: Cannot pack data\/home%2Fx\/universe\.db/,
  );
});

Deno.test("/__reality__ waits for a busy server, and leaves out deleted worlds", async () => {
  const busy = new Response("busy", { status: 503 });
  const packed = await tarOf(envOf(busy, copyOf("ten bytes.", 10)));
  assert(packed.includes("ten bytes.") && packed.includes("data/.key"));
  const without = await tarOf(envOf(new Response("gone", { status: 404 })));
  assert(!without.includes("home%2Fx") && without.includes("data/.key"));
});
