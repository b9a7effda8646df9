/**
 * "Nodes under systemd" of cluster.md: the files with settings that its commands make, and the function
 * that runs commands in the folder of a node. Programs on PATH take the place of those that need root.
 */

import { assert, assertEquals, assertMatch } from "../support/assert.ts";
import { withTempFolder } from "../support/temp_folder.ts";
import { onPath, ROOT, runProgram } from "./program.ts";

const HEADING = "## Nodes under systemd\n";
const missing = ["bash", "openssl"].filter((tool) => !onPath(tool));
const skipped = missing.length === 0 ? "" : ` (skipped: no ${missing.join(", ")} here)`;
const PROGRAMS: Readonly<Record<string, string>> = {
  sudo: 'exec "$@"',
  runuser: '[ "$1 $2 $3" = "-u elastik --" ] && shift 3 && exec "$@"',
  deno: 'echo "$PWD|$ELASTIK_STORE|${#ELASTIK_KEY}|$DENO_DIR|$*"',
};

/** The indented commands of the section that contain a text. */
function commandsWith(page: string, text: string): string {
  const section = page.slice(page.indexOf(HEADING) + HEADING.length).split("\n## ")[0] ?? "";
  const found = section.split(/\n\n+/).find((part) =>
    part.startsWith("    ") && part.includes(text)
  );
  assert(found !== undefined, `the section has no commands with ${text}`);
  return found.replaceAll(/^ {4}/gm, "");
}

Deno.test({
  name: `cluster.md has a function that runs commands with the settings of a node${skipped}`,
  ignore: skipped !== "",
  fn: () =>
    withTempFolder(async (folder) => {
      const page = await Deno.readTextFile(`${ROOT}/worlds/usr/share/doc/cluster.md`);
      await Deno.mkdir(`${folder}/bin`);
      for (const [name, script] of Object.entries(PROGRAMS)) {
        await Deno.writeTextFile(`${folder}/bin/${name}`, `#!/bin/sh\n${script}\n`);
        await Deno.chmod(`${folder}/bin/${name}`, 0o755);
      }
      await Deno.mkdir(`${folder}/state/a`, { recursive: true });
      const address = page.match(/^ {4}echo 'ELASTIK_STORE="(.*)"' >> cluster\.env$/m)?.[1] ?? "";
      assertMatch(address, /^postgres:\/\/elastik_node:.*&/);
      const script = [
        commandsWith(page, "> cluster.env"),
        commandsWith(page, "on_node() {"),
        "on_node a key rotate",
        "on_node a store rekey",
        "stat -c %a cluster.env owner.env",
      ].join("\n")
        .replaceAll("/etc/elastik/", `${folder}/`)
        .replaceAll("/var/lib/elastik-node", `${folder}/state`)
        .replaceAll("/var/cache/elastik-node", `${folder}/cache`);
      const { code, stdout, stderr } = await runProgram({
        command: "bash",
        args: ["-ec", script],
        cwd: folder,
        env: { PATH: `${folder}/bin:${Deno.env.get("PATH") ?? ""}` },
      });
      assertEquals(code, 0, stderr);
      const call = "run -A --unstable-worker-options /opt/elastik/elastik.js";
      const common = (store: string) => `${folder}/state/a|${store}|64|${folder}/cache/a|${call}`;
      assertEquals(stdout.trim().split("\n"), [
        `${common(address)} key rotate`,
        `${common(address.replace("elastik_node", "elastik"))} store rekey`,
        "600",
        "600",
      ]);
    }),
});
