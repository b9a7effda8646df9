import { assertEquals, assertMatch } from "../../support/assert.ts";
import { cleanEnv, fromCheckout } from "../../project/program.ts";
import { withTempFolder } from "../../support/temp_folder.ts";

Deno.test("runInterruptible() lets Ctrl-C abort an import without leaving files", () =>
  withTempFolder(async (folder) => {
    const watcher = Deno.watchFs(folder);
    const { command, args, env } = fromCheckout(folder, ["import", "-"]);
    const child = new Deno.Command(command, {
      args: [...args],
      cwd: folder,
      env: cleanEnv(env),
      clearEnv: true,
      // An archive that never ends.
      stdin: "piped",
      stdout: "null",
      stderr: "piped",
    }).spawn();
    for await (const { paths } of watcher) {
      if (paths.some((path) => path.includes("/.import-"))) break;
    }
    child.kill("SIGINT");
    const { code, stderr } = await child.output();
    assertEquals(code, 130, new TextDecoder().decode(stderr));
    assertMatch(new TextDecoder().decode(stderr), /^Interrupted; partial output was removed$/m);
    assertEquals([...Deno.readDirSync(folder)], []);
    await child.stdin.close().catch(() => {}); // the reader was closed
  }));
