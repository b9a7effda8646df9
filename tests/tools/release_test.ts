import { assertEquals, assertMatch } from "../support/assert.ts";
import { CompileError } from "../../lib/tools/compile.ts";
import { release, SUMS_FILE, TARGETS } from "../../lib/tools/release.ts";
import { VERSION } from "../../lib/version.ts";
import { onPath, runProgram } from "../project/program.ts";
import { withTempFolder } from "../support/temp_folder.ts";

const missing = onPath("sha256sum") ? "" : " (skipped: no sha256sum here)";

Deno.test({
  name:
    `release() builds what it can, writes checksums, and reports what it could not build${missing}`,
  ignore: missing !== "",
  fn: () =>
    withTempFolder(async (folder) => {
      const lines: string[] = [];
      const found = await release(`${folder}/dist`, TARGETS, async ({ output, target }) => {
        if (target === "x86_64-apple-darwin") {
          throw new CompileError("no such host");
        }
        await Deno.writeTextFile(output, `a program for ${target}`);
        return [];
      }, (line) =>
        lines.push(line), (_output, target) => {
        if (target !== "aarch64-apple-darwin") {
          return Promise.resolve();
        }
        return Promise.reject(new CompileError("it does not run"));
      });
      const name = `elastik-${VERSION}`;
      assertEquals(found.files, [
        `${name}.js`,
        `${name}-linux-x64`,
        `${name}-linux-arm64`,
        `${name}-windows-x64.exe`,
      ]);
      assertEquals(found.missing, [
        { file: `${name}-macos-x64`, reason: "no such host" },
        { file: `${name}-macos-arm64`, reason: "it does not run" },
      ]);
      assertMatch(lines.join("\n"), /-macos-x64: cannot be built here: no such host\n/);
      assertEquals(lines.at(-1), `${SUMS_FILE}: 4 of 6 files`);
      const checked = await runProgram({
        command: "sha256sum",
        args: ["--check", "--strict", SUMS_FILE],
        cwd: `${folder}/dist`,
      });
      assertEquals(checked.code, 0, checked.stderr);
      assertEquals(checked.stdout.trim().split("\n").length, 4);
    }),
});
