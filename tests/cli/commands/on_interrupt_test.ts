import { deepStrictEqual as equal, match } from "node:assert/strict";
import { cleanEnv, fromCheckout, inFolder } from "../../project/program.ts";

Deno.test("interruptible() lets Ctrl-C break an import off, and nothing is left of it", () =>
  inFolder(async (folder) => {
    const watcher = Deno.watchFs(folder);
    const { command, args, env } = fromCheckout(folder, ["import", "-"]);
    const child = new Deno.Command(command, {
      args: [...args],
      cwd: folder,
      env: cleanEnv(env),
      clearEnv: true,
      // An archive that never comes.
      stdin: "piped",
      stdout: "null",
      stderr: "piped",
    }).spawn();
    for await (const { paths } of watcher) {
      if (paths.some((path) => path.includes("/.import-"))) break;
    }
    child.kill("SIGINT");
    const { code, stderr } = await child.output();
    equal(code, 130, new TextDecoder().decode(stderr));
    match(new TextDecoder().decode(stderr), /^Broken off; nothing is left of it$/m);
    equal([...Deno.readDirSync(folder)], []);
    await child.stdin.close().catch(() => {}); // its reader is gone
  }));
