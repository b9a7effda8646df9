import { assert, assertEquals, assertRejects } from "../../support/assert.ts";
import { createOpenVerified, FileReplaced } from "../../../lib/plugin/cell/open_verified.ts";
import { withTempFolder } from "../../support/temp_folder.ts";

const LINUX = Deno.build.os === "linux";
const decoder = new TextDecoder();

function withFolders(test: (base: string) => Promise<void>): Promise<void> {
  return withTempFolder(async (base) => {
    for (const name of ["open", "secret"]) {
      await Deno.mkdir(`${base}/${name}`);
      await Deno.writeTextFile(`${base}/${name}/file`, name);
    }
    await test(base);
  });
}

async function textOf(file: Deno.FsFile): Promise<string> {
  return decoder.decode(await new Response(file.readable).bytes());
}

Deno.test("createOpenVerified() opens a file by its real path", () =>
  withFolders(async (base) => {
    assertEquals(await textOf(await createOpenVerified(Deno)(`${base}/open/file`)), "open");
    await assertRejects(createOpenVerified(Deno)(`${base}/open/none`));
  }));

Deno.test({
  name: LINUX
    ? "createOpenVerified() refuses a symlink, in the last segment or before, and a pipe"
    : "createOpenVerified() refuses a symlink (skipped: needs Linux)",
  ignore: !LINUX,
  fn: () =>
    withFolders(async (base) => {
      await Deno.symlink(`${base}/secret`, `${base}/folder`);
      await Deno.symlink(`${base}/secret/file`, `${base}/open/link`);
      await assertRejects(createOpenVerified(Deno)(`${base}/folder/file`), FileReplaced);
      await assertRejects(createOpenVerified(Deno)(`${base}/open/link`), /ELOOP/);
      await new Deno.Command("mkfifo", { args: [`${base}/open/pipe`] }).output();
      // The pipe has no writer; the call must not block.
      await assertRejects(createOpenVerified(Deno)(`${base}/open/pipe`), /not a file/);
    }),
});

Deno.test({
  name: LINUX
    ? "createOpenVerified() never opens an outside file while a folder is replaced by a symlink"
    : "createOpenVerified() never opens an outside file (skipped: needs Linux)",
  ignore: !LINUX,
  fn: () =>
    withFolders(async (base) => {
      // A separate program that exchanges the folder and a symlink until the file `stop` exists.
      const swapper = new Deno.Command("sh", {
        args: [
          "-c",
          'cd "$1"; until [ -e stop ]; do mv open aside; ln -s secret open; rm open; mv aside open; done',
          "sh",
          base,
        ],
        stderr: "null",
      }).spawn();
      const open = createOpenVerified(Deno);
      const found = { open: 0, displaced: 0, absent: 0 };
      try {
        const end = performance.now() + 120_000;
        while ((found.open < 50 || found.displaced < 50) && performance.now() < end) {
          try {
            assertEquals(await textOf(await open(`${base}/open/file`)), "open");
            found.open += 1;
          } catch (error) {
            if (error instanceof FileReplaced) found.displaced += 1;
            else if (error instanceof Error && "code" in error) found.absent += 1;
            else throw error;
          }
        }
      } finally {
        await Deno.writeTextFile(`${base}/stop`, "");
        await swapper.status;
      }
      assert(found.open >= 50 && found.displaced >= 50, JSON.stringify(found));
    }),
});

Deno.test("createOpenVerified() opens without verification on another system than Linux", () =>
  withFolders(async (base) => {
    const native = { ...Deno, build: { ...Deno.build, os: "darwin" as const } };
    assertEquals(await textOf(await createOpenVerified(native)(`${base}/open/file`)), "open");
  }));
