import { assert, assertEquals, assertMatch, assertThrows } from "../../support/assert.ts";
import { checkPassword } from "../../../lib/cli/client/read_password.ts";
import { formatAccounts } from "../../../lib/cli/commands/user.ts";
import { UsageError } from "../../../lib/cli/parse_args.ts";
import { basic, bearer } from "../../support/test_server.ts";
import { ask, cleanEnv, fromCheckout, onPath, startProgram } from "../../project/program.ts";
import { startCommand } from "../../support/live_command.ts";
import { withTempFolder } from "../../support/temp_folder.ts";

const APPROVE = "t3-of-the-user-test";
const PASSWORD = "correct horse battery";

/** Runs `elastik user` with a text on its standard input. */
async function user(folder: string, url: string, args: readonly string[], input = "") {
  const { command, args: all, cwd, env } = fromCheckout(folder, ["user", ...args, "--url", url], {
    ELASTIK_APPROVE_TOKEN: APPROVE,
  });
  const child = new Deno.Command(command, {
    args: [...all],
    cwd,
    env: cleanEnv(env),
    clearEnv: true,
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(input)).then(() => writer.close()).catch(() => {});
  const { code, stdout, stderr } = await child.output();
  const decoder = new TextDecoder();
  return { code, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
}

Deno.test("user adds, replaces, lists and removes accounts of a running server", () =>
  withTempFolder(async (folder) => {
    const program = await startProgram(
      fromCheckout(folder, [], { ELASTIK_APPROVE_TOKEN: APPROVE }),
    );
    const { url } = program;
    const run = (args: readonly string[], input?: string) => user(folder, url, args, input);
    const whoami = async (name: string, password: string) =>
      (await ask(`${url}/auth/whoami`, { headers: basic(name, password) })).text.trim();
    const read = async (path: string) =>
      (await ask(`${url}${path}?raw`, { headers: bearer(APPROVE) })).text;
    try {
      await ask(`${url}/etc/passwd`, {
        method: "PUT",
        headers: bearer(APPROVE),
        body: "# team\nbob:T1",
      });
      const added = await run(["add", "ada"], `${PASSWORD}\n`);
      assertEquals(added, { code: 0, stdout: "Added ada (T2)\n", stderr: "" });
      assertEquals(await whoami("ada", PASSWORD), '{"tier":"T2","by":"user:ada"}');
      assertEquals(await read("/etc/passwd"), "# team\nbob:T1\nada:T2\n");
      assertEquals((await run(["list"])).stdout, "bob\tT1\tno password\nada\tT2\n");
      const again = await run(["add", "ada", "--tier", "T3"], "another password");
      assertEquals([again.code, again.stdout], [1, ""]);
      assertMatch(again.stderr, /^Cannot add ada: the account exists; use --replace/);
      const replaced = await run(["add", "ada", "--tier", "T3", "--replace"], "another password");
      assertEquals(replaced.stdout, "Replaced ada (T3)\n");
      assertEquals(await whoami("ada", "another password"), '{"tier":"T3","by":"user:ada"}');
      assertEquals((await run(["remove", "ada"])).stdout, "Removed ada\n");
      assertEquals(await read("/etc/passwd"), "# team\nbob:T1\n");
      assertEquals(await read("/etc/shadow"), "");
      const missing = await run(["remove", "ada"]);
      assertEquals(missing.code, 1);
      assertMatch(missing.stderr, /^Cannot remove ada: there is no such account\n/);
      for (const args of [["add"], ["list", "x"], ["drop", "x"], ["add", "a:b"], ["add", "#x"]]) {
        assertEquals((await run(args, PASSWORD)).code, 2, args.join(" "));
      }
      assertEquals((await run(["add", "eve"], "short\n")).code, 2);
      assertEquals(await read("/etc/passwd"), "# team\nbob:T1\n");
      assert(!program.output().includes(PASSWORD));
    } finally {
      await program.stop();
    }
  }));

Deno.test("concurrent user commands lose no account", () =>
  withTempFolder(async (folder) => {
    const program = await startProgram(
      fromCheckout(folder, [], { ELASTIK_APPROVE_TOKEN: APPROVE }),
    );
    try {
      const names = ["a", "b", "c", "d"];
      const results = await Promise.all(
        names.map((name) => user(folder, program.url, ["add", name], `password of ${name}`)),
      );
      assertEquals(results.map(({ code }) => code), [0, 0, 0, 0], JSON.stringify(results));
      for (const name of names) {
        const headers = basic(name, `password of ${name}`);
        const { text } = await ask(`${program.url}/auth/whoami`, { headers });
        assertEquals(text, `{"tier":"T2","by":"user:${name}"}\n`);
      }
    } finally {
      await program.stop();
    }
  }));

Deno.test({
  name: "user add asks twice on a terminal and does not show the password",
  ignore: !onPath("script"),
  fn: () =>
    withTempFolder(async (folder) => {
      const program = await startProgram(
        fromCheckout(folder, [], { ELASTIK_APPROVE_TOKEN: APPROVE }),
      );
      try {
        const start = fromCheckout(folder, ["user", "add", "ada", "--url", program.url]);
        const line = [start.command, ...start.args].map((word) => `'${word}'`).join(" ");
        const child = new Deno.Command("script", {
          args: ["--quiet", "--return", "--command", line, "/dev/null"],
          cwd: folder,
          env: cleanEnv({ ...start.env, ELASTIK_APPROVE_TOKEN: APPROVE }),
          clearEnv: true,
          stdin: "piped",
          stdout: "piped",
          stderr: "null",
        }).spawn();
        const writer = child.stdin.getWriter();
        const typed = new TextEncoder().encode(`${PASSWORD}x\x7f\r`);
        let shown = "";
        let answers = 0;
        for await (const text of child.stdout.pipeThrough(new TextDecoderStream())) {
          shown += text;
          const questions = shown.split(/Password of ada: |Again: /).length - 1;
          while (answers < questions) {
            answers++;
            await writer.write(typed);
          }
        }
        await writer.close().catch(() => {});
        await child.status;
        assertMatch(shown, /Added ada \(T2\)/);
        assert(!shown.includes("horse"), shown);
        const headers = basic("ada", PASSWORD);
        const { text } = await ask(`${program.url}/auth/whoami`, { headers });
        assertEquals(text, '{"tier":"T2","by":"user:ada"}\n');
      } finally {
        await program.stop();
      }
    }),
});

Deno.test({
  name: "user add restores the terminal if a signal ends it",
  ignore: !onPath("script"),
  fn: () =>
    withTempFolder(async (folder) => {
      const program = await startProgram(
        fromCheckout(folder, [], { ELASTIK_APPROVE_TOKEN: APPROVE }),
      );
      try {
        const start = fromCheckout(folder, ["user", "add", "ada", "--url", program.url], {
          ELASTIK_APPROVE_TOKEN: APPROVE,
        });
        for (
          const [signal, code] of [["SIGTERM", 143], ["SIGHUP", 129], ["SIGINT", 130]] as const
        ) {
          const line = [start.command, ...start.args].map((word) => `"${word}"`).join(" ");
          const script = `sh -c 'echo "pid $$"; exec ${line}'; echo "code $?"; stty -a`;
          const command = startCommand({
            ...start,
            command: "script",
            args: ["--quiet", "--return", "--command", script, "/dev/null"],
          });
          const [, pid] = await command.until(/pid (\d+)/);
          await command.until(/Password of ada: /);
          Deno.kill(Number(pid), signal);
          await command.until(new RegExp(`code ${code}\\s`));
          await command.until(/ icanon .* echo /s);
          await command.interrupt();
        }
      } finally {
        await program.stop();
      }
    }),
});

Deno.test("checkPassword() accepts 8 characters and refuses 7, and control characters", () => {
  assertEquals(checkPassword("12345678"), "12345678");
  for (const password of ["1234567", "1234\n5678", ""]) {
    assertThrows(() => checkPassword(password), UsageError);
  }
});

Deno.test("formatAccounts() shows name and tier of an account with a password", () => {
  assertEquals(formatAccounts("ada:T2\n", `ada:${"a".repeat(64)}\n`), ["ada\tT2"]);
});
