/**
 * The server's output never blocks the server: it answers and stops while no process reads its standard
 * output and error, and after their reader has closed them.
 */

import { assert, assertEquals } from "../support/assert.ts";
import { cleanEnv, fromCheckout } from "../project/program.ts";
import { eventually } from "../plugin/plugin_test_server.ts";
import { withTempFolder } from "../support/temp_folder.ts";

const REQUESTS = 600;
const LONG = "x".repeat(200);

interface UnreadServer {
  readonly url: string;
  readonly child: Deno.ChildProcess;
}

/** Runs a test on a server whose outputs are one pipe that the test reads or does not read. */
async function withUnreadServer(test: (server: UnreadServer) => Promise<void>): Promise<void> {
  await withTempFolder(async (folder) => {
    const { command, args, cwd, env } = fromCheckout(folder, [], {
      ELASTIK_LOG: "line",
      ELASTIK_LOG_RATE: "0",
      ELASTIK_SYNC: "normal",
    });
    const child = new Deno.Command("sh", {
      args: ["-c", 'exec "$0" "$@" 2>&1', command, ...args],
      cwd,
      env: cleanEnv(env),
      clearEnv: true,
      stdin: "null",
      stdout: "piped",
      stderr: "null",
    }).spawn();
    try {
      const url = await readUrl(child.stdout);
      // A file that is no database: each read of the world is an error that is logged.
      await Deno.mkdir(`${folder}/data/home%2F${LONG}`, { recursive: true });
      await Deno.writeTextFile(`${folder}/data/home%2F${LONG}/universe.db`, LONG.repeat(50));
      await test({ url, child });
    } finally {
      endNow(child);
      await child.status;
      await child.stdout.cancel();
    }
  });
}

function endNow(child: Deno.ChildProcess): void {
  try {
    child.kill("SIGKILL");
  } catch {
    return; // it has ended
  }
}

/** Reads the output until the server has printed its URL and the line after it. */
async function readUrl(output: ReadableStream<Uint8Array<ArrayBuffer>>): Promise<string> {
  const reader = output.getReader();
  const decoder = new TextDecoder();
  try {
    for (let text = "";;) {
      const { value, done } = await reader.read();
      assert(!done, `the server ended: ${text}`);
      text += decoder.decode(value, { stream: true });
      const url = /^elastik \S+ at (http:\S+), [\s\S]*^try: .*\n/m.exec(text)?.[1];
      if (url !== undefined) return url;
    }
  } finally {
    reader.releaseLock();
  }
}

/** Causes lines of the access log and of the error log. */
async function causeLines(url: string): Promise<void> {
  const paths = [`/home/${LONG}`, `/proc/${"y".repeat(900)}`];
  for (let i = 0; i < REQUESTS; i += 20) {
    await Promise.all(Array.from({ length: 20 }, async (_, at) => {
      const response = await fetch(`${url}${paths[at % 2]}`, {
        signal: AbortSignal.timeout(60_000),
      });
      await response.text();
    }));
  }
}

/** Asks the server to stop, and returns its exit code and the milliseconds that it took. */
async function stop(child: Deno.ChildProcess): Promise<{ code: number; ms: number }> {
  const start = performance.now();
  child.kill("SIGTERM");
  const { code } = await child.status;
  return { code, ms: performance.now() - start };
}

Deno.test("the server answers, and stops on SIGTERM, while its output is not read", async () => {
  await withUnreadServer(async ({ url, child }) => {
    await causeLines(url);
    const put = await fetch(`${url}/home/x`, { method: "PUT", body: "still writes" });
    assertEquals(put.status, 201);
    await put.body?.cancel();
    const { code, ms } = await stop(child);
    assertEquals(code, 0);
    // A server that waits for its output never ends.
    assert(ms < 60_000, `it took ${ms} ms`);
    let text = "";
    for await (const part of child.stdout.values({ preventCancel: true })) {
      text += new TextDecoder().decode(part);
    }
    const lines = text.split("\n").length;
    assert(lines < REQUESTS, `the pipe was not full: it had ${lines} lines`);
  });
});

Deno.test("the server answers, and stops on SIGTERM, after its output was closed", async () => {
  await withUnreadServer(async ({ url, child }) => {
    await child.stdout.cancel();
    await causeLines(url);
    await eventually(async () => {
      const text = await (await fetch(`${url}/proc/metrics`)).text();
      return Number(/^elastik_log_lines_dropped_total (\d+)$/m.exec(text)?.[1]) > 0;
    }, "lines are counted as dropped");
    assertEquals((await stop(child)).code, 0);
  });
});
