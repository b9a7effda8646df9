/**
 * Servers that are copied from servers and run from servers, with the commands of the manual: processes
 * of their own in empty folders.
 */

import { assert, assertEquals, assertMatch } from "../support/assert.ts";
import { bundle } from "../../lib/tools/bundle.ts";
import {
  ask,
  cacheIn,
  type Program,
  ROOT,
  runProgram,
  type StartOptions,
  startProgram,
} from "../project/program.ts";
import { eventually } from "../plugin/plugin_test_server.ts";
import { bearer } from "../support/test_server.ts";
import { filesBelow, holds, untar, withReality } from "./reality/archives.ts";
import { withTempFolder } from "../support/temp_folder.ts";

const SECRETS = {
  ELASTIK_TOKEN: "t2-0f-the-first-machine-d1e4",
  ELASTIK_APPROVE_TOKEN: "t3-0f-the-first-machine-9a77",
  ELASTIK_KEY: "key-0f-the-first-machine-c05b",
};

/** Starts a server from the files of a folder, with the settings of its `.env`. */
function startHere(folder: string, env: Readonly<Record<string, string>> = {}): Promise<Program> {
  return startProgram({
    command: Deno.execPath(),
    args: ["run", "-A", "main.ts"],
    cwd: folder,
    env: { ELASTIK_PORT: "0", ...env },
  });
}

/**
 * Requests an archive as T3 and unpacks it. A request waits 5 s for the plugins of a server that has just
 * started, and gets 503 then: it asks again.
 */
async function take(url: string, path: string, token: string, into: string): Promise<void> {
  const answer = await eventually(async () => {
    const response = await fetch(`${url}${path}`, { headers: bearer(token) });
    if (response.status !== 503) return response;
    await response.body?.cancel();
  }, `${path} answers`);
  assertEquals(answer.status, 200, path);
  assert(answer.body !== null);
  const tar = answer.body.pipeThrough(new DecompressionStream("gzip"));
  await untar(await new Response(tar).bytes(), into);
}

async function installReality(url: string, token: string): Promise<void> {
  const headers = bearer(token);
  const source = await Deno.readTextFile(`${ROOT}/plugins/reality.ts`);
  const stored = await ask(`${url}/lib/reality`, { method: "PUT", body: source, headers });
  assert(stored.status < 300, stored.text);
  const up = await ask(`${url}/lib/reality/state`, { method: "PUT", body: "active", headers });
  assertEquals(up.status, 200, up.text);
}

async function verify(folder: string): Promise<void> {
  const { code, stdout, stderr } = await runProgram({
    command: Deno.execPath(),
    args: ["run", "-A", "main.ts", "verify"],
    cwd: folder,
  });
  assertEquals(code, 0, stdout + stderr);
}

async function keptToken(folder: string): Promise<string> {
  return (await Deno.readTextFile(`${folder}/data/.approve-token`)).trim();
}

Deno.test("/self and /__reality__ give a second server, whose archives give a third", () =>
  withTempFolder(async (folder) => {
    const [first, second, third] = ["a", "b", "c"].map((name) => `${folder}/${name}`) as [
      string,
      string,
      string,
    ];
    for (const path of [first, second, third]) await Deno.mkdir(path);
    await withReality(async (server, url) => {
      await take(url, "/self", server.approveToken, first);
    });
    // Files of the operator that must not be copied.
    const env = Object.entries(SECRETS).map(([name, value]) => `${name}=${value}\n`).join("");
    await Deno.writeTextFile(`${first}/.env`, env);
    await Deno.mkdir(`${first}/.git`);
    await Deno.writeTextFile(`${first}/.git/config`, SECRETS.ELASTIK_TOKEN);
    await Deno.writeTextFile(`${first}/lib/.cli.ts.swp`, SECRETS.ELASTIK_KEY);

    const a = await startHere(first);
    try {
      const t3 = SECRETS.ELASTIK_APPROVE_TOKEN;
      await installReality(a.url, t3);
      const put = { method: "PUT", body: "kept", headers: bearer(SECRETS.ELASTIK_TOKEN) };
      assertEquals((await ask(`${a.url}/home/x`, put)).status, 201);
      await take(a.url, "/self", t3, second);
      await take(a.url, "/__reality__", t3, second);
      // The first server is unchanged.
      assertEquals((await ask(`${a.url}/proc/audit/home/x`, { headers: bearer(t3) })).status, 200);
    } finally {
      assertEquals((await a.stop()).code, 0);
    }
    for (const [path, { bytes }] of filesBelow(second)) {
      for (const secret of Object.values(SECRETS)) {
        assert(path === "tests/plugins/reality_seed_test.ts" || !holds(bytes, secret), path);
      }
    }
    await verify(second);

    const b = await startHere(second);
    try {
      const t3 = await keptToken(second);
      assert(!Object.values(SECRETS).includes(t3));
      assertEquals((await ask(`${b.url}/home/x?raw`)).text, "kept");
      assertEquals((await ask(`${b.url}/home/y`, { method: "PUT", body: "new" })).status, 201);
      const old = bearer(SECRETS.ELASTIK_APPROVE_TOKEN);
      // A request waits 5 s for the plugins of a server that has just started, and gets 503 then.
      const refused = await eventually(async () => {
        const { status } = await ask(`${b.url}/self`, { headers: old });
        return status === 503 ? undefined : status;
      }, "the plugin answers");
      assertEquals(refused, 401);
      await take(b.url, "/self", t3, third);
      await take(b.url, "/__reality__", t3, third);
    } finally {
      assertEquals((await b.stop()).code, 0);
    }
    await verify(second);
    await verify(third);
    assertEquals(
      [...filesBelow(third).keys()].filter((path) => path.startsWith("data/home")).sort(),
      [
        "data/home%2Fx/universe.db",
        "data/home%2Fy/universe.db",
      ],
    );
  }));

/** The command that runs a server from another one. */
function seed(url: string, cwd: string, env: Readonly<Record<string, string>>): StartOptions {
  return {
    command: Deno.execPath(),
    args: ["run", "-A", "--unstable-worker-options", `${url}/self/main.ts`],
    cwd,
    env: { ELASTIK_PORT: "0", ...env },
  };
}

Deno.test("/self/main.ts runs from its URL, later from the cache, and that server sends copies", () =>
  withTempFolder(async (folder) => {
    const here = `${folder}/empty`;
    const third = `${folder}/third`;
    for (const path of [here, third]) await Deno.mkdir(path);
    let start: StartOptions | undefined;
    await withReality(async (server, url) => {
      const cache = await cacheIn(folder);
      const refused = await startProgram(seed(url, here, cache)).then(
        () => "it started",
        (error: Error) => error.message,
      );
      assertMatch(refused, /401/);
      const capability = server.capability("/self", "r");
      start = seed(url, here, {
        ...cache,
        DENO_AUTH_TOKENS: `${capability}@127.0.0.1:${server.port}`,
      });
      const b = await startProgram(start);
      assertEquals((await ask(`${b.url}/home/x`, { method: "PUT", body: "kept" })).status, 201);
      assertEquals((await b.stop()).code, 0);
    });
    assertEquals([...Deno.readDirSync(here)].map(({ name }) => name), ["data"]);
    assert(start !== undefined);
    // The first server is stopped.
    const b = await startProgram(start);
    try {
      assertEquals((await ask(`${b.url}/home/x?raw`)).text, "kept");
      const t3 = await keptToken(here);
      await installReality(b.url, t3);
      await take(b.url, "/self", t3, third);
      await take(b.url, "/__reality__", t3, third);
      // Modules that only types need are not in the cache: one attempt to load them is made.
      assert(b.output().split("Download").length <= 2, b.output());
    } finally {
      assertEquals((await b.stop()).code, 0);
    }
    const files = filesBelow(third);
    for (const path of ["main.ts", "LICENSE", "deno.json", "plugins/reality.ts"]) {
      assertEquals(files.get(path)?.bytes, await Deno.readFile(`${ROOT}/${path}`), path);
    }
    await verify(third);
    const c = await startHere(third);
    assertEquals((await ask(`${c.url}/home/x?raw`)).text, "kept");
    assertEquals((await c.stop()).code, 0);
  }));

Deno.test("/self/main.ts of a single-file server sends that file, which can be run", () =>
  withTempFolder(async (folder) => {
    const here = `${folder}/empty`;
    const there = `${folder}/there`;
    const cache = `${folder}/cache`;
    for (const path of [here, there]) await Deno.mkdir(path);
    await bundle(`${folder}/elastik.js`);
    const a = await startProgram({
      command: Deno.execPath(),
      args: ["run", "-A", "--no-config", "--unstable-worker-options", `${folder}/elastik.js`],
      cwd: here,
      env: { ELASTIK_PORT: "0" },
    });
    try {
      const t3 = await keptToken(here);
      await installReality(a.url, t3);
      await take(a.url, "/self", t3, there);
      assertEquals([...filesBelow(there).keys()], ["elastik.js"]);
      assertEquals(
        filesBelow(there).get("elastik.js")?.bytes,
        await Deno.readFile(`${folder}/elastik.js`),
      );
      await Deno.remove(`${there}/elastik.js`);
      const minted = await ask(`${a.url}/auth/mint?prefix=/self&mode=r`, {
        method: "POST",
        headers: bearer(t3),
      });
      const { token } = JSON.parse(minted.text);
      const { host } = new URL(a.url);
      const b = await startProgram(
        seed(a.url, there, { DENO_DIR: cache, DENO_AUTH_TOKENS: `${token}@${host}` }),
      );
      try {
        const own = await keptToken(there);
        await installReality(b.url, own);
        const listed = await ask(`${b.url}/proc/source/`, { headers: bearer(own) });
        assertEquals(listed.text, "elastik.js\n");
        const file = await ask(`${b.url}/self/elastik.js`, { headers: bearer(own) });
        assertEquals(file.text, await Deno.readTextFile(`${folder}/elastik.js`));
      } finally {
        await b.stop();
      }
    } finally {
      await a.stop();
    }
  }));
