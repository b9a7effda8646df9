import { assert, assertEquals, assertMatch, assertRejects, errorWith } from "../support/assert.ts";
import { VERSION } from "../../lib/version.ts";
import { bundle } from "../../lib/tools/bundle.ts";
import {
  checkProgram,
  compile,
  CompileError,
  compilerArgs,
  extractError,
} from "../../lib/tools/compile.ts";
import { assertWorks, ROOT, runProgram, startProgram } from "../project/program.ts";
import { withTempFolder } from "../support/temp_folder.ts";

/** No cache, and proxies that refuse each connection. */
const OFFLINE = {
  HTTPS_PROXY: "http://127.0.0.1:1",
  HTTP_PROXY: "http://127.0.0.1:1",
  DENORT_BIN: "",
};

/**
 * The program as if it were compiled, without the base binary, which is not available everywhere:
 * Deno.build.standalone is true, and the executable is a script that accepts no flags of Deno.
 */
async function standIn(folder: string): Promise<string> {
  await bundle(`${folder}/elastik.js`);
  const program = `${folder}/elastik`;
  await Deno.writeTextFile(
    `${folder}/start.js`,
    [
      `Object.defineProperty(Deno, "build", { value: { ...Deno.build, standalone: true } });`,
      `Deno.execPath = () => ${JSON.stringify(program)};`,
      `await import(${JSON.stringify(`file://${folder}/elastik.js`)});`,
    ].join("\n"),
  );
  const flags = "-A --no-config --no-remote --no-npm --unstable-worker-options";
  await Deno.writeTextFile(
    program,
    `#!/bin/sh\nexec ${Deno.execPath()} run ${flags} ${folder}/start.js "$@"\n`,
    { mode: 0o755 },
  );
  return program;
}

Deno.test("a compiled program starts its cells from itself and works as a server", () =>
  withTempFolder(async (folder) => {
    const command = await standIn(folder);
    await Deno.mkdir(`${folder}/empty`);
    const at = (...args: string[]) => ({
      command,
      args,
      cwd: `${folder}/empty`,
      env: { ELASTIK_PORT: "0", DENO_DIR: `${folder}/cache` },
    });
    const program = await startProgram(at());
    await assertWorks(program, `${folder}/empty/data`);
    const installed = await runProgram(at("install", "example", "--url", program.url));
    assertEquals(installed.code, 0, installed.stderr);
    const tested = await runProgram(at("boot", program.url));
    assertEquals(tested.code, 0, tested.stdout + tested.stderr);
    assertEquals((await program.stop()).code, 0);
    assertEquals((await runProgram(at("verify"))).code, 0);
  }));

Deno.test("compile() embeds the whole bundle and nothing else", () =>
  withTempFolder(async (folder) => {
    const { code, stdout, stderr } = await runProgram({
      command: Deno.execPath(),
      args: [
        "eval",
        "--no-lock",
        [
          `import { bundle } from "${ROOT}/lib/tools/bundle.ts";`,
          `import { compile } from "${ROOT}/lib/tools/compile.ts";`,
          `await bundle("${folder}/elastik.js");`,
          `console.log(await compile({ bundle: "${folder}/elastik.js", output: "${folder}/x" }));`,
        ].join("\n"),
      ],
      cwd: folder,
      // The full runtime replaces the smaller one of a release.
      env: { DENORT_BIN: Deno.execPath() },
    });
    assertEquals(code, 0, stderr);
    assertMatch(stdout, /^\[ "elastik\.js \(\d+(?:\.\d+)?MB\)" \]$/m);
    const program = await Deno.readFile(`${folder}/x`);
    const script = await Deno.readFile(`${folder}/elastik.js`);
    const at = indexOf(program, script.subarray(0, 4096));
    assert(at > 0, "the bundle is not in it");
    assertEquals(program.subarray(at, at + script.length), script);
    assert((await Deno.stat(`${folder}/x`)).mode! & 0o100);
  }));

function indexOf(bytes: Uint8Array, part: Uint8Array): number {
  return new TextDecoder("latin1").decode(bytes).indexOf(new TextDecoder("latin1").decode(part));
}

Deno.test("compilerArgs() excludes everything but the bundle, and passes the target", () => {
  const args = compilerArgs({ bundle: "b.js", output: "out", target: "aarch64-apple-darwin" });
  for (const flag of ["--no-npm", "--no-remote", "--no-config", "--unstable-worker-options"]) {
    assert(args.includes(flag), flag);
  }
  assertEquals(args.slice(-5), ["--target", "aarch64-apple-darwin", "--output", "out", "b.js"]);
  assertEquals(args.indexOf("compile"), 0);
});

Deno.test("checkProgram() accepts a program of this version that runs, and nothing else", () =>
  withTempFolder(async (folder) => {
    const program = async (script: string) => {
      const path = `${folder}/p${crypto.randomUUID()}`;
      await Deno.writeTextFile(path, `#!/bin/sh\n${script}\n`, { mode: 0o755 });
      return path;
    };
    await checkProgram(await program(`test "$1" = --version && echo elastik ${VERSION}`));
    for (
      const [script, why] of [
        ["echo elastik 0.0.1", 'prints "elastik 0.0.1"'],
        [`echo elastik ${VERSION}; exit 3`, "exits with 3"],
        ["echo no such library >&2; exit 127", "no such library"],
      ] as const
    ) {
      const path = await program(script);
      await assertRejects(() => checkProgram(path), errorWith(CompileError, why));
    }
    await assertRejects(() => checkProgram(`${folder}/none`), errorWith(CompileError, "--version"));
    await checkProgram(`${folder}/none`, "another-target");
  }));

Deno.test("deno task compile says offline in one sentence what is missing", () =>
  withTempFolder(async (folder) => {
    // An empty cache without network, as Deno reports it.
    const text =
      "error: Writing deno compile executable\n\nCaused by:\n    0: Setting up base binary.\n" +
      "    1: error sending request for url (https://host.example/denort-x.zip): client error\n" +
      "    4: failed to lookup address information\n";
    assertMatch(
      extractError(text),
      /^the runtime that it contains \(denort\) is not in .* DENORT_BIN$/,
    );
    // The real compiler, whose download cannot connect.
    const script = `${folder}/x.js`;
    await Deno.writeTextFile(script, "console.log(1)");
    await assertRejects(
      () =>
        compile({ bundle: script, output: `${folder}/x`, target: "aarch64-apple-darwin" }, OFFLINE),
      errorWith(CompileError, "or name a downloaded denort in DENORT_BIN"),
    );
    await assertRejects(
      () => compile({ bundle: script, output: `${folder}/x` }, { DENORT_BIN: `${folder}/none` }),
      errorWith(CompileError, `DENORT_BIN is ${folder}/none, which is not a file`),
    );
  }));

Deno.test("extractError() returns the last cause without a backtrace", () => {
  const words =
    "error: Downloading it\n\nCaused by:\n    0: a\n    4: no such host\n\nStack backtrace:\n 0: x\n";
  assertEquals(extractError(words), "no such host");
  assertEquals(extractError("error: one line\n"), "one line");
  assertEquals(extractError(""), "the compiler printed no reason");
});
