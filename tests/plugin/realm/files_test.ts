import { deepStrictEqual as equal, rejects } from "node:assert/strict";
import { makeFiles, makeResolve } from "../../../lib/plugin/realm/files.ts";

async function inFolder(act: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.realPath(await Deno.makeTempDir({ prefix: "elastik-files-" }));
  try {
    for (const name of ["a", "ab", "a/w"]) await Deno.mkdir(`${folder}/${name}`);
    await Deno.writeTextFile(`${folder}/a/text`, "0123456789");
    await Deno.writeTextFile(`${folder}/ab/secret`, "secret");
    await act(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("makeResolve() takes a folder's name for itself and what is below, not for its neighbours", () =>
  inFolder(async (folder) => {
    const resolve = makeResolve(Deno, [{ path: "/granted", real: `${folder}/a`, write: false }]);
    equal(await resolve("/granted", false), `${folder}/a`);
    equal(await resolve("/granted/text", false), `${folder}/a/text`);
    const outside = [
      "/grantedb",
      "/granted/../ab/secret",
      "/granted//../../ab/secret",
      `${folder}/ab/secret`,
      "",
      1,
    ];
    for (const path of outside) await rejects(resolve(path, false), /Cannot reach/, String(path));
    await rejects(resolve("/granted/text", true), /granted for writing/);
    await rejects(resolve("/granted/none", false), { name: "NotFound" });
  }));

Deno.test("makeResolve() creates only where nothing is, not through a link to nothing", () =>
  inFolder(async (folder) => {
    const resolve = makeResolve(Deno, [{ path: "/w", real: `${folder}/a/w`, write: true }]);
    equal(await resolve("/w/new", true), `${folder}/a/w/new`);
    await Deno.symlink(`${folder}/ab/made`, `${folder}/a/w/dangling`);
    await Deno.symlink(`${folder}/ab`, `${folder}/a/w/out`);
    for (const path of ["/w/dangling", "/w/out/new", "/w/out/secret", "/w/x/.."]) {
      await rejects(resolve(path, true), path);
    }
  }));

Deno.test("makeFiles() reads ranges, writes, appends, lists and removes, and shows no real path", () =>
  inFolder(async (folder) => {
    const resolve = makeResolve(Deno, [
      { path: "/g/w", real: `${folder}/a/w`, write: true },
      { path: "/g", real: `${folder}/a`, write: false },
    ]);
    const files = makeFiles(Deno, resolve);
    equal(new TextDecoder().decode(await files.read("/g/text", { offset: 2, length: 3 })), "234");
    await files.write("/g/w/x", "one");
    await files.append("/g/w/x", " two");
    equal(await files.text("/g/w/x"), "one two");
    equal((await files.list("/g/w")).map(({ name, kind, size }) => [name, kind, size]), [[
      "x",
      "file",
      7,
    ]]);
    await files.remove("/g/w/x");
    await rejects(
      files.text("/g/w/x"),
      (error) => error instanceof Error && !error.message.includes(folder),
    );
  }));
