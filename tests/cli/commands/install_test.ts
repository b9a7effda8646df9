import { assert, assertEquals, assertMatch } from "../../support/assert.ts";
import { createClosedUrl, startImpostor } from "../client/impostor.ts";
import { APPROVE, CLOSED, TOKEN, withServer } from "../../support/test_server.ts";
import { QUICK, stateOf } from "../../plugin/plugin_test_server.ts";
import { ask, fromCheckout, ROOT, runProgram, startProgram } from "../../project/program.ts";
import { withTempFolder } from "../../support/temp_folder.ts";

Deno.test("install on a new server needs no token if its data folder is here", () =>
  withTempFolder(async (folder) => {
    const program = await startProgram(fromCheckout(folder));
    try {
      for (const version of [1, 2]) {
        const { code, stdout, stderr } = await runProgram(
          fromCheckout(folder, ["install", "example", "--url", program.url]),
        );
        assertEquals(code, 0, stdout + stderr);
        assertMatch(
          stdout,
          /^Using the approve token that the server stores in data\/\.approve-token$/m,
        );
        assertMatch(
          stdout,
          new RegExp(`^Stored example as ${program.url}/lib/example, version ${version}$`, "m"),
        );
        assertMatch(stdout, /^It requests:\n {2}"routes":\["\/example"\]\n {2}"auth":"T1"\n/m);
        assertMatch(stdout, /^Activated example\nAll plugins are up: .*\/bin lists the routes\n$/m);
        const kept = (await Deno.readTextFile(`${folder}/data/.approve-token`)).trim();
        assert(!stdout.includes(kept));
      }
      const answer = await ask(`${program.url}/example`, { method: "POST", body: "hi" });
      assertEquals(answer.text, '{"hello":"from example plugin","echo":"hi"}');
      const source = await ask(`${program.url}/lib/example?raw`);
      assertEquals(source.text, await Deno.readTextFile(`${ROOT}/plugins/example.ts`));
    } finally {
      await program.stop();
    }
  }));

Deno.test("install reports the same errors as install.sh, and changes nothing with a wrong token", () =>
  withServer({ env: { ...CLOSED, ...QUICK } }, (server) =>
    withTempFolder(async (folder) => {
      const url = `http://127.0.0.1:${server.port}`;
      const tokens = { ELASTIK_TOKEN: TOKEN, ELASTIK_APPROVE_TOKEN: APPROVE };
      const rows: readonly [string[], Record<string, string>, number, RegExp][] = [
        [[], tokens, 2, /^Cannot run install with 0 arguments: it takes <plugin\|path…>/],
        [
          ["../example"],
          tokens,
          2,
          /^Cannot install \.\.\/example: there is no such file or folder/,
        ],
        [["a b"], tokens, 2, /it is not a valid plugin name/],
        [["example", "--name", "x"], tokens, 2, /^Cannot run install: --name is for one file or/],
        [["nothing"], tokens, 2, /does not include nothing; .*nothing was installed/],
        [["example", "--url", "ftp://x"], tokens, 2, /^Cannot reach ftp:\/\/x: it is not an http/],
        [
          ["example"],
          { ELASTIK_TOKEN: TOKEN },
          2,
          /ELASTIK_APPROVE_TOKEN is not set; .*nothing was/,
        ],
        [
          ["example"],
          { ELASTIK_APPROVE_TOKEN: APPROVE },
          1,
          /Cannot store example: .*set ELASTIK_TOKEN/,
        ],
        [
          ["example"],
          { ...tokens, ELASTIK_TOKEN: "wrong" },
          1,
          /Cannot store example: .*set ELASTIK_TOKEN/,
        ],
        [
          ["example"],
          { ...tokens, ELASTIK_APPROVE_TOKEN: server.capability("/", "rw") },
          1,
          /Cannot approve example: .*T3 is required; set ELASTIK_APPROVE_TOKEN .*nothing was installed/,
        ],
        [
          ["example"],
          { ...tokens, ELASTIK_APPROVE_TOKEN: "wrong" },
          1,
          /Cannot approve example: .*set ELASTIK_APPROVE_TOKEN .*nothing was installed/,
        ],
        [
          ["example", "--url", createClosedUrl()],
          tokens,
          3,
          /^Cannot reach http:.*start the server/,
        ],
      ];
      const first = await runProgram(
        fromCheckout(folder, ["install", "example", "--url", url], tokens),
      );
      assertEquals(first.code, 0, first.stderr);
      for (const [args, env, code, says] of rows) {
        const at = args.includes("--url") ? args : [...args, "--url", url];
        const ran = await runProgram(fromCheckout(folder, ["install", ...at], env));
        assertEquals(ran.code, code, `${args}: ${ran.stdout}${ran.stderr}`);
        assertMatch(ran.stderr, says);
        server.assertNoSecret(ran.stdout + ran.stderr, "install");
        assertEquals(
          (await stateOf(server, "example")).up,
          true,
          `the plugin is active: ${ran.stderr}`,
        );
      }
    })));

Deno.test("install does not use a stored token that the server refuses", () =>
  withTempFolder(async (folder) => {
    // The first start generates and stores an approve token.
    await (await startProgram(fromCheckout(folder))).stop();
    const tokens = { ELASTIK_TOKEN: TOKEN, ELASTIK_APPROVE_TOKEN: APPROVE };
    const program = await startProgram(fromCheckout(folder, [], tokens));
    const ran = await runProgram(
      fromCheckout(folder, ["install", "example", "--url", program.url], { ELASTIK_TOKEN: TOKEN }),
    );
    await program.stop();
    assertEquals(ran.code, 2, ran.stdout);
    assertMatch(ran.stderr, /ELASTIK_APPROVE_TOKEN is not set/);
    assert(!ran.stdout.includes("Using the approve token"), ran.stdout);
  }));

Deno.test("install does not send the stored token to a server that does not hold the folder", () =>
  withTempFolder(async (folder) => {
    const program = await startProgram(fromCheckout(folder));
    // It sends the process id of the server, but it is another process.
    const { pid } = JSON.parse((await ask(`${program.url}/proc/status`)).text);
    await program.stop();
    const impostor = startImpostor(() => Response.json({ pid, version: 1 }));
    const ran = await runProgram(
      fromCheckout(folder, ["install", "example", "--url", impostor.url]),
    );
    await impostor.stop();
    assertEquals(ran.code, 2, ran.stdout + ran.stderr);
    assertMatch(ran.stderr, /ELASTIK_APPROVE_TOKEN is not set/);
    assert(impostor.requests.length > 0);
    assertEquals(impostor.requests.filter(({ credential }) => credential !== null), []);
  }));

Deno.test("install sanitizes what a server answers for the terminal", () =>
  withTempFolder(async (folder) => {
    const impostor = startImpostor(() => new Response("\x1b]0;owned\x07\nno", { status: 500 }));
    const env = { ELASTIK_APPROVE_TOKEN: "x" };
    const ran = await runProgram(
      fromCheckout(folder, ["install", "example", "--url", impostor.url], env),
    );
    await impostor.stop();
    assertEquals(ran.code, 1);
    assertEquals(ran.stderr.trimEnd().split("\n").length, 1, ran.stderr);
    assert(!ran.stderr.includes("\x1b"));
  }));

Deno.test("install stores a file, a folder with packages, and a shipped plugin by one command", () =>
  withTempFolder(async (folder) => {
    const program = await startProgram(fromCheckout(folder));
    try {
      const single = "export const routes = ['/one'];\n" +
        "export default { fetch: (request: Request) => new Response(request.method) };\n";
      await Deno.writeTextFile(`${folder}/one.ts`, single);
      await Deno.mkdir(`${folder}/two`);
      await Deno.writeTextFile(
        `${folder}/two/mod.ts`,
        'import { Hono } from "npm:hono@4.13.19";\nimport { name } from "./name.ts";\n' +
          'export const routes = ["/two"];\n' +
          'export default new Hono().get("/two", (c) => c.text(name));\n',
      );
      await Deno.writeTextFile(`${folder}/two/name.ts`, 'export const name = "from two";\n');
      const all = ["install", "./one.ts", "two/", "example", "--url", program.url];
      const { code, stdout, stderr } = await runProgram(fromCheckout(folder, all));
      assertEquals(code, 0, stdout + stderr);
      assertMatch(
        stdout,
        /Activated example\n[\s\S]*Activated one\n[\s\S]*Activated two\nAll plugins/,
      );
      assertEquals((await ask(`${program.url}/lib/one?raw`)).text, single);
      assertEquals((await ask(`${program.url}/one`)).text, "GET");
      assertEquals((await ask(`${program.url}/two`)).text, "from two");
      await Deno.writeTextFile(`${folder}/two/name.ts`, "export const name = ;");
      const failed = await runProgram(
        fromCheckout(folder, ["install", "./two", "--url", program.url]),
      );
      assertEquals([failed.code, failed.stdout], [2, ""]);
      assertMatch(failed.stderr, /^Cannot build two: [\s\S]*\/two\/name\.ts:1:21/);
      assertEquals((await ask(`${program.url}/two`)).text, "from two");
    } finally {
      await program.stop();
    }
  }));

Deno.test("install says in one sentence that the program deno is missing", () =>
  withTempFolder(async (folder) => {
    await Deno.writeTextFile(`${folder}/p.ts`, 'import "./q.ts";');
    // As a compiled program, whose own file is not Deno.
    const compiled = `${folder}/elastik`;
    await Deno.copyFile(Deno.execPath(), compiled);
    const start = fromCheckout(folder, ["install", "p.ts"], { PATH: folder });
    const { code, stderr } = await runProgram({ ...start, command: compiled });
    assertEquals(code, 2, stderr);
    assertMatch(
      stderr,
      /^Cannot bundle p: the program deno is not on PATH; install Deno 2\.9, or .*\n$/,
    );
  }));
