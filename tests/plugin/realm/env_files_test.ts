import { assertEquals, assertRejects } from "../../support/assert.ts";
import {
  createEnvFiles,
  createResolvePath,
  fileFingerprint,
  type FileReference,
} from "../../../lib/plugin/realm/env_files.ts";
import { withTempFolder } from "../../support/temp_folder.ts";

function withFiles(test: (folder: string) => Promise<void>): Promise<void> {
  return withTempFolder(async (folder) => {
    for (const name of ["a", "ab", "a/w"]) await Deno.mkdir(`${folder}/${name}`);
    await Deno.writeTextFile(`${folder}/a/text`, "0123456789");
    await Deno.writeTextFile(`${folder}/ab/secret`, "secret");
    await test(folder);
  });
}

Deno.test("createResolvePath() accepts the granted folder and paths below it, and no sibling", () =>
  withFiles(async (folder) => {
    const resolve = createResolvePath(Deno, [{
      path: "/granted",
      realPath: `${folder}/a`,
      write: false,
    }]);
    assertEquals(await resolve("/granted", false), `${folder}/a`);
    assertEquals(await resolve("/granted/text", false), `${folder}/a/text`);
    const outside = [
      "/grantedb",
      "/granted/../ab/secret",
      "/granted//../../ab/secret",
      `${folder}/ab/secret`,
      "",
      1,
    ];
    for (const path of outside) {
      await assertRejects(resolve(path, false), /Cannot access/, String(path));
    }
    await assertRejects(resolve("/granted/text", true), /granted for writing/);
    await assertRejects(resolve("/granted/none", false), { name: "NotFound" });
  }));

Deno.test("createResolvePath() accepts a new file for writing, but not through a dangling symlink", () =>
  withFiles(async (folder) => {
    const resolve = createResolvePath(Deno, [{
      path: "/w",
      realPath: `${folder}/a/w`,
      write: true,
    }]);
    assertEquals(await resolve("/w/new", true), `${folder}/a/w/new`);
    await Deno.symlink(`${folder}/ab/made`, `${folder}/a/w/dangling`);
    await Deno.symlink(`${folder}/ab`, `${folder}/a/w/out`);
    for (const path of ["/w/dangling", "/w/out/new", "/w/out/secret"]) {
      await assertRejects(resolve(path, true), path);
    }
    // With narrowed permissions Deno drops `x/..` before it reads the path (2.9.6); with all, it fails.
    const parent = await resolve("/w/x/..", true).catch(() => `${folder}/a/w`);
    assertEquals(parent, `${folder}/a/w`);
  }));

Deno.test("createEnvFiles() reads, writes, appends, lists and removes, and its errors contain no real path", () =>
  withFiles(async (folder) => {
    const resolve = createResolvePath(Deno, [
      { path: "/g/w", realPath: `${folder}/a/w`, write: true },
      { path: "/g", realPath: `${folder}/a`, write: false },
    ]);
    const files = createEnvFiles(Deno, resolve);
    assertEquals(
      new TextDecoder().decode(await files.read("/g/text", { offset: 2, length: 3 })),
      "234",
    );
    await files.write("/g/w/x", "one");
    await files.append("/g/w/x", " two");
    assertEquals(await files.text("/g/w/x"), "one two");
    assertEquals((await files.list("/g/w")).map(({ name, kind, size }) => [name, kind, size]), [[
      "x",
      "file",
      7,
    ]]);
    await files.remove("/g/w/x");
    await assertRejects(
      files.text("/g/w/x"),
      (error) => error instanceof Error && !error.message.includes(folder),
    );
  }));

Deno.test("createResolvePath() gives the same refusal outside whether the file exists or not", () =>
  withFiles(async (folder) => {
    const resolve = createResolvePath(Deno, [{ path: "/g", realPath: `${folder}/a`, write: true }]);
    await Deno.symlink(`${folder}/ab`, `${folder}/a/out`);
    await Deno.symlink(`${folder}/none`, `${folder}/a/dangling`);
    await Deno.symlink("circle", `${folder}/a/circle`);
    const paths = [
      "/g/out",
      "/g/out/secret",
      "/g/out/none",
      "/g/out/none/deeper",
      "/g/out/secret/below-a-file",
      "/g/dangling",
      "/g/dangling/x",
      "/g/circle",
      "/g/../ab/none",
    ];
    for (const path of paths) {
      for (const write of [false, true]) await assertRejects(resolve(path, write), TypeError, path);
    }
    await assertRejects(resolve("/g/none/x", false), { name: "NotFound" });
    await assertRejects(resolve("/g/text/x", false), { name: "NotADirectory" });
  }));

Deno.test("replace() of createEnvFiles() replaces a file, keeps its mode, and changes nothing if it fails", () =>
  withFiles(async (folder) => {
    const resolve = createResolvePath(Deno, [{ path: "/g", realPath: `${folder}/a`, write: true }]);
    const files = createEnvFiles(Deno, resolve);
    const text = () => Deno.readTextFile(`${folder}/a/text`);
    await Deno.chmod(`${folder}/a/text`, 0o640);
    await files.replace("/g/text", new Response("streamed").body ?? "");
    assertEquals(await text(), "streamed");
    assertEquals(((await Deno.stat(`${folder}/a/text`)).mode ?? 0) & 0o777, 0o640);
    await files.replace("/g/w/new", "new");
    assertEquals(await Deno.readTextFile(`${folder}/a/w/new`), "new");
    await Deno.symlink("text", `${folder}/a/link`);
    await files.replace("/g/link", "through the link");
    assertEquals([await text(), (await Deno.lstat(`${folder}/a/link`)).isSymlink], [
      "through the link",
      true,
    ]);
    const broken = new ReadableStream<Uint8Array>({
      start(controller) {
        controller.enqueue(new Uint8Array(100));
        controller.error(new Error("the sender left"));
      },
    });
    await assertRejects(files.replace("/g/text", broken), /the sender left/);
    let looked = "";
    const ready = async () => {
      looked = await text();
      throw new Error("another writer was first");
    };
    await assertRejects(files.replace("/g/text", "late", { ready }), /another writer was first/);
    assertEquals([looked, await text()], ["through the link", "through the link"]);
    await assertRejects(files.replace("/g/w", "a folder"), TypeError);
    await assertRejects(files.replace("/g/none/x", "x"), { name: "NotFound" });
    const left = (await files.list("/g")).map(({ name }) => name).sort();
    assertEquals(left, ["link", "text", "w"]);
  }));

Deno.test("createEnvFiles() lists at most the given number of entries, and fileFingerprint() differs after a replace", () =>
  withFiles(async (folder) => {
    const resolve = createResolvePath(Deno, [{ path: "/g", realPath: `${folder}/a`, write: true }]);
    const files = createEnvFiles(Deno, resolve);
    for (let i = 0; i < 70; i++) await Deno.writeTextFile(`${folder}/a/w/${i}`, String(i));
    assertEquals((await files.list("/g/w")).length, 70);
    assertEquals((await files.list("/g/w", { most: 40 })).length, 40);
    assertEquals((await files.list("/g/w", { most: 0 })).length, 0);
    const before = fileFingerprint(await files.stat("/g/text"));
    assertEquals(fileFingerprint(await files.stat("/g/text")), before);
    await files.replace("/g/text", "0123456789");
    assertEquals(fileFingerprint(await files.stat("/g/text")) === before, false);
  }));

Deno.test("respond() of createEnvFiles() reports the file, and its body can also be read", () =>
  withFiles(async (folder) => {
    const resolve = createResolvePath(Deno, [{
      path: "/g",
      realPath: `${folder}/a`,
      write: false,
    }]);
    const reported: FileReference[] = [];
    const files = createEnvFiles(Deno, resolve, (_, file) => void reported.push(file));
    const seen = await files.stat("/g/text");
    const answer = files.respond("/g/text", { offset: 1, length: 2, status: 206, seen });
    assertEquals([answer.status, await answer.text()], [206, "12"]);
    assertEquals(reported, [{
      path: "/g/text",
      offset: 1,
      length: 2,
      fingerprint: fileFingerprint(seen),
    }]);
    await assertRejects(files.respond("/etc/passwd").text(), TypeError);
    await files.respond("/g/text").body?.cancel();
  }));
