/**
 * The property: a mistake in `.env` or in the environment stops the start with one sentence. The
 * server never starts with other rights than the operator wrote.
 */

import { assert, assertEquals, assertMatch } from "../support/assert.ts";
import { ask, fromCheckout, runProgram, startProgram } from "../project/program.ts";
import { withTempFolder } from "../support/temp_folder.ts";

const encoder = new TextEncoder();
const TOKENS = "ELASTIK_TOKEN=abc\nELASTIK_APPROVE_TOKEN=def\n";

function utf16(text: string, littleEndian: boolean): Uint8Array {
  const bytes = new Uint8Array(2 + text.length * 2);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, 0xfeff, littleEndian);
  for (let i = 0; i < text.length; i++) {
    view.setUint16(2 + i * 2, text.charCodeAt(i), littleEndian);
  }
  return bytes;
}

async function assertStops(
  folder: string,
  env: Readonly<Record<string, string>>,
  sentence: RegExp,
  about: string,
): Promise<void> {
  const { code, stdout, stderr } = await runProgram(fromCheckout(folder, [], env));
  assertEquals(code, 1, `${about}: ${stdout}${stderr}`);
  assertMatch(stderr, sentence, about);
  assertEquals(stderr.trim().split("\n").length, 1, `${about}: ${stderr}`);
  assert(!/abc|s3cret/.test(stderr), `${about}: a secret was printed: ${stderr}`);
}

Deno.test("an .env file that is not settings stops the start with one sentence", () =>
  withTempFolder(async (folder) => {
    const rows: readonly [string | Uint8Array, RegExp][] = [
      ["ELASTIK_TOKENS=abc\n", /line 1 of \.env sets ELASTIK_TOKENS, .* ELASTIK_TOKEN,/],
      ["\n\nelastik_token=abc\n", /line 3 .* elastik_token, .* ELASTIK_TOKEN,/],
      ["ELASTIK-TOKEN=abc\n", /ELASTIK-TOKEN, .* ELASTIK_TOKEN,/],
      ["ELASTIC_TOKEN=abc\n", /ELASTIC_TOKEN, .* ELASTIK_TOKEN,/],
      ["ELASTIKTOKEN=abc\n", /ELASTIKTOKEN, .* ELASTIK_TOKEN,/],
      ["ELASTIK_APROVE_TOKEN=abc\n", /ELASTIK_APPROVE_TOKEN,/],
      ["ELASTIK_TOKEN: abc\n", /^Cannot read \.env: line 1 cannot be used: it is not NAME=value/],
      ["ELASTIK_TOKEN abc\n", /not NAME=value/],
      ["ELASTIK_TOKEN\n", /not NAME=value/],
      ["\u200bELASTIK_TOKEN=abc\n", /not NAME=value/],
      ["set ELASTIK_TOKEN=abc\n", /not NAME=value/],
      ["$env:ELASTIK_TOKEN='abc'\n", /not NAME=value/],
      ["ELASTIK_TOKEN=#x\n", /^Cannot use ELASTIK_TOKEN in line 1 of \.env: # starts a comment/],
      ["ELASTIK_TOKEN=s3cret#x\n", /# starts a comment/],
      ["ELASTIK_TOKEN= # abc\n", /the value is empty/],
      ["ELASTIK_TOKEN=\n", /the value is empty/],
      ['ELASTIK_TOKEN=""\n', /the value is empty/],
      ["ELASTIK_TOKEN=abc\nELASTIK_TOKEN=\n", /line 2 of \.env: the value is empty/],
      ["ELASTIK_TOKEN=abc\nELASTIK_TOKEN=abd\n", /line 2 of \.env: an earlier line has another/],
      ["ELASTIK_TOKEN=abc\nELASTIK_APPROVE_TOKEN=abc\n", /it is the same as ELASTIK_TOKEN/],
      ["ELASTIK_APPROVE_TOKEN=abc\nELASTIK_KEY=abc\n", /it is the same as ELASTIK_APPROVE_TOKEN/],
      ["ELASTIK_KEY=\n", /^Cannot use ELASTIK_KEY in line 1/],
      ['ELASTIK_TOKEN="   "\n', /^Cannot use ELASTIK_TOKEN: it is set to an empty value/],
      ['ELASTIK_TOKEN="abc\n', /the quote " is not closed/],
      ['ELASTIK_TOKEN="s3cret"s3cret\n', /text follows the closing quote/],
      ['ELASTIK_TOKEN="s3cret\\ns3cret"\n', /contains a control character/],
      ["ELASTIK_TOKEN='s3cret '\n", /begins or ends with a space/],
      // A setting that another program reads as a line of its own.
      [`OTHER="x\n${TOKENS}B="y"\n`, /^Cannot read \.env: the value in line 1 contains a line/],
      [`OTHER='x\r\n export ${TOKENS}'\n`, /contains a line that sets ELASTIK_/],
      ["OTHER=x\u2028ELASTIK_TOKEN=abc\n", /contains a line that sets ELASTIK_/],
      ["OTHER=x\u0085elastic_token=abc\n", /contains a line that sets ELASTIK_/],
      ["ELASTIK_PORT=0 ELASTIK_TOKEN=abc\n", /^Cannot use ELASTIK_PORT: .* another setting;/],
      ["ELASTIK_DATA=dataELASTIK_TOKEN = abc\n", /^Cannot use ELASTIK_DATA: .* another setting;/],
      [Uint8Array.of(0xff, 0x61), /^Cannot read \.env: it is not text in UTF-8/],
      [utf16(TOKENS, true).subarray(2), /^Cannot read \.env: it is not text in UTF-8/],
      [encoder.encode(TOKENS.replace("abc", "a\0")), /^Cannot read \.env: it is not text/],
    ];
    for (const [content, sentence] of rows) {
      const bytes = typeof content === "string" ? encoder.encode(content) : content;
      await Deno.writeFile(`${folder}/.env`, bytes);
      await assertStops(folder, {}, sentence, JSON.stringify(content));
    }
  }));

Deno.test("a misspelt or empty setting in the environment stops the start", () =>
  withTempFolder(async (folder) => {
    const rows: readonly [Record<string, string>, RegExp][] = [
      [{ ELASTIK_TOKEN: "" }, /^Cannot use ELASTIK_TOKEN: it is set to an empty value/],
      [{ ELASTIK_APPROVE_TOKEN: "" }, /^Cannot use ELASTIK_APPROVE_TOKEN: /],
      [{ ELASTIK_KEY: "" }, /^Cannot use ELASTIK_KEY: /],
      [{ ELASTIK_TOKEN: " " }, /^Cannot use ELASTIK_TOKEN: /],
      [{ ELASTIK_HOST: "" }, /^Cannot use ELASTIK_HOST: /],
      [{ ELASTIK_TOKENS: "abc" }, /the environment sets ELASTIK_TOKENS, .* ELASTIK_TOKEN,/],
      [{ elastik_token: "abc" }, /the environment sets elastik_token, .* ELASTIK_TOKEN,/],
    ];
    for (const [env, sentence] of rows) {
      await assertStops(folder, env, sentence, JSON.stringify(env));
    }
  }));

Deno.test("settings in a file of another name stop the start, unless they are in effect", () =>
  withTempFolder(async (folder) => {
    for (const name of [".env.txt", "env", ".ENV", ".env.local"]) {
      await Deno.writeTextFile(`${folder}/${name}`, TOKENS);
      const sentence = new RegExp(
        `^Cannot start: ${
          name.replaceAll(".", "\\.")
        } in the working folder contains settings, but`,
      );
      await assertStops(folder, {}, sentence, name);
      await Deno.writeTextFile(`${folder}/.env`, "OTHER=1\n");
      await assertStops(folder, {}, sentence, `${name} next to an .env without settings`);
      await Deno.remove(`${folder}/.env`);
      const env = { ELASTIK_TOKEN: "abc", ELASTIK_APPROVE_TOKEN: "def" };
      const program = await startProgram(fromCheckout(folder, [], env));
      await program.stop();
      await Deno.remove(`${folder}/${name}`);
    }
  }));

Deno.test({
  name: "a token that is not UTF-8 stops the start and is not printed",
  ignore: Deno.build.os === "windows",
  fn: () =>
    withTempFolder(async (folder) => {
      // A shell, because Deno passes only valid text to a process.
      const { command, args, ...start } = fromCheckout(folder);
      const script = `export ELASTIK_TOKEN="$(printf 's3cret\\377')"; exec "$0" "$@"`;
      const { code, stderr } = await runProgram({
        ...start,
        command: "sh",
        args: ["-c", script, command, ...args],
      });
      assertEquals([code, stderr], [
        1,
        "Cannot use ELASTIK_TOKEN: its value is not valid UTF-8; correct or remove it\n",
      ]);
    }),
});

Deno.test("an .env that cannot be read as a file stops the start", () =>
  withTempFolder(async (folder) => {
    await Deno.mkdir(`${folder}/.env`);
    await assertStops(folder, {}, /^Cannot read \.env: it is a folder, not a file/, "a folder");
    await Deno.remove(`${folder}/.env`);
    await Deno.symlink("missing", `${folder}/.env`);
    await assertStops(folder, {}, /^Cannot read \.env: it is a link to/, "a dangling link");
    await Deno.remove(`${folder}/.env`);
    const start = fromCheckout(folder);
    const args = start.args.map((arg) => arg === "-A" ? "--allow-env" : arg);
    const { code, stderr } = await runProgram({
      ...start,
      args: ["run", "--no-prompt", ...args.slice(1)],
    });
    assertEquals(code, 1, stderr);
    assertMatch(stderr, /^Cannot read \.env: .* add \.env to --allow-read$/m);
  }));

Deno.test("every command reads .env by the same rules", () =>
  withTempFolder(async (folder) => {
    await Deno.writeTextFile(`${folder}/.env`, "ELASTIK_TOKENS=abc\n");
    for (const args of [["install", "example"], ["mint", "/home"], ["boot"], ["verify"]]) {
      const { code, stderr } = await runProgram(fromCheckout(folder, args));
      assertEquals([args[0], code], [args[0], 2], stderr);
      assertMatch(stderr, /^Cannot start: line 1 of \.env sets ELASTIK_TOKENS/);
    }
  }));

Deno.test("a byte order mark, UTF-16 and CRLF do not change what .env says", () =>
  withTempFolder(async (folder) => {
    const text = `# tokens\r\n${
      TOKENS.replaceAll("\n", "\r\n")
    }OTHER_PROGRAM='x\r\ny'\r\nAPI_KEY=a#b\r\n`;
    const rows: Record<string, Uint8Array> = {
      "byte order mark": Uint8Array.of(0xef, 0xbb, 0xbf, ...encoder.encode(text)),
      "UTF-16LE": utf16(text, true),
      "UTF-16BE": utf16(text, false),
    };
    for (const [name, bytes] of Object.entries(rows)) {
      await Deno.writeFile(`${folder}/.env`, bytes);
      const program = await startProgram(fromCheckout(folder));
      try {
        const put = (headers: Record<string, string>) =>
          ask(`${program.url}/home/x`, { method: "PUT", body: "x", headers });
        assertEquals((await put({})).status, 401, name);
        assert((await put({ authorization: "Bearer abc" })).status < 300, name);
      } finally {
        await program.stop();
      }
    }
  }));
