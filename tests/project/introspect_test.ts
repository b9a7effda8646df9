import { assert, assertEquals, assertMatch } from "../support/assert.ts";
import { requireTool } from "../dav/tool.ts";
import { bearer, CLOSED, startTestServer, type TestServer } from "../support/test_server.ts";
import { ROOT, runProgram } from "./program.ts";
import { withTempFolder } from "../support/temp_folder.ts";

const SCRIPT = `${ROOT}/worlds/usr/bin/introspect.sh`;
const LOWER_TEXTS = { "usr/bin/introspect.sh": await Deno.readTextFile(SCRIPT) };
const FACTS = ["disk", "memory", "network", "os", "processes"];

async function withInstalledServer(
  env: Record<string, string>,
  act: (server: TestServer, folder: string) => Promise<void>,
): Promise<void> {
  const server = await startTestServer({ env, lowerTexts: LOWER_TEXTS });
  try {
    await withTempFolder((folder) => act(server, folder));
  } finally {
    await server.close();
  }
}

/** Runs the command in the head of the script, on another port. */
function paste(server: TestServer, folder: string, env: Record<string, string> = {}) {
  return runProgram({
    command: "sh",
    args: ["-c", `curl -s localhost:${server.port}/usr/bin/introspect.sh?raw | sh`],
    cwd: folder,
    env: { ELASTIK_URL: `http://localhost:${server.port}`, TMPDIR: folder, ...env },
  });
}

async function factOf(server: TestServer, fact: string): Promise<string> {
  const headers = bearer(server.approveToken);
  return (await server.send({ method: "GET", target: `/home/env/${fact}?raw`, headers })).text;
}

Deno.test({
  ...requireTool(
    "curl",
    "introspect.sh writes facts about the computer into worlds, and new versions when run again",
  ),
  fn: () =>
    withInstalledServer({}, async (server, folder) => {
      const { code, stdout, stderr } = await paste(server, folder);
      assertEquals(code, 0, stderr);
      assertEquals(stdout.match(/env\/\w+/g)?.map((path) => path.slice(4)).sort(), FACTS);
      assertMatch(await factOf(server, "os"), /^(?:Linux|Darwin) /);
      assertMatch(await factOf(server, "disk"), /^Filesystem.*\n.*\d+%/);
      assertMatch(await factOf(server, "memory"), /\d/);
      assertMatch(await factOf(server, "processes"), /USER\s+PID\s+%CPU\s+%MEM\s+COMM/);
      const reply = await server.send({ method: "GET", target: "/home/env/os" });
      assertEquals(reply.headers.get("x-meta-source"), "introspect");
      assertEquals(JSON.parse(reply.text).ext, "txt");
      assertEquals((await paste(server, folder)).code, 0);
      assertEquals(
        JSON.parse((await server.send({ method: "GET", target: "/home/env/os" })).text).version,
        2,
      );
      assertEquals([...Deno.readDirSync(folder)], [], "the temporary folder is not empty");
    }),
});

Deno.test({
  ...requireTool(
    "curl",
    "introspect.sh records no arguments and keeps its token out of the list of processes",
  ),
  fn: () =>
    withInstalledServer({ ...CLOSED }, async (server, folder) => {
      // A program with a secret argument runs at the same time.
      const secret = "s3cret-argument-of-a-program";
      const sleeper = new Deno.Command("sh", { args: ["-c", "read _", secret], stdin: "piped" })
        .spawn();
      const token = server.capability("/home/env", "rw");
      // A curl that records its own arguments, which any user of the computer could see.
      await Deno.mkdir(`${folder}/bin`);
      const real =
        (await runProgram({ command: "sh", args: ["-c", "command -v curl"], cwd: folder })).stdout
          .trim();
      await Deno.writeTextFile(
        `${folder}/bin/curl`,
        `#!/bin/sh\nprintf '%s\\n' "$*" >> "${folder}/seen"\nexec ${real} "$@"\n`,
        { mode: 0o755 },
      );
      try {
        const { code, stderr } = await paste(server, folder, {
          ELASTIK_TOKEN: token,
          PATH: `${folder}/bin:${Deno.env.get("PATH")}`,
        });
        assertEquals(code, 0, stderr);
      } finally {
        await sleeper.stdin.close();
        await sleeper.status;
      }
      const seen = await Deno.readTextFile(`${folder}/seen`);
      assertMatch(seen, /--config -/);
      assert(!seen.includes(token), seen);
      for (const fact of FACTS) {
        const text = await factOf(server, fact);
        assert(text.length > 0);
        assert(!text.includes(secret) && !text.includes(token), fact);
      }
    }),
});

Deno.test({
  ...requireTool(
    "curl",
    "introspect.sh names what would have been enough if it is refused or the server cannot be reached",
  ),
  fn: () =>
    withInstalledServer({ ...CLOSED }, async (server, folder) => {
      const refused = await paste(server, folder);
      assertEquals(refused.code, 1);
      assertMatch(
        refused.stderr,
        /^Cannot write \/home\/env\/os: .*no credential.*set ELASTIK_TOKEN/s,
      );
      const outside = await paste(server, folder, {
        ELASTIK_TOKEN: server.capability("/home/x", "rw"),
      });
      assertEquals(outside.code, 1);
      assertMatch(outside.stderr, /the capability covers \/home\/x/);
      const unreachable = await paste(server, folder, { ELASTIK_URL: "http://127.0.0.1:1" });
      assertEquals(unreachable.code, 3);
      assertMatch(unreachable.stderr, /^Cannot reach http:\/\/127\.0\.0\.1:1: /);
      assertEquals([...Deno.readDirSync(folder)], []);
    }),
});

Deno.test({
  ...requireTool("curl", "introspect.sh uses the tools of macOS"),
  fn: () =>
    withInstalledServer({}, async (server, folder) => {
      const bin = `${folder}/bin`;
      await Deno.mkdir(bin);
      const stub = (name: string, text: string) =>
        Deno.writeTextFile(`${bin}/${name}`, `#!/bin/sh\ncat <<'EOF'\n${text}\nEOF\n`, {
          mode: 0o755,
        });
      // The tools of a Mac: no ip, no /proc. The others are links to those of this computer.
      for (const tool of ["sh", "sed", "cat", "curl", "mktemp", "rm", "df", "awk"]) {
        const { stdout } = await runProgram({
          command: "sh",
          args: ["-c", `command -v ${tool}`],
          cwd: folder,
        });
        await Deno.symlink(stdout.trim(), `${bin}/${tool}`);
      }
      await stub("uname", "Darwin 23.1.0 arm64");
      await stub("sw_vers", "ProductName: macOS");
      await stub("vm_stat", "Pages free: 12345.");
      await stub("sysctl", "17179869184");
      await stub("ps", "USER   PID  %CPU %MEM COMM\nada      1   0.0  0.1 /sbin/launchd");
      await stub(
        "ifconfig",
        "en0: flags=8863<UP> mtu 1500\n\tether a1:b2:c3:d4:e5:f6\n\tinet 192.168.1.5 netmask 0xffffff00\n\tinet6 fe80::1%en0 prefixlen 64",
      );
      await stub("netstat", "default  192.168.1.1  UGScg  en0");
      const script = (await Deno.readTextFile(SCRIPT)).replace("/proc/meminfo", "/none").replace(
        "/etc/os-release",
        "/none",
      );
      await Deno.writeTextFile(`${folder}/introspect.sh`, script);
      const { code, stderr } = await runProgram({
        command: `${bin}/sh`,
        args: [`${folder}/introspect.sh`],
        cwd: folder,
        env: { PATH: bin, ELASTIK_URL: `http://127.0.0.1:${server.port}`, TMPDIR: folder },
      });
      assertEquals(code, 0, stderr);
      assertMatch(await factOf(server, "os"), /^Darwin 23\.1\.0 arm64\nProductName: macOS\n/);
      assertMatch(
        await factOf(server, "memory"),
        /^hw\.memsize: 17179869184\nPages free: 12345\.\n/,
      );
      assertEquals(
        (await factOf(server, "network")).split("\n").slice(0, 4),
        ["en0", "  inet 192.168.1.5", "  inet6 fe80::1%en0", "default  192.168.1.1  UGScg  en0"],
      );
      assertMatch(await factOf(server, "processes"), /launchd/);
    }),
});

Deno.test("examples/introspect.sh is the world /usr/bin/introspect.sh", async () => {
  assertEquals(
    await Deno.readTextFile(`${ROOT}/examples/introspect.sh`),
    LOWER_TEXTS["usr/bin/introspect.sh"],
    "run: cp worlds/usr/bin/introspect.sh examples/introspect.sh",
  );
});

Deno.test({
  ...requireTool("curl", "examples/introspect.sh takes ELASTIK_PORT of .env in the working folder"),
  fn: () =>
    withInstalledServer({}, async (server, folder) => {
      await Deno.writeTextFile(`${folder}/.env`, `ELASTIK_PORT=${server.port}\n`);
      const { code, stdout, stderr } = await runProgram({
        command: "sh",
        args: [`${ROOT}/examples/introspect.sh`],
        cwd: folder,
        env: { TMPDIR: folder },
      });
      assertEquals(code, 0, stderr);
      assertMatch(stdout, new RegExp(`^http://localhost:${server.port}/home/env/os$`, "m"));
    }),
});

Deno.test({
  ...requireTool("shellcheck", "introspect.sh is POSIX sh and passes shellcheck"),
  fn: async () => {
    const { code, stdout } = await runProgram({
      command: "shellcheck",
      args: ["-s", "sh", SCRIPT],
      cwd: ROOT,
    });
    assertEquals(code, 0, stdout);
  },
});
