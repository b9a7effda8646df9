import { assert, assertEquals, assertRejects } from "../../support/assert.ts";
import { MAX_FILE_ATTEMPTS } from "../../../lib/limits.ts";
import { FILE_CHUNK_BYTES } from "../../../lib/limits.ts";
import { RpcError } from "../../../lib/plugin/wire/rpc_calls.ts";
import { createFileOpener, FileChanged } from "../../../lib/plugin/cell/file_body.ts";
import { fileFingerprint, toFileInfo } from "../../../lib/plugin/realm/env_files.ts";
import { LAUNCHES, type LaunchName, withCell } from "../cell_fixture.ts";
import { withTempFolder } from "../../support/temp_folder.ts";

const LONG = new Uint8Array(2 * FILE_CHUNK_BYTES + 5).map((_, at) => at % 251);

/** A folder that is granted as `/g`, and a secret file next to it. */
function withGrantedFolder(test: (folder: string) => Promise<void>): Promise<void> {
  return withTempFolder(async (base) => {
    const folder = `${base}/granted`;
    await Deno.mkdir(folder);
    await Deno.writeTextFile(`${base}/secret`, "secret");
    await Deno.writeFile(`${folder}/long`, LONG);
    await Deno.symlink(`${base}/secret`, `${folder}/out`);
    await test(folder);
  });
}

async function factsAt(path: string): Promise<string> {
  return fileFingerprint(toFileInfo("", await Deno.stat(path)));
}

Deno.test("createFileOpener() returns exactly the requested bytes and reports the end once", () =>
  withGrantedFolder(async (folder) => {
    const open = createFileOpener([{ path: "/g", realPath: folder, write: false }]);
    const rows: [offset: number, length: number, expected: Uint8Array][] = [
      [0, -1, LONG],
      [0, LONG.length, LONG],
      [7, 3, LONG.slice(7, 10)],
      [FILE_CHUNK_BYTES - 1, FILE_CHUNK_BYTES + 2, LONG.slice(FILE_CHUNK_BYTES - 1, -4)],
      [LONG.length, -1, new Uint8Array()],
      [0, 0, new Uint8Array()],
    ];
    const seen = await factsAt(`${folder}/long`);
    for (const [offset, length, expected] of rows) {
      let over = 0;
      const body = await open({ path: "/g/long", offset, length, fingerprint: seen }, () => over++);
      assertEquals(await new Response(body.stream).bytes(), expected);
      body.fail(new Error("too late"));
      assertEquals(over, 1);
    }
  }));

Deno.test("createFileOpener() refuses a path outside the granted folders and a file with another fingerprint", () =>
  withGrantedFolder(async (folder) => {
    const open = createFileOpener([{ path: "/g", realPath: folder, write: false }]);
    const ask = (path: string, seen = "", offset = 0, length = -1) =>
      open(
        { path, offset, length, fingerprint: seen },
        () => assert(false, "the file was not opened"),
      );
    const outside = [
      "/g/out",
      "/g/../secret",
      `${folder}/long`,
      `${folder}/../secret`,
      "/etc/passwd",
      "/g",
      "",
      "/g/long\0",
    ];
    for (const path of outside) await assertRejects(ask(path), RpcError, path);
    await assertRejects(ask("/g/none"), FileChanged);
    const seen = await factsAt(`${folder}/long`);
    await assertRejects(ask("/g/long", "another"), FileChanged);
    await assertRejects(ask("/g/long", seen, 1, LONG.length), FileChanged);
    await Deno.writeTextFile(`${folder}/new`, "new");
    await Deno.rename(`${folder}/new`, `${folder}/long`);
    await assertRejects(ask("/g/long", seen), FileChanged);
    await assertRejects(
      createFileOpener([])(
        { path: "/etc/hostname", offset: 0, length: -1, fingerprint: "" },
        () => {},
      ),
    );
  }));

Deno.test("createFileOpener() closes the file if it became shorter, is cancelled or is failed", () =>
  withGrantedFolder(async (folder) => {
    const open = createFileOpener([{ path: "/g", realPath: folder, write: false }]);
    const handle = { path: "/g/long", offset: 0, length: -1, fingerprint: "" };
    let over = 0;
    const cut = await open(handle, () => over++);
    await Deno.truncate(`${folder}/long`, FILE_CHUNK_BYTES);
    await assertRejects(new Response(cut.stream).bytes(), /became shorter/);
    assertEquals(over, 1);
    const left = await open(handle, () => over++);
    await left.stream.cancel();
    assertEquals(over, 2);
    const failed = await open(handle, () => over++);
    failed.fail(new Error("ended"));
    await assertRejects(new Response(failed.stream).bytes(), /ended/);
    assertEquals(over, 3);
  }));

for (const launch of Object.keys(LAUNCHES) as LaunchName[]) {
  Deno.test(`env.files.respond() (${launch}) lets the server send the file with the plugin's status and headers`, () =>
    withGrantedFolder(async (folder) => {
      const source = `let posts = 0; export default { async fetch(request, env) {
      const { pathname } = new URL(request.url);
      if (pathname === "/count" && request.method === "GET") return new Response(String(posts));
      if (pathname === "/count") posts++;
      const at = env.config["/root"] + pathname;
      if (pathname === "/inside") return new Response(await env.files.respond(at.replace("inside", "long"), { offset: 1, length: 4 }).bytes());
      if (pathname === "/part") return env.files.respond(at.replace("part", "long"), { offset: 2, length: 3, status: 206, headers: { "x-a": "b" } });
      if (pathname === "/gone") return env.files.respond(at, { headers: { "x-a": "b" } });
      return env.files.respond(at, { seen: await env.files.stat(at) });
    } };`;
      const options = { launch, permissions: { read: [folder] }, config: { "/root": folder } };
      await withCell(source, options, async ({ ask, cell, lines }) => {
        assertEquals(await (await ask("/long")).bytes(), LONG);
        assertEquals(await (await ask("/inside")).bytes(), LONG.slice(1, 5));
        const part = await ask("/part");
        assertEquals([part.status, part.headers.get("x-a")], [206, "b"]);
        assertEquals(await part.bytes(), LONG.slice(2, 5));
        await assertRejects(ask("/gone"), { type: "unavailable" });
        await assertRejects(ask("/out"), { type: "bad-gateway" });
        assert(
          lines.some((line) => line.includes("real path is outside the granted folder")),
          lines.join(),
        );
        assertEquals(cell.health().requests, 0);
        // A reader that cancels releases its permit.
        for (let i = 0; i < 20; i++) await (await ask("/long")).body?.cancel();
        assertEquals(cell.health().requests, 0);
        // A request that is not safe is not sent a second time.
        assertEquals(
          await (await ask("/count", { method: "POST" }).catch(() => ask("/count"))).text(),
          "1",
        );
      });
    }));
}

Deno.test("env.files.respond() sends one whole version of a file that is replaced during the request", () =>
  withGrantedFolder(async (folder) => {
    const source = `export default { async fetch(request, env) {
      const at = env.config["/root"] + "/long";
      const seen = await env.files.stat(at);
      return env.files.respond(at, { seen, headers: { "x-size": String(seen.size) } });
    } };`;
    const options = { permissions: { read: [folder] }, config: { "/root": folder } };
    await withCell(source, options, async ({ ask }) => {
      let size = 0;
      for (let i = 0; i < 100; i++) {
        const response = ask("/");
        // The server tries MAX_FILE_ATTEMPTS times, so fewer replacements than that must not fail.
        for (let n = 1; n < MAX_FILE_ATTEMPTS / 2; n++) {
          size += 1;
          await Deno.writeFile(`${folder}/next`, new Uint8Array(size).fill(size % 251));
          await Deno.rename(`${folder}/next`, `${folder}/long`);
        }
        const { headers } = await response;
        const bytes = await (await response).bytes();
        assertEquals(String(bytes.length), headers.get("x-size"));
        if (bytes.length !== LONG.length) {
          assert(bytes.every((byte) => byte === bytes.length % 251));
        }
      }
    });
  }));
