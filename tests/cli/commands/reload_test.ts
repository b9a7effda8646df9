import { assert, assertEquals, assertMatch } from "../../support/assert.ts";
import { setTimeout as delay } from "node:timers/promises";
import {
  ask,
  fromCheckout,
  onPath,
  type Program,
  runProgram,
  startProgram,
} from "../../project/program.ts";
import { formatResult } from "../../../lib/cli/commands/reload.ts";
import { canCertify, certify } from "../../support/certificate.ts";
import { assertInTime, withMoreTime } from "../../support/slow_computer.ts";
import { withTempFolder } from "../../support/temp_folder.ts";

const isPosix = Deno.build.os !== "windows";

function test(name: string, act: (folder: string) => Promise<void>, able = true): void {
  Deno.test({ name, ignore: !isPosix || !able, fn: () => withTempFolder(act) });
}

function write(folder: string, lines: Record<string, string>): Promise<void> {
  const text = Object.entries(lines).map(([name, value]) => `${name}=${value}\n`).join("");
  return Deno.writeTextFile(`${folder}/.env`, text);
}

function reload(folder: string, args: readonly string[] = []) {
  return runProgram(fromCheckout(folder, ["reload", ...args]));
}

async function tierOf({ url }: Program, token: string): Promise<string> {
  const { text } = await ask(`${url}/auth/whoami`, {
    headers: { authorization: `Bearer ${token}` },
  });
  return JSON.parse(text).tier ?? "none";
}

const TOKENS = { ELASTIK_TOKEN: "t2-first", ELASTIK_APPROVE_TOKEN: "t3-first" };

test("reload replaces a token at once and ends the streams that the old one opened", async (folder) => {
  await write(folder, TOKENS);
  const program = await startProgram(fromCheckout(folder));
  try {
    const open = (token: string) =>
      fetch(`${program.url}/stream/home/`, { headers: { authorization: `Bearer ${token}` } });
    const [old, other] = await Promise.all([open("t2-first"), open("t3-first")]);
    assertEquals([old.status, other.status], [200, 200]);
    await write(folder, { ...TOKENS, ELASTIK_TOKEN: "t2-second" });
    const { code, stdout, stderr } = await reload(folder);
    assertEquals([code, stdout, stderr], [0, "Reloaded the T2 token\n", ""]);
    assertEquals(await tierOf(program, "t2-first"), "none");
    assertEquals(await tierOf(program, "t2-second"), "T2");
    await old.text(); // ends
    await other.body?.cancel();
    assertMatch(program.output(), /Z reload: Reloaded the T2 token\n/);
    for (const secret of ["t2-first", "t2-second", "t3-first"]) {
      assert(!program.output().includes(secret));
    }
    assertEquals((await reload(folder)).stdout, "Nothing has changed\n");
  } finally {
    await program.stop();
  }
});

test("reload keeps the old token, and its streams, until its grace time ends", (folder) =>
  withMoreTime(["2s", "10s", "60s"], (grace) => testGrace(folder, grace)));

async function testGrace(folder: string, time: string): Promise<void> {
  await write(folder, TOKENS);
  const program = await startProgram(fromCheckout(folder));
  try {
    const old = await fetch(`${program.url}/stream/home/`, {
      headers: { authorization: "Bearer t2-first" },
    });
    const grace = { ELASTIK_TOKEN: "t2-second", ELASTIK_TOKEN_GRACE: time };
    await write(folder, { ...TOKENS, ...grace });
    const since = performance.now();
    assertEquals((await reload(folder)).code, 0);
    const tier = await tierOf(program, "t2-first");
    const isEarly = performance.now() - since < 1_000 * parseInt(time);
    assertInTime(tier === "T2" || isEarly, "the grace time has ended already");
    assertEquals(tier, "T2");
    assertEquals(await tierOf(program, "t2-second"), "T2");
    await old.text(); // ends with the grace time
    assertEquals(await tierOf(program, "t2-first"), "none");
  } finally {
    await program.stop();
  }
}

test("reload reads a new data/.approve-token, and keeps the old token if it is malformed", async (folder) => {
  const program = await startProgram(fromCheckout(folder));
  const path = `${folder}/data/.approve-token`;
  try {
    const first = (await Deno.readTextFile(path)).trim();
    await Deno.writeTextFile(path, "not a token\n");
    const refused = await reload(folder);
    assertEquals([refused.code, refused.stdout], [1, ""]);
    assertMatch(refused.stderr, /^Cannot use the secret \.approve-token in the data folder: /);
    assertEquals(await tierOf(program, first), "T3");
    const second = "0123456789abcdef".repeat(4);
    await Deno.writeTextFile(path, `${second}\n`);
    assertEquals((await reload(folder, ["data"])).stdout, "Reloaded the T3 token\n");
    assertEquals([await tierOf(program, first), await tierOf(program, second)], ["none", "T3"]);
    const { text } = await ask(`${program.url}/proc/metrics`);
    assertMatch(text, /\nelastik_reloads_total\{result="ok"\} 1\n/);
    assertMatch(text, /\nelastik_reloads_total\{result="failed"\} 1\n/);
    const at = (result: string) =>
      Number(
        RegExp(`\nelastik_reload_last_${result}_timestamp_seconds (\\S+)`).exec(text)?.[1],
      );
    assert(at("failure") <= at("success") && at("failure") > Date.now() / 1000 - 600, text);
  } finally {
    await program.stop();
  }
});

test("reload changes nothing if a setting is invalid, and names what needs a restart", async (folder) => {
  await write(folder, TOKENS);
  const program = await startProgram(fromCheckout(folder));
  try {
    await write(folder, { ...TOKENS, ELASTIK_TOKEN: "t2-second", ELASTIK_TOKEN_GRACE: "8d" });
    const invalid = await reload(folder);
    assertEquals(invalid.code, 2);
    assertMatch(invalid.stderr, /^Cannot use ELASTIK_TOKEN_GRACE="8d": /);
    const viaServer = await reload(folder, ["data"]);
    assertEquals(viaServer.code, 1);
    assertMatch(
      viaServer.stderr,
      /^Cannot use ELASTIK_TOKEN_GRACE="8d": .*; nothing was changed\n/,
    );
    assertEquals(await tierOf(program, "t2-first"), "T2");
    // A token is never removed: that would open the server.
    await write(folder, { ELASTIK_APPROVE_TOKEN: "t3-first", ELASTIK_WRITERS: "1" });
    const restart = await reload(folder);
    assertEquals(restart.code, 1);
    assertEquals(
      restart.stdout,
      "Restart the server to apply ELASTIK_WRITERS, ELASTIK_TOKEN\n",
    );
    assertEquals(await tierOf(program, "t2-first"), "T2");
    assertEquals((await ask(`${program.url}/home/x`, { method: "PUT", body: "x" })).status, 401);
  } finally {
    await program.stop();
  }
});

test("SIGHUP switches the access log on and off", async (folder) => {
  const program = await startProgram(fromCheckout(folder));
  try {
    for (const [log, count] of [["line", 1], ["off", 1], ["json", 2]] as const) {
      await write(folder, { ELASTIK_LOG: log });
      assertEquals((await reload(folder)).stdout, "Reloaded ELASTIK_LOG\n");
      await ask(`${program.url}/proc/version-${log}`);
      const lines = () => program.output().split("\n").filter((line) => /version-/.test(line));
      for (let i = 0; i < 3_000 && lines().length < count; i++) await delay(20);
      assertEquals(lines().length, count, log);
    }
  } finally {
    await program.stop();
  }
});

/** Whether Linux moves connections of a closed listener to another one of the port. */
function canMigrate(): boolean {
  try {
    return Deno.readTextFileSync("/proc/sys/net/ipv4/tcp_migrate_req").trim() === "1";
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

test("reload gives new connections the new certificate, and open ones continue", async (folder) => {
  const [first, second] = [await certify(folder, "first"), await certify(folder, "second")];
  const use = async ({ cert, key }: { cert: string; key: string }) => {
    await Deno.copyFile(cert, `${folder}/cert.pem`);
    await Deno.copyFile(key, `${folder}/key.pem`);
  };
  await use(first);
  const program = await startProgram(fromCheckout(folder, [], {
    ELASTIK_TLS_CERT: `${folder}/cert.pem`,
    ELASTIK_TLS_KEY: `${folder}/key.pem`,
  }));
  const { port } = new URL(program.url);
  const curl = (args: readonly string[]) =>
    runProgram({ command: "curl", args: ["-s", "--noproxy", "*", ...args], cwd: folder });
  const url = `https://localhost:${port}/home/?limit=1`;
  try {
    await Deno.copyFile(second.cert, `${folder}/cert.pem`);
    const mismatch = await reload(folder, ["data"]);
    assertEquals(mismatch.code, 1);
    assertMatch(mismatch.stderr, /^Cannot use ELASTIK_TLS_KEY=.*: it is not the key of the certif/);
    assertEquals((await curl(["--cacert", first.cert, url])).code, 0);
    let isDone = false;
    const failures: number[] = [];
    let count = 0;
    const load = async () => {
      while (!isDone) {
        count++;
        const { code } = await curl(["-k", "-o", "/dev/null", "--fail", url]);
        // 35: the connection was reset in its handshake, before a request was sent. 7: it was reset before
        // curl had seen that it is open.
        if (code !== 0) failures.push(code);
      }
    };
    const stream = new Deno.Command("curl", {
      args: ["-siN", "--noproxy", "*", "--cacert", first.cert, `${program.url}/stream/home/`],
      stdout: "piped",
    }).spawn();
    const events = stream.stdout.pipeThrough(new TextDecoderStream()).getReader();
    await events.read();
    const loads = Promise.all([load(), load(), load()]);
    for (const pair of [second, first, second]) {
      await use(pair);
      const { code, stdout } = await reload(folder, ["data"]);
      assertEquals([code, stdout.split("\n")[0]], [0, "Reloaded the TLS certificate"]);
      assertEquals((await curl(["--cacert", pair.cert, url])).code, 0);
      const other = pair === first ? second : first;
      assertEquals((await curl(["--cacert", other.cert, url])).code, 60, "the old certificate");
    }
    isDone = true;
    await loads;
    assert(failures.every((code) => code === 35 || code === 7), `${failures} of ${count} requests`);
    // Each client can be in its handshake when a listener is closed, unless the system moves it.
    assert(failures.length <= (canMigrate() ? 0 : 9), `${failures} of ${count} requests`);
    const put = await curl([
      "-k",
      "-X",
      "PUT",
      "-d",
      "seen by the open stream",
      url.split("?")[0] + "x",
    ]);
    assertMatch(put.stdout, /"version":1/);
    let seen = "";
    for (let read = await events.read(); !read.done; read = await events.read()) {
      seen += read.value;
      if (/"version":1/.test(seen)) break;
    }
    assertMatch(seen, /"version":1/);
    stream.kill();
    await stream.status;
    await events.cancel();
    // The port is shared for the change only with this process.
    const another = await runProgram(fromCheckout(folder, [], {
      ELASTIK_PORT: port,
      ELASTIK_DATA: "other",
      ELASTIK_TLS_CERT: first.cert,
      ELASTIK_TLS_KEY: first.key,
    }));
    assertEquals(another.code, 1);
    assertMatch(another.stderr, /another program uses this port/);
  } finally {
    await program.stop();
  }
}, canCertify() && onPath("curl"));

test("reload without a server exits with 3", async (folder) => {
  const { code, stderr } = await reload(folder);
  assertEquals(code, 3);
  assertMatch(stderr, /^Cannot reload: no server of this user holds the data folder data\n/);
});

Deno.test("formatResult() names the settings that the environment sets", () => {
  const none = { changed: [], faults: [], restart: [], fixed: [] };
  assertEquals(formatResult(none), ["Nothing has changed"]);
  assertEquals(formatResult({ ...none, changed: ["the T2 token"], fixed: ["ELASTIK_LOG"] }), [
    "Reloaded the T2 token",
    "Only a restart rereads the environment, which sets ELASTIK_LOG",
  ]);
});
