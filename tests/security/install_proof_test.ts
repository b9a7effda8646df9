/**
 * The property: `install`, `mint`, `boot` and the install script send a token of a file only to the server
 * that proves that it holds the data folder, also if another program passes the challenge on to that server.
 */

import { assert, assertEquals, assertMatch } from "../support/assert.ts";
import { startImpostor } from "../cli/client/impostor.ts";
import { fromCheckout, onPath, ROOT, runProgram, startProgram } from "../project/program.ts";
import { withTempFolder } from "../support/temp_folder.ts";

async function script(folder: string, env: Record<string, string>) {
  return await runProgram({
    command: "sh",
    args: [`${ROOT}/plugins/install.sh`, "example"],
    cwd: folder,
    env,
  });
}

Deno.test({
  name: "the installers send tokens of files to the server of the folder and to no relay",
  ignore: !onPath("curl"),
  fn: () =>
    withTempFolder(async (folder) => {
      const program = await startProgram(fromCheckout(folder));
      const stored = (await Deno.readTextFile(`${folder}/data/.approve-token`)).trim();
      // Passes everything on, except that it forwards no credential.
      const relay = startRelay(program.url);
      try {
        const localhost = relay.url.replace("127.0.0.1", "localhost");
        for (const ELASTIK_URL of [relay.url, localhost]) {
          const ran = await script(folder, { ELASTIK_URL });
          assertEquals(ran.code, 2, ran.stderr);
          assertMatch(ran.stderr, /ELASTIK_APPROVE_TOKEN is not set/);
          for (const command of [["install", "example"], ["mint", "/home"]]) {
            const { code } = await runProgram(
              fromCheckout(folder, [...command, "--url", ELASTIK_URL]),
            );
            assert(code !== 0, command.join(" "));
          }
          await runProgram(fromCheckout(folder, ["boot", ELASTIK_URL]));
        }
        assertEquals(relay.requests.filter(({ credential }) => credential?.includes(stored)), []);

        await Deno.writeTextFile(
          `${folder}/.env`,
          `\ufeffELASTIK_APPROVE_TOKEN=${stored}\r\nELASTIK_PORT=${new URL(relay.url).port}\r\n`,
        );
        const ran = await script(folder, {});
        assertEquals(ran.code, 2, ran.stderr);
        assertMatch(ran.stderr, /is not the server of data; start that server, or set ELASTIK_URL/);
        assertEquals(relay.requests.filter(({ credential }) => credential?.includes(stored)), []);

        const real = new URL(program.url).port;
        for (const host of ["localhost", "127.0.0.1"]) {
          const done = await script(folder, { ELASTIK_URL: `http://${host}:${real}` });
          assertEquals(done.code, 0, done.stderr);
        }
        await Deno.remove(`${folder}/.env`);
        const done = await script(folder, { ELASTIK_PORT: real });
        assertEquals(done.code, 0, done.stderr);
        assertMatch(done.stdout, /^Using the approve token that the server stores in data/);
        const minted = await runProgram(
          fromCheckout(folder, ["mint", "/home", "--url", program.url]),
        );
        assertEquals(minted.code, 0, minted.stderr);
      } finally {
        await relay.stop();
        await program.stop();
      }
    }),
});

Deno.test({
  name: "a token in the environment together with a URL is the operator's own decision",
  ignore: !onPath("curl"),
  fn: () =>
    withTempFolder(async (folder) => {
      const other = startImpostor(() => Response.json({ detail: "no" }, { status: 403 }));
      try {
        const env = { ELASTIK_URL: other.url, ELASTIK_TOKEN: "own", ELASTIK_APPROVE_TOKEN: "own" };
        await script(folder, env);
        assertEquals(other.requests.at(-1)?.credential, "Bearer own");
      } finally {
        await other.stop();
      }
    }),
});

/** Another program at another port, which asks the real server for its proof. */
function startRelay(target: string) {
  const requests: { credential: string | null }[] = [];
  const server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen: () => {} }, (request) => {
    const { pathname, search, port } = new URL(request.url);
    requests.push({ credential: request.headers.get("authorization") });
    const headers = new Headers(request.headers);
    headers.set("host", `127.0.0.1:${port}`);
    return fetch(`${target}${pathname}${search}`, {
      method: request.method,
      headers,
      body: request.body,
      redirect: "manual",
    });
  });
  return {
    url: `http://127.0.0.1:${server.addr.port}`,
    requests,
    stop: () => server.shutdown(),
  };
}
