/** The Dockerfile without a container engine: its text, and its commands as a user without rights. */

// deno-lint-ignore no-import-prefix -- only this test needs it; dockerfile-utils 0.16.3, MIT
import { validate } from "npm:dockerfile-utils@0.16.3";
import { bundle } from "../../lib/tools/bundle.ts";
import { DENO_VERSION } from "../../lib/tools/npm_package.ts";
import { assert, assertEquals, assertMatch } from "../support/assert.ts";
import { withTempFolder } from "../support/temp_folder.ts";
import { ask, onPath, ROOT, runProgram, startProgram } from "./program.ts";

const text = await Deno.readTextFile(`${ROOT}/Dockerfile`);
/** Instructions with their arguments; continued lines are joined. */
const instructions = text.replaceAll(/\\\n\s*/g, "").split("\n")
  .filter((line) => line !== "" && !line.startsWith("#"))
  .map((line) => [line.slice(0, line.indexOf(" ")), line.slice(line.indexOf(" ") + 1)] as const);
/** What the image has, after the last FROM. */
const image = instructions.slice(instructions.findLastIndex(([name]) => name === "FROM"));

function argumentsOf(name: string, of = image): string[] {
  return of.filter(([found]) => found === name).map(([, value]) => value);
}

/** The words of an instruction in exec form, which needs no shell. */
function execForm(value: string): string[] {
  const words: unknown = JSON.parse(value.slice(value.indexOf("[")));
  assert(Array.isArray(words) && words.every((word) => typeof word === "string"), value);
  return words;
}

Deno.test("the Dockerfile has no fault, and nothing that is not pinned", () => {
  assertEquals(validate(text).map(({ message }) => message), []);
  const images = argumentsOf("FROM", instructions);
  assertEquals(images, [
    `denoland/deno:${DENO_VERSION} AS build`,
    `denoland/deno:distroless-${DENO_VERSION}`,
  ]);
  assertEquals(argumentsOf("ADD", instructions), [], "ADD can download");
  for (const secret of [/TOKEN/, /ELASTIK_KEY/, /PASSWORD/i]) {
    assert(!secret.test(text), String(secret));
  }
});

Deno.test("the image runs one file as a user without rights, in exec form", () => {
  const [user = ""] = argumentsOf("USER");
  assertMatch(
    user,
    /^[1-9]\d*:[1-9]\d*$/,
    "a number, so that a cluster can check that it is not 0",
  );
  assertEquals(execForm(argumentsOf("VOLUME")[0] ?? ""), ["/data"]);
  const copied = argumentsOf("COPY");
  assertEquals(copied, [
    "--from=build --chown=0:0 /src/dist/elastik.js /elastik/elastik.js",
    `--from=build --chown=${user} /empty/data /data`,
  ]);
  assertEquals(argumentsOf("RUN"), [], "the image has no shell");
  assertEquals(execForm(argumentsOf("ENTRYPOINT")[0] ?? "")[0], "deno");
  assertEquals(execForm(argumentsOf("HEALTHCHECK")[0] ?? "")[0], "deno");
});

Deno.test(".dockerignore keeps worlds, secrets and the history out of the build", async () => {
  const ignored = (await Deno.readTextFile(`${ROOT}/.dockerignore`)).split("\n");
  for (const name of [".env", "elastik.env", ".git", "data", "dist"]) {
    assert(ignored.includes(name), name);
  }
});

const needsRoot = Deno.uid() === 0 && onPath("setpriv")
  ? ""
  : " (skipped: only root can become another user, with setpriv)";

Deno.test({
  name: `the commands of the image work as its user, who can write its data only${needsRoot}`,
  ignore: needsRoot !== "",
  fn: () =>
    withTempFolder(async (folder) => {
      const [user = ""] = argumentsOf("USER");
      const [uid = "", gid = ""] = user.split(":");
      await Deno.chmod(folder, 0o755);
      for (const name of ["elastik", "bin", "data", "tmp"]) await Deno.mkdir(`${folder}/${name}`);
      await bundle(`${folder}/elastik/elastik.js`);
      await Deno.copyFile(Deno.execPath(), `${folder}/bin/deno`);
      await Deno.chmod(`${folder}/bin/deno`, 0o755);
      for (const name of ["data", "tmp"]) await Deno.chown(`${folder}/${name}`, +uid, +gid);
      const pairs = (argumentsOf("ENV")[0] ?? "").split(/ +/).map((pair) => pair.split("=", 2));
      const env: Record<string, string> = {
        ...Object.fromEntries(pairs),
        PATH: `${folder}/bin:${Deno.env.get("PATH")}`,
        HOME: "/nonexistent",
        DENO_DIR: `${folder}/tmp/deno`,
        TMPDIR: `${folder}/tmp`,
        ELASTIK_DATA: `${folder}/data`,
        ELASTIK_PORT: "0",
        ELASTIK_TOKEN: "a".repeat(32),
        ELASTIK_APPROVE_TOKEN: "b".repeat(32),
      };
      const as = (words: readonly string[]) => ({
        command: "setpriv",
        args: [
          `--reuid=${uid}`,
          `--regid=${gid}`,
          "--clear-groups",
          "--no-new-privs",
          "--bounding-set=-all",
          ...words.map((word) => word.replaceAll("/elastik/", `${folder}/elastik/`)),
        ],
        cwd: `${folder}/data`,
        env,
      });
      const program = await startProgram(as(execForm(argumentsOf("ENTRYPOINT")[0] ?? "")));
      const { port } = new URL(program.url);
      const check = () => {
        const run = as(execForm(argumentsOf("HEALTHCHECK")[0] ?? ""));
        return runProgram({ ...run, env: { ...env, ELASTIK_PORT: port } });
      };
      const url = `http://127.0.0.1:${port}`;
      const put = await ask(`${url}/home/x`, {
        method: "PUT",
        body: "in a container",
        headers: { authorization: `Bearer ${env.ELASTIK_TOKEN}` },
      });
      assertEquals(put.status, 201, put.text);
      const healthy = await check();
      assertEquals(healthy.code, 0, healthy.stderr);
      assertEquals((await program.stop()).code, 0, program.output());
      assert((await check()).code !== 0, "a stopped server counts as healthy");
      for (const name of ["elastik", "bin"]) {
        assertEquals((await Deno.stat(`${folder}/${name}`)).uid, 0, name);
      }
      assertEquals((await Deno.stat(`${folder}/data/home%2Fx`)).uid, +uid);
    }),
});
