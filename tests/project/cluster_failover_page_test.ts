/**
 * "Two Debian servers by hand" of cluster.md as a reader types it: two servers with configuration outside
 * of their data, as on Debian, a failover, and the return of the lost server. Programs on PATH take the
 * place of those of Debian, and of those that ask for a password.
 */

import { assert, assertEquals, assertMatch } from "../support/assert.ts";
import { canCertify, certify } from "../support/certificate.ts";
import { freePort } from "../support/free_port.ts";
import {
  asPostgres,
  createServersFolder,
  postgresPrograms,
  postgresSkipped,
} from "../support/postgres_servers.ts";
import { withTempFolder } from "../support/temp_folder.ts";
import { fromCheckout, type Program, ROOT, runProgram, startProgram } from "./program.ts";

const PAGE = `${ROOT}/worlds/usr/share/doc/cluster.md`;
const HEADING = "### Two Debian servers by hand\n";
const PASSWORD = "secret-of-every-role";
const T2 = "t2-of-the-failover";
const HOSTS = ["db1", "db2"] as const;
/** Longest wait for the servers and the node, in milliseconds. */
const MAX_WAIT_MS = 300_000;
const skipped = postgresSkipped || (canCertify() ? "" : " (skipped: no openssl here)");

type Host = typeof HOSTS[number];

/** Commands of the page, and the servers where they are run. */
interface Block {
  readonly hosts: readonly Host[];
  readonly commands: string;
}

/** The indented commands of the section. The sentence before each block names the server. */
function blocksOfSection(page: string): Block[] {
  const begin = page.indexOf(HEADING);
  assert(begin >= 0, HEADING);
  const section = page.slice(begin + HEADING.length).split("\n### ")[0] ?? "";
  let before = "";
  return section.split(/\n\n+/).flatMap((part) => {
    if (!part.startsWith("    ")) {
      before = part.replaceAll("\n", " ");
      return [];
    }
    const place = [...before.matchAll(/\bon (`db1`|`db2`|both servers|a computer of the nodes)/gi)]
      .at(-1)?.[1];
    assert(place !== undefined, `the page does not say where to run:\n${part}`);
    const hosts = place === "both servers" ? HOSTS : HOSTS.filter((host) => place.includes(host));
    return [{ hosts, commands: part.replaceAll(/^ {4}/gm, "") }];
  });
}

/** The two servers of the page. Their end is that of the tests, also of those of a killed run. */
class DebianServers {
  readonly #folder: string;
  readonly #keeper: Deno.ChildProcess;
  readonly ports: Readonly<Record<Host, number>> = { db1: freePort(), db2: freePort() };

  private constructor(folder: string) {
    this.#folder = folder;
    const stop = HOSTS.map((host) => `pg_ctl -D ${folder}/${host}/data -m immediate stop`);
    const [command = "", ...args] = asPostgres("sh", [
      "-c",
      `trap '' HUP INT TERM; read -r line; PATH=${postgresPrograms}:$PATH; ${stop.join("; ")}; ` +
      `rm -rf ${folder}/*; rmdir ${folder}`,
    ]);
    this.#keeper = new Deno.Command(command, {
      args,
      cwd: "/",
      stdin: "piped",
      stdout: "null",
      stderr: "null",
    }).spawn();
  }

  /** Creates the clusters `main` as the packages of Debian do, and starts them. */
  static async create(certificates: string): Promise<DebianServers> {
    const folder = await createServersFolder();
    const servers = new DebianServers(folder);
    const { cert, key } = await certify(certificates, "db");
    const files = { [cert]: "server.crt", [key]: "server.key" };
    await Deno.mkdir(`${folder}/bin`);
    for (const [name, script] of Object.entries(PROGRAMS)) {
      await Deno.writeTextFile(`${folder}/bin/${name}`, `#!/bin/sh\nset -e\n${script}\n`);
      await Deno.chmod(`${folder}/bin/${name}`, 0o755);
    }
    for (const host of HOSTS) {
      const etc = `${folder}/${host}/etc`;
      await Deno.mkdir(etc, { recursive: true });
      for (const [from, to] of Object.entries(files)) await Deno.copyFile(from, `${etc}/${to}`);
      // As on Debian, but without the lines for the computer itself: it is that of the nodes here, too.
      await Deno.writeTextFile(`${etc}/pg_hba.conf`, "local all all trust\n");
      await Deno.writeTextFile(
        `${etc}/postgresql.conf`,
        [
          `data_directory = '${folder}/${host}/data'`,
          `hba_file = '${etc}/pg_hba.conf'`,
          `port = ${servers.ports[host]}`,
          `unix_socket_directories = '${folder}/${host}'`,
          "ssl = on",
          `ssl_cert_file = '${etc}/server.crt'`,
          `ssl_key_file = '${etc}/server.key'`,
          "shared_buffers = 32MB",
          "",
        ].join("\n"),
      );
    }
    if (Deno.uid() === 0) {
      await new Deno.Command("chown", { args: ["-R", "postgres:", folder] }).output();
    }
    for (const host of HOSTS) {
      const key = `${folder}/${host}/etc/server.key`;
      await servers.run(
        host,
        `chmod 600 ${key} && initdb -D ${folder}/${host}/data -E UTF8 --locale=C.UTF-8 -U postgres >/dev/null && ` +
          "pg_ctlcluster 15 main start",
      );
    }
    return servers;
  }

  /** Runs commands of the page on a server, as user `postgres`. */
  async run(host: Host, commands: string): Promise<string> {
    const own = `${this.#folder}/${host}`;
    const local = commands
      .replaceAll("/etc/postgresql/15/main", `${own}/etc`)
      .replaceAll("/var/lib/postgresql/15/main", `${own}/data`)
      .replaceAll("10.0.0.0/24", "127.0.0.1/32")
      .replaceAll(
        /--host=(db[12])\b/g,
        (_, name: Host) => `--host=127.0.0.1 --port=${this.ports[name]}`,
      );
    const [command = "", ...args] = asPostgres("bash", ["-c", local]);
    const env = {
      PATH: `${this.#folder}/bin:${postgresPrograms}:${Deno.env.get("PATH") ?? ""}`,
      PROGRAMS: postgresPrograms ?? "",
      SERVER: own,
      PGHOST: own,
      PGUSER: "postgres",
      PGPORT: String(this.ports[host]),
      PGPASSWORD: PASSWORD,
    };
    const { code, stdout, stderr } = await new Deno.Command(command, {
      args,
      cwd: "/",
      env,
      stdin: "null",
    }).output();
    const decoder = new TextDecoder();
    const shown = `${host}: ${local}\n${decoder.decode(stderr)}`;
    assertEquals(code, 0, shown);
    return decoder.decode(stdout);
  }

  /** Both servers, as the nodes name them. */
  url(role: string): string {
    const hosts = HOSTS.map((host) => `127.0.0.1:${this.ports[host]}`).join(",");
    return `postgres://${role}:${PASSWORD}@${hosts}/elastik?sslmode=require`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#keeper.stdin.close();
    await this.#keeper.status;
  }
}

const PROGRAMS: Readonly<Record<string, string>> = {
  pg_ctlcluster: `[ "$1 $2" = "15 main" ]
case $3 in
stop) ! [ -e "$SERVER/data/postmaster.pid" ] || pg_ctl -D "$SERVER/data" -m fast -w stop ;;
*) pg_ctl -D "$SERVER/data" -o "-c config_file=$SERVER/etc/postgresql.conf" -l "$SERVER/log" -t 300 -w "$3" ;;
esac >/dev/null`,
  createuser: `for role; do :; done
[ "$1" != --pwprompt ] || shift
[ "$2" != --pwprompt ] || set -- "$1" "$3"
"$PROGRAMS/createuser" "$@"
psql --quiet -c "ALTER ROLE $role PASSWORD '$PGPASSWORD'"`,
};

Deno.test({
  name:
    `cluster.md has two servers that nodes can use after a failover and after a rejoin${skipped}`,
  ignore: skipped !== "",
  fn: () =>
    withTempFolder(async (folder) => {
      const blocks = blocksOfSection(await Deno.readTextFile(PAGE));
      await using servers = await DebianServers.create(folder);
      const secrets = {
        ELASTIK_KEY: "key of the failover of the page",
        ELASTIK_TOKEN: T2,
        ELASTIK_APPROVE_TOKEN: "t3-of-the-failover",
      };
      const owner = { ...secrets, ELASTIK_STORE: servers.url("elastik") };
      let node: Program | undefined;
      try {
        for (const { hosts, commands } of blocks) {
          const isFailover = commands.includes("pg_promote()");
          if (isFailover) {
            node = await startProgram(fromCheckout(folder, [], {
              ...secrets,
              ELASTIK_STORE: servers.url("elastik_node"),
              ELASTIK_NODE: "a",
            }));
            assertEquals(await put(node, "before"), 201);
            await servers.run("db1", "pg_ctl -D $SERVER/data -m immediate stop >/dev/null");
          }
          for (const host of hosts) await servers.run(host, commands);
          // Those of a computer of the nodes.
          for (const line of hosts.length > 0 ? [] : commands.split("\n")) {
            const output = await elastik(folder, line.replace(/^elastik /, "").split(" "), owner);
            if (line.endsWith("check")) {
              assertMatch(output, /synchronous standbys: 1\n.*, 0 warnings/);
            }
          }
          if (isFailover && node !== undefined) {
            await changes(node, "after the failover");
          }
        }
        assert(node !== undefined, "the section has no failover");
        await changes(node, "after the rejoin");
        const report = await elastik(folder, ["store", "check", "--json"], owner);
        const { hosts, findings } = JSON.parse(report);
        assertEquals(hosts.map(({ role }: { role: string }) => role), ["standby", "primary"]);
        assertEquals(findings, []);
        // The role sees the standbys, as the page has granted.
        const text = await elastik(folder, ["store", "check"], {
          ...owner,
          ELASTIK_STORE: servers.url("elastik_node"),
        });
        assertMatch(text, /synchronous standbys: 1$/m);
      } finally {
        await node?.stop("SIGKILL");
      }
    }),
});

/** Runs a command of the store. */
async function elastik(
  cwd: string,
  args: readonly string[],
  env: Readonly<Record<string, string>>,
): Promise<string> {
  const { code, stdout, stderr } = await runProgram(fromCheckout(cwd, args, env));
  assertEquals(code, 0, `${args}: ${stdout}${stderr}`);
  return stdout;
}

async function put({ url }: Program, body: string): Promise<number> {
  const response = await fetch(`${url}/home/failover`, {
    method: "PUT",
    body,
    headers: { authorization: `Bearer ${T2}` },
  });
  await response.body?.cancel();
  return response.status;
}

/** Changes a world as soon as the node can. */
async function changes(node: Program, body: string): Promise<void> {
  for (const end = Date.now() + MAX_WAIT_MS; await put(node, body) !== 200;) {
    assert(Date.now() < end, `${body}: no change within ${MAX_WAIT_MS} ms\n${node.output()}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}
