/** The scripts that install plugins: install.sh is run, install.ps1 is compared with it. */

import { assert, assertEquals, assertMatch, assertStrictEquals } from "../support/assert.ts";
import { APPROVE, CLOSED, type TestServer, TOKEN, withServer } from "../support/test_server.ts";
import { fromCheckout, onPath, ROOT, runProgram, startProgram } from "../project/program.ts";
import { get, plugin, QUICK, stateOf } from "../plugin/plugin_test_server.ts";
import { withTempFolder } from "../support/temp_folder.ts";

const NO_CURL = onPath("curl") ? "" : " (skipped: no curl here)";
const NO_SHELLCHECK = onPath("shellcheck") ? "" : " (skipped: no shellcheck here)";

interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the script from a copy of `plugins/`, to which a test can add plugins. */
function install(
  folder: string,
  args: readonly string[],
  env: Record<string, string>,
  cwd = "/",
): Promise<Outcome> {
  return runProgram({ command: "sh", args: [`${folder}/plugins/install.sh`, ...args], cwd, env });
}

async function withScript(
  test: (folder: string, put: (name: string, source: string) => Promise<void>) => Promise<void>,
): Promise<void> {
  await withTempFolder(async (folder) => {
    await Deno.mkdir(`${folder}/plugins`);
    for (const file of ["install.sh", "example.ts"]) {
      await Deno.copyFile(`${ROOT}/plugins/${file}`, `${folder}/plugins/${file}`);
    }
    await test(
      folder,
      (name, source) => Deno.writeTextFile(`${folder}/plugins/${name}.ts`, source),
    );
  });
}

const url = (server: TestServer) => ({ ELASTIK_URL: `http://127.0.0.1:${server.port}/` });
const TOKENS = { ELASTIK_TOKEN: TOKEN, ELASTIK_APPROVE_TOKEN: APPROVE };

Deno.test({
  name: `install.sh stores, shows, approves and checks a plugin from any folder${NO_CURL}`,
  ignore: NO_CURL !== "",
  async fn() {
    await withServer({ env: { ...CLOSED, ...QUICK } }, async (server) => {
      await withScript(async (folder) => {
        for (let times = 1; times <= 2; times++) {
          const ran = await install(folder, ["example"], { ...TOKENS, ...url(server) });
          assertEquals(ran.code, 0, ran.stderr);
          assertMatch(
            ran.stdout,
            new RegExp(
              `Stored example as http://127.0.0.1:${server.port}/lib/example, version ${times}`,
            ),
          );
          assertMatch(ran.stdout, /It requests:\n {2}"routes":\["\/example"\]\n {2}"auth":"T1"\n/);
          assertMatch(ran.stdout, /"description":"says hello and echoes what is sent"/);
          for (const line of ran.stdout.split("\n").slice(0, -1)) assertMatch(line, /\S/);
          assertMatch(ran.stdout, /Activated example\nAll plugins are up: /);
          server.assertNoSecret(ran.stdout + ran.stderr, "install.sh");
        }
        const used = await server.send({ method: "POST", target: "/example", body: "hi" });
        assertEquals(used.text, '{"hello":"from example plugin","echo":"hi"}');
      });
    });
  },
});

Deno.test({
  name:
    `install.sh sends the approve token of a data folder only to the server that uses it${NO_CURL}`,
  ignore: NO_CURL !== "",
  async fn() {
    await withScript(async (folder) => {
      const server = await startProgram(fromCheckout(folder));
      try {
        const env = { ELASTIK_URL: server.url };
        await Deno.mkdir(`${folder}/elsewhere/data`, { recursive: true });
        // The data folder of another server.
        await Deno.writeTextFile(`${folder}/elsewhere/data/.approve-token`, "not-for-you");
        await Deno.writeTextFile(`${folder}/elsewhere/data/.lock`, "1\n");
        await Deno.mkdir(`${folder}/copy`);
        await Deno.rename(`${folder}/plugins`, `${folder}/copy/plugins`);
        const copy = `${folder}/copy`;
        const nowhere = await install(copy, ["example"], env, `${folder}/elsewhere`);
        assertEquals(nowhere.code, 2);
        assertMatch(nowhere.stderr, /ELASTIK_APPROVE_TOKEN is not set; .*nothing was installed/);
        const ran = await install(copy, ["example"], env, folder);
        assertEquals(ran.code, 0, ran.stderr);
        assertMatch(
          ran.stdout,
          /Using the approve token that the server stores in data\/\.approve-token/,
        );
        const kept = (await Deno.readTextFile(`${folder}/data/.approve-token`)).trim();
        assert(!ran.stdout.includes(kept));
        const named = { ...env, ELASTIK_DATA: `${folder}/data` };
        assertEquals((await install(copy, ["example"], named)).code, 0);
      } finally {
        await server.stop();
      }
    });
  },
});

Deno.test({
  name: `install.sh uses the tokens of .env and no stored token that the server refuses${NO_CURL}`,
  ignore: NO_CURL !== "",
  async fn() {
    await withScript(async (folder) => {
      // The first start generates and stores an approve token.
      await (await startProgram(fromCheckout(folder))).stop();
      const server = await startProgram(fromCheckout(folder, [], TOKENS));
      try {
        const port = new URL(server.url).port;
        const withToken = { ELASTIK_URL: server.url, ELASTIK_TOKEN: TOKEN };
        const stale = await install(folder, ["example"], withToken, folder);
        assertEquals(stale.code, 2, stale.stdout);
        assertMatch(stale.stderr, /ELASTIK_APPROVE_TOKEN is not set; .*nothing was installed/);
        assert(!stale.stdout.includes("Using the approve token"), stale.stdout);
        const rows: [quote: string, after: string][] = [
          ["", "\n"],
          ["", " # here\r\n"],
          ['"', "\n"],
          ["'", " # here\n"],
          ["`", "\n"],
        ];
        for (const [quote, after] of rows) {
          await Deno.writeTextFile(
            `${folder}/.env`,
            `ELASTIK_TOKEN=old\nELASTIK_PORT=${port}\n` +
              Object.entries(TOKENS).map(([name, value]) =>
                `export ${name} = ${quote}${value}${quote}${after}`
              ).join(""),
          );
          // From another folder, the script uses the file next to plugins/.
          for (const cwd of [folder, "/"]) {
            const ran = await install(folder, ["example"], {}, cwd);
            assertEquals(ran.code, 0, `${quote} ${cwd}: ${ran.stderr}`);
            assert(!ran.stdout.includes("Using the approve token"), ran.stdout);
          }
        }
      } finally {
        await server.stop();
      }
    });
  },
});

Deno.test({
  name: `install.sh sends no token of .env to a server without a proof${NO_CURL}`,
  ignore: NO_CURL !== "",
  async fn() {
    await withScript(async (folder) => {
      await Deno.mkdir(`${folder}/bin`);
      await Deno.writeTextFile(`${folder}/bin/curl`, `#!/bin/sh\ncat >${folder}/sent\nexit 7\n`, {
        mode: 0o755,
      });
      const PATH = `${folder}/bin:${Deno.env.get("PATH")}`;
      await Deno.writeTextFile(
        `${folder}/.env`,
        `ELASTIK_TOKEN=${TOKEN}\nELASTIK_APPROVE_TOKEN=${APPROVE}\n`,
      );
      for (
        const [address, isSent] of [
          // It does not prove that it holds the data folder.
          ["http://localhost:1", false],
          ["http://127.0.0.2:1", false],
          ["http://localhost@example.org", false],
          ["http://localhost.example.org", false],
        ] as const
      ) {
        await install(folder, ["example"], { PATH, ELASTIK_URL: address }, folder);
        const sent = await Deno.readTextFile(`${folder}/sent`);
        assertEquals(sent.includes(TOKEN), isSent, address);
      }
    });
  },
});

Deno.test({
  name:
    `install.sh sends no approve token to a server that repeats what another one answered${NO_CURL}`,
  ignore: NO_CURL !== "",
  async fn() {
    await withScript(async (folder) => {
      const server = await startProgram(fromCheckout(folder));
      const { pid } = await (await fetch(`${server.url}/proc/status`, {
        headers: { accept: "application/json" },
      })).json();
      const kept = (await Deno.readTextFile(`${folder}/data/.approve-token`)).trim();
      await server.stop();
      let says = "";
      let requestText = "";
      const ended = new AbortController();
      const impostor = Deno.serve({
        port: 0,
        hostname: "127.0.0.1",
        signal: ended.signal,
        onListen: () => {},
      }, async (request) => {
        requestText += [...request.headers].join("\n") + await request.text();
        return new Response(says);
      });
      const { port } = impostor.addr;
      try {
        const rows: [where: string, text: string, lock: string, why: string][] = [
          [`http://127.0.0.1:${port}`, `pid ${pid}\n`, `${pid}\n`, "the server has ended"],
          [`http://127.0.0.1:${port}`, "pid \n", "", "an empty process id and an empty lock"],
          [`http://127.0.0.1:${port}`, "nothing\n", "", "no process id and an empty lock"],
          [`http://127.0.0.2:${port}`, `pid ${Deno.pid}\n`, `${Deno.pid}\n`, "another address"],
          [
            `http://localhost@127.1:${port}`,
            `pid ${Deno.pid}\n`,
            `${Deno.pid}\n`,
            "a user name in the URL",
          ],
        ];
        for (const [where, text, lock, why] of rows) {
          says = text;
          await Deno.writeTextFile(`${folder}/data/.lock`, lock);
          const ran = await install(folder, ["example"], { ELASTIK_URL: where }, folder);
          assert([2, 3].includes(ran.code), `${why}: ${ran.code} ${ran.stdout}${ran.stderr}`);
          assert(!requestText.includes(kept), why);
        }
      } finally {
        ended.abort();
        await impostor.finished;
      }
    });
  },
});

Deno.test({
  name: `install.sh reports wrong usage and changes nothing${NO_CURL}`,
  ignore: NO_CURL !== "",
  async fn() {
    await withServer({ env: { ...CLOSED, ...QUICK } }, async (server) => {
      await withScript(async (folder, put) => {
        await put("gpu", plugin({ routes: ["/dev/gpu"] }, ""));
        const env = { ...TOKENS, ...url(server) };
        const rows: [args: string[], code: number, says: RegExp][] = [
          [[], 2, /no plugin was given; name one, or primitives/],
          [["../example"], 2, /it is not a valid plugin name/],
          [["-x"], 2, /it is not a valid plugin name/],
          [[""], 2, /it is not a valid plugin name/],
          [["nothing"], 2, /not found in .*\/plugins: nothing\.ts; nothing was installed/],
          [["primitives"], 2, /: fstab\.ts db\.ts fanout\.ts; nothing was installed/],
          [["primitives", "--with-semantic"], 2, /fanout\.ts semantic\.ts; nothing was installed/],
        ];
        for (const [args, code, says] of rows) {
          const ran = await install(folder, args, env);
          assertStrictEquals(ran.code, code, ran.stdout + ran.stderr);
          assertMatch(ran.stderr, says);
        }
        assertEquals(JSON.parse((await server.approve("GET", "/proc/status")).text).plugins, 0);
        assertEquals((await server.approve("GET", "/lib/gpu/state")).status, 404);
        // A port without a listener.
        const listener = Deno.listen({ port: 0, hostname: "127.0.0.1" });
        const { port } = listener.addr;
        listener.close();
        const away = await install(folder, ["example"], {
          ...TOKENS,
          ELASTIK_URL: `http://127.0.0.1:${port}`,
        });
        assertEquals(away.code, 3);
        assertMatch(
          away.stderr,
          /Cannot reach http:\/\/127\.0\.0\.1:\d+: curl: \(7\).*start the server/s,
        );
      });
    });
  },
});

/** Contents of `.env` in the working folder, and the port that the server would use. */
const ENV_FILES: readonly [file: string | undefined, port: string][] = [
  [undefined, "3005"],
  ["ELASTIK_PORT=4001", "4001"],
  ['# settings\nexport ELASTIK_PORT = "4002" # here\r\n', "4002"],
  ["ELASTIK_PORT=1\nELASTIK_PORT='4003'\n", "4003"],
  ["ELASTIK_PORT=4004\n#ELASTIK_PORT=1\nOTHER_ELASTIK_PORT=1\n", "4004"],
  ["ELASTIK_PORT=1\nELASTIK_PORT=\n", "3005"],
];

Deno.test("install.sh uses ELASTIK_URL, else ELASTIK_PORT of the environment, else of .env", () =>
  withScript(async (folder) => {
    // The message names the address that the script would have used.
    await Deno.mkdir(`${folder}/bin`);
    await Deno.writeTextFile(`${folder}/bin/curl`, "#!/bin/sh\nexit 7\n", { mode: 0o755 });
    const PATH = `${folder}/bin:${Deno.env.get("PATH")}`;
    const set = "ELASTIK_PORT=1\n";
    const rows: [file: string | undefined, env: Record<string, string>, address: string][] = [
      ...ENV_FILES.map(([file, port]): typeof rows[number] => [file, {}, `localhost:${port}`]),
      [set, { ELASTIK_PORT: "4005" }, "localhost:4005"],
      [set, { ELASTIK_PORT: "" }, "localhost:3005"],
      [set, { ELASTIK_URL: "http://127.0.0.1:4006/", ELASTIK_PORT: "2" }, "127.0.0.1:4006"],
    ];
    for (const [file, env, address] of rows) {
      if (file !== undefined) await Deno.writeTextFile(`${folder}/.env`, file);
      const ran = await install(folder, ["example"], { PATH, ...env }, folder);
      assertEquals(ran.code, 3);
      assertMatch(
        ran.stderr,
        new RegExp(`^Cannot reach http://${address.replaceAll(".", "\\.")}: `),
      );
    }
  }));

Deno.test("install.ps1 finds the port in .env by a pattern that finds what install.sh finds", async () => {
  const script = await Deno.readTextFile(`${ROOT}/plugins/install.ps1`);
  const [, before = "", after = ""] = /\$start = '([^']*)' \+ \$name \+ '([^']*)'/.exec(script) ??
    [];
  const start = new RegExp(`${before}ELASTIK_PORT${after}`);
  for (const [file = "", port] of ENV_FILES) {
    const line = file.split(/\r?\n/).findLast((text) => start.test(text))?.replace(start, "") ?? "";
    const value = /^(["'`])(.*?)\1/.exec(line)?.[2] ?? line.replace(/#.*$/, "").trim();
    assertStrictEquals(value || "3005", port, file);
  }
});

Deno.test({
  name:
    `install.sh installs the primitives in order and names those installed before an error${NO_CURL}`,
  ignore: NO_CURL !== "",
  async fn() {
    await withServer({ env: { ...CLOSED, ...QUICK } }, async (server) => {
      await withScript(async (folder, put) => {
        for (const name of ["gpu", "fstab", "db", "semantic"]) {
          await put(name, plugin({ routes: [`/dev/${name}`] }, ""));
        }
        await put("fanout", "import 'x';");
        const env = { ...TOKENS, ...url(server) };
        const ran = await install(folder, ["primitives", "--with-semantic"], env);
        assertEquals(ran.code, 1);
        assertMatch(
          ran.stderr,
          /Cannot approve fanout: .*an import \(line 1, column 1\).*fanout was removed again/,
        );
        assertMatch(ran.stderr, /Installed before that: gpu fstab db\n/);
        assertEquals((await server.approve("GET", "/lib/fanout/state")).status, 404);
        assertEquals((await stateOf(server, "db")).up, true);
        await put("fanout", plugin({ routes: [], fallback: true }, "return new Response('fan');"));
        const again = await install(folder, ["primitives", "--with-semantic"], env);
        assertEquals(again.code, 0, again.stderr);
        assertEquals(
          [...again.stdout.matchAll(/^Activated (\w+)$/gm)].map(([, name]) => name),
          ["gpu", "fstab", "db", "fanout", "semantic"],
        );
        // A fallback is active although it is not in /bin.
        assertEquals(
          (await get(server, "/nothing", { authorization: `Bearer ${TOKEN}` })).text,
          "fan",
        );
      });
    });
  },
});

Deno.test({
  name:
    `install.sh names the token that is missing or wrong, and an active plugin stays active${NO_CURL}`,
  ignore: NO_CURL !== "",
  async fn() {
    await withServer({ env: { ...CLOSED, ...QUICK } }, async (server) => {
      await withScript(async (folder) => {
        const where = url(server);
        const first = await install(folder, ["example"], { ...where, ...TOKENS });
        assertEquals(first.code, 0, first.stderr);
        const rows: [env: Record<string, string>, code: number, says: RegExp][] = [
          [{ ELASTIK_APPROVE_TOKEN: APPROVE }, 1, /Cannot store example: .*set ELASTIK_TOKEN/],
          [
            { ...TOKENS, ELASTIK_TOKEN: 'wr"ong\\' },
            1,
            /Cannot store example: .*set ELASTIK_TOKEN/,
          ],
          [
            { ...TOKENS, ELASTIK_APPROVE_TOKEN: TOKEN },
            1,
            /Cannot approve example: .*T3 is required; set ELASTIK_APPROVE_TOKEN .*nothing was/,
          ],
          [
            { ...TOKENS, ELASTIK_APPROVE_TOKEN: "wrong" },
            1,
            /Cannot approve example: .*set ELASTIK_APPROVE_TOKEN .*nothing was installed/,
          ],
        ];
        for (const [env, code, says] of rows) {
          const ran = await install(folder, ["example"], { ...where, ...env });
          assertStrictEquals(ran.code, code, ran.stderr);
          assertMatch(ran.stderr, says);
          server.assertNoSecret(ran.stdout + ran.stderr, "install.sh");
          assertStrictEquals(ran.stderr.trimEnd().split("\n").length, 1, ran.stderr);
          assertEquals((await stateOf(server, "example")).up, true, ran.stderr);
        }
        const kept = await server.approve("GET", "/lib/example");
        assertMatch(kept.headers.get("etag") ?? "", /^"1-/);
      });
    });
  },
});

Deno.test({
  name: `install.sh passes shellcheck${NO_SHELLCHECK}`,
  ignore: NO_SHELLCHECK !== "",
  async fn() {
    const ran = await runProgram({
      command: "shellcheck",
      args: [`${ROOT}/plugins/install.sh`],
      cwd: "/",
    });
    assertEquals(ran.code, 0, ran.stdout);
  },
});

/** Steps and messages of a script, in order and in one notation. */
function outline(script: string, say: string, stop: string, words: string): string[] {
  const message = new RegExp(
    `(?:\\b${say} "([^"]*)"|\\b${stop} (\\d)[\\s\\\\]+"((?:[^"]|"\\$)*)"|^\\s*# (.*)$)`,
    "gm",
  );
  return [...script.matchAll(message)].map(([, said, code, stopped, comment]) =>
    (comment !== undefined ? `# ${comment}` : said ?? `${code} ${stopped}`)
      .replace(new RegExp(`\\$\\(${words} "?\\$body"?\\)`, "g"), "<words>")
      .replaceAll("\\", "/")
      .replace(/--?with-?semantic/gi, "<semantic>")
      .replace(/install\.(sh|ps1)/g, "install")
  );
}

Deno.test("install.ps1 has the same steps and messages as install.sh", async () => {
  const sh = await Deno.readTextFile(`${ROOT}/plugins/install.sh`);
  const ps = await Deno.readTextFile(`${ROOT}/plugins/install.ps1`);
  // A quote inside a command substitution does not end a message.
  const plain = sh.replaceAll('$(words "$body")', "$(words $body)");
  const steps = outline(plain, "say", "stop", "words");
  assert(steps.length > 30, String(steps.length));
  assertEquals(outline(ps, "Say", "Stop-With", "Get-Words"), steps);
});

Deno.test("install.ps1 closes every quote and bracket", async () => {
  const ps = await Deno.readTextFile(`${ROOT}/plugins/install.ps1`);
  const code = ps.replace(/^\s*#.*$/gm, "");
  const open: string[] = [];
  const pairs: Record<string, string> = { ")": "(", "}": "{", "]": "[" };
  let quote = "";
  for (let at = 0; at < code.length; at++) {
    const char = code[at] ?? "";
    if (quote !== "") {
      if (quote === '"' && char === "`") at++;
      else if (char === quote) quote = "";
      assert(
        char !== "\n",
        `a string continues on the next line before ${code.slice(at, at + 40)}`,
      );
      continue;
    }
    if (char === '"' || char === "'") quote = char;
    else if ("({[".includes(char)) open.push(char);
    else if (pairs[char] !== undefined) {
      assertStrictEquals(open.pop(), pairs[char], code.slice(at - 40, at + 1));
    }
  }
  assertEquals([open, quote], [[], ""]);
  // PowerShell reads a name before a colon as a drive, unless it is in braces.
  assertEquals(/"[^"\n]*\$\w+:[^"\n]*"/.exec(code.replace(/\$env:\w+/g, "")), null);
});
