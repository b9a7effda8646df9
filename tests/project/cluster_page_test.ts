/**
 * The commands of cluster.md as a reader pastes them. Programs on PATH take the place of `apt-get`, which
 * installs nothing here, and of `sudo`, which lets the programs of PostgreSQL use a server of the test.
 */

import { assert, assertEquals } from "../support/assert.ts";
import { freePorts } from "../support/free_port.ts";
import { PostgresServers, postgresSkipped } from "../support/postgres_servers.ts";
import { withTempFolder } from "../support/temp_folder.ts";
import { onPath, ROOT } from "./program.ts";
import { blocksOf, missingAnswer } from "./readme.ts";
import { ReaderShell } from "./reader_shell.ts";

const PAGE = `${ROOT}/worlds/usr/share/doc/cluster.md`;
/** The folder of the socket in the page, as it is in the address. */
const SOCKETS = "%2Fvar%2Frun%2Fpostgresql";
const missing = ["bash", "curl", "openssl", "createuser", "createdb"].filter((tool) =>
  !onPath(tool)
);
const skipped = missing.length > 0 ? ` (skipped: no ${missing.join(", ")} here)` : postgresSkipped;

Deno.test({
  name: `cluster.md has commands that start three nodes on one computer${skipped}`,
  ignore: skipped !== "",
  fn: (t) =>
    withTempFolder(async (folder) => {
      const sockets = `${folder}/sockets`;
      await Deno.mkdir(sockets);
      // The server can be another user.
      await Deno.chmod(folder, 0o755);
      await Deno.chmod(sockets, 0o777);
      await using server = await PostgresServers.start({
        settings: { unix_socket_directories: `'${sockets}'` },
      });
      const port = server.port();
      await writeProgram(`${folder}/bin/apt-get`, `[ "$*" = "install --yes postgresql" ]`);
      await writeProgram(
        `${folder}/bin/sudo`,
        `[ "$1" != -u ] || { [ "$2" = postgres ] || exit 1; shift 2; }\n` +
          `PGHOST=127.0.0.1 PGPORT=${port} PGUSER=postgres exec "$@"`,
      );
      const first = freePorts(4);
      const local = (commands: string) =>
        commands.replaceAll(SOCKETS, `${encodeURIComponent(sockets)}:${port}`)
          .replaceAll(/\b300[4-7]\b/g, (name) => String(first + Number(name) - 3004))
          // The reader waits until the nodes run, on a slow computer longer than a minute.
          .replaceAll("--retry 60 ", "--retry 600 ")
          .replaceAll("run -A main.ts", `run -A --config ${ROOT}/deno.json ${ROOT}/main.ts`);
      const shell = new ReaderShell(folder, {
        PATH: `${folder}/bin:${Deno.execPath().replace(/\/[^/]+$/, "")}:${Deno.env.get("PATH")}`,
        USER: "reader",
      });
      try {
        for (const block of blocksOf(await Deno.readTextFile(PAGE))) {
          await t.step(block[0]?.commands.split("\n")[0] ?? "", async () => {
            for (const { commands, answers } of block) {
              const { code, output, complaints } = await shell.paste(local(commands));
              const shown = `${commands}\n${output}\n${complaints}`;
              assertEquals(code, 0, shown);
              assert(answers.length > 0 || !/"status":[45]\d\d/.test(output), shown);
              assertEquals(missingAnswer(answers, output), undefined, shown);
            }
          });
        }
        const { output } = await shell.paste("jobs -r");
        assertEquals(output.trim(), "", "the page must end every node that it starts");
      } finally {
        // No node stays behind if a step failed.
        await shell.paste("kill -9 $(jobs -p) 2> /dev/null; wait");
        await shell.close();
      }
    }),
});

async function writeProgram(path: string, script: string): Promise<void> {
  await Deno.mkdir(path.replace(/\/[^/]+$/, ""), { recursive: true });
  await Deno.writeTextFile(path, `#!/bin/sh\n${script}\n`);
  await Deno.chmod(path, 0o755);
}
