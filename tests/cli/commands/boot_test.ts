import { assert, assertEquals, assertMatch } from "../../support/assert.ts";
import {
  ask,
  fromCheckout,
  type Program,
  ROOT,
  runProgram,
  type StartOptions,
  startProgram,
} from "../../project/program.ts";
import { freePort } from "../../support/free_port.ts";
import { withTempFolder } from "../../support/temp_folder.ts";

const TOKENS = { ELASTIK_TOKEN: "t2-of-the-test", ELASTIK_APPROVE_TOKEN: "t3-of-the-test" };

/**
 * Runs the command as documented, with its own cache, because the port may have served another
 * version before.
 */
function byUrl(program: Program, folder: string, env: Record<string, string> = {}): StartOptions {
  return {
    command: Deno.execPath(),
    args: ["run", "-A", "-r", `${program.url}/usr/bin/boot?raw`],
    cwd: folder,
    env: { DENO_DIR: `${folder}/deno`, ...env },
  };
}

async function worldsBelowHome(program: Program): Promise<string[]> {
  const { text } = await ask(`${program.url}/proc/worlds`);
  return JSON.parse(text).map(({ name }: { name: string }) => name)
    .filter((name: string) => /^home\/boot-/.test(name));
}

Deno.test("/usr/bin/boot passes on a new server and reports what it could not delete", () =>
  withTempFolder(async (folder) => {
    const program = await startProgram(fromCheckout(folder));
    const { code, stdout, stderr } = await runProgram(byUrl(program, folder));
    const left = await worldsBelowHome(program);
    const lengths = await Promise.all(
      left.map(async (name) =>
        (await ask(`${program.url}/${name.split("/").map(encodeURIComponent).join("/")}?raw`))
          .text.length
      ),
    );
    await program.stop();
    assertEquals(code, 0, stdout + stderr);
    assertMatch(stdout, new RegExp(`^self-test of ${program.url}$`, "m"));
    assertMatch(stdout, /^capabilities .* not checked {2}ELASTIK_APPROVE_TOKEN is needed$/m);
    assertMatch(stdout, new RegExp(`^left ${left.length} empty worlds below /home/boot-`, "m"));
    assertMatch(stdout, /\n\d+ ok, 0 failed, 4 not checked in \d+ ms\n$/);
    assert(left.length > 0);
    assert(lengths.every((length) => length === 0), "a world was left with content");
    assert(!stdout.includes("\x1b"), "the output to a pipe has colours");
  }));

Deno.test("/usr/bin/boot runs all checks and leaves nothing if it has the tokens", () =>
  withTempFolder(async (folder) => {
    const program = await startProgram(fromCheckout(folder, [], TOKENS));
    const { code, stdout, stderr } = await runProgram(byUrl(program, folder, TOKENS));
    const left = await worldsBelowHome(program);
    await program.stop();
    assertEquals(code, 0, stdout + stderr);
    assertMatch(stdout, /\n\d+ ok, 0 failed in \d+ ms\n$/);
    assertEquals(left, []);
    for (const token of Object.values(TOKENS)) {
      assert(!stdout.includes(token), "a token was printed");
    }
  }));

Deno.test("/usr/bin/boot ends at the first write if the server has tokens and the caller has none", () =>
  withTempFolder(async (folder) => {
    const program = await startProgram(fromCheckout(folder, [], TOKENS));
    const { code, stdout } = await runProgram(byUrl(program, folder));
    const left = await worldsBelowHome(program);
    await program.stop();
    assertEquals(code, 1);
    assertMatch(
      stdout,
      /^worlds .* failed {2}the caller cannot write; set ELASTIK_TOKEN to the server's T2 token$/m,
    );
    assertMatch(stdout, /\n2 ok, 1 failed in \d+ ms\n$/);
    assertEquals(left, []);
  }));

Deno.test("/usr/bin/boot ends if an event stream sends no event", () =>
  withTempFolder(async (folder) => {
    // The checks before the stream fail, because the responses have no expected content.
    const silent = Deno.serve(
      { port: 0, hostname: "127.0.0.1", onListen: () => {} },
      (request) => {
        const { pathname } = new URL(request.url);
        if (pathname.startsWith("/stream/")) return new Response(new ReadableStream());
        return Response.json({ pid: 1, uptime: 1, worlds: 1, plugins: 0, version: "0" });
      },
    );
    const { code, stdout } = await runProgram({
      command: Deno.execPath(),
      args: [
        "run",
        "-A",
        "--no-config",
        `${ROOT}/worlds/usr/bin/boot.ts`,
        `http://127.0.0.1:${silent.addr.port}`,
      ],
      cwd: folder,
      env: {},
    });
    await silent.shutdown();
    assertEquals(code, 1);
    assertMatch(stdout, /^streams .* failed {2}GET \/stream\/\S+: no response within 10 s$/m);
    assertMatch(stdout, /^problems .* failed /m);
  }));

Deno.test("/usr/bin/boot as a file uses ELASTIK_URL, else ELASTIK_PORT of the environment, else of .env", () =>
  withTempFolder(async (folder) => {
    // Nothing listens on the ports 1 to 3, so the test stops after its first check.
    const rows: [file: string, env: Record<string, string>, address: string][] = [
      ["export ELASTIK_PORT = '1' # here\r\n", {}, "localhost:1"],
      ["ELASTIK_PORT=9\nELASTIK_PORT=2\n#ELASTIK_PORT=9\n", {}, "localhost:2"],
      ["ELASTIK_PORT=9\n", { ELASTIK_PORT: "3" }, "localhost:3"],
      [
        "ELASTIK_PORT=9\n",
        { ELASTIK_URL: "http://127.0.0.1:1/", ELASTIK_PORT: "9" },
        "127.0.0.1:1",
      ],
    ];
    for (const [file, env, address] of rows) {
      await Deno.writeTextFile(`${folder}/.env`, file);
      const { code, stdout } = await runProgram({
        command: Deno.execPath(),
        args: ["run", "-A", "--no-config", `${ROOT}/worlds/usr/bin/boot.ts`],
        cwd: folder,
        env,
      });
      assertEquals([code, stdout.split("\n")[0]], [1, `self-test of http://${address}`]);
    }
  }));

Deno.test("boot finds the approve token of a new server in its folder", () =>
  withTempFolder(async (folder) => {
    const program = await startProgram(fromCheckout(folder));
    const { code, stdout, stderr } = await runProgram(fromCheckout(folder, ["boot", program.url]));
    const left = await worldsBelowHome(program);
    await program.stop();
    assertEquals(code, 0, stdout + stderr);
    assertMatch(stdout, /\n\d+ ok, 0 failed in \d+ ms\n$/);
    assertEquals(left, []);
  }));

Deno.test("boot does not send the stored token to a server that does not hold the folder", () =>
  withTempFolder(async (folder) => {
    await Deno.mkdir(`${folder}/data`);
    await Deno.writeTextFile(`${folder}/data/.approve-token`, `${"a".repeat(64)}\n`);
    await Deno.writeTextFile(`${folder}/data/.lock`, "4242\n");
    const credentials: (string | null)[] = [];
    const status = { pid: 4243, uptime: 1, worlds: 1, plugins: 0, version: "0" };
    const impostor = Deno.serve(
      { port: 0, hostname: "127.0.0.1", onListen: () => {} },
      (request) => {
        credentials.push(request.headers.get("authorization"));
        return Response.json(status);
      },
    );
    const url = `http://127.0.0.1:${impostor.addr.port}`;
    const { code, stdout } = await runProgram(fromCheckout(folder, ["boot", url]));
    await impostor.shutdown();
    assertEquals(code, 1);
    assertMatch(stdout, /^worlds .* failed /m);
    assert(credentials.length > 5);
    assertEquals(credentials.filter((sent) => sent?.includes("aaaa")), []);
  }));

Deno.test("boot fails at once if no server answers", () =>
  withTempFolder(async (folder) => {
    const { code, stderr } = await runProgram(
      fromCheckout(folder, ["boot", `http://127.0.0.1:${freePort()}`]),
    );
    assertEquals(code, 3);
    assertMatch(stderr, /^Cannot reach http:\/\/127\.0\.0\.1:\d+: .*\n$/);
  }));
