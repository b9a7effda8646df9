import { assert, assertEquals, assertMatch } from "../support/assert.ts";
import { verifyDataFolder } from "../../lib/archive/verify_data_folder.ts";
import { loadOrCreateSecret } from "../../lib/world/file/data_folder.ts";
import { runServer, ServerProcess } from "./server_process.ts";
import { withTempFolder } from "../support/temp_folder.ts";
import { snapshotFolder } from "../support/snapshot_folder.ts";

/** The files that SQLite creates next to an open database. */
function logsIn(data: string): string[] {
  return snapshotFolder(data).filter((line) => /-(wal|shm|journal) /.test(line));
}

/** Appends lines until the server stops, and returns those that were acknowledged. */
async function appendUntilClosed(
  server: ServerProcess,
  writer: number,
  onStarted: () => void,
): Promise<string[]> {
  const acknowledged: string[] = [];
  for (let i = 0;; i++) {
    const line = `${writer}.${i}\n`;
    let response: Response;
    try {
      response = await server.fetch("/home/log", { method: "POST", body: line });
    } catch {
      return acknowledged; // the server accepts no more requests on this connection
    }
    const text = await response.text();
    assert(response.ok, `${response.status} ${text}`);
    acknowledged.push(line);
    if (i === 20) onStarted();
  }
}

for (const signal of ["SIGTERM", "SIGINT"] as const) {
  Deno.test(`${signal} during writes stores exactly the acknowledged changes and closes every database`, () =>
    withTempFolder(async (folder) => {
      const data = `${folder}/data`;
      const server = await ServerProcess.start({ data });
      try {
        let started = 0;
        const half = Promise.withResolvers<void>();
        const writers = Array.from({ length: 8 }, (_, i) =>
          appendUntilClosed(server, i, () => {
            started += 1;
            if (started === 4) half.resolve();
          }));
        await half.promise;
        const { code, signal: endedBy, stderr } = await server.end(signal);
        assertEquals([code, endedBy, stderr], [0, null, ""]);
        const acknowledged = (await Promise.all(writers)).flat();
        assertEquals(logsIn(data), []);
        const again = await ServerProcess.start({ data });
        const { text } = await again.ask("/home/log?raw");
        assertEquals((await again.end()).code, 0);
        const stored = text.split("\n").slice(0, -1).map((line) => `${line}\n`);
        assertEquals(stored.toSorted(), acknowledged.toSorted());
      } finally {
        await server.end("SIGKILL");
      }
      const { secret } = loadOrCreateSecret(data, ".key");
      assertEquals(verifyDataFolder({ data, key: secret }).broken, []);
    }));
}

Deno.test("SIGTERM stops a server with open streams within 8 seconds", () =>
  withTempFolder(async (folder) => {
    const data = `${folder}/data`;
    const server = await ServerProcess.start({ data });
    try {
      await server.ask("/home/x", { method: "PUT", body: "1" });
      const streams = await Promise.all(
        ["/stream/home/x", "/stream/home/"].map((path) => server.fetch(path)),
      );
      const start = Date.now();
      const { code } = await server.end();
      assertEquals(code, 0);
      assert(Date.now() - start < 8000, "an open stream delayed the stop");
      for (const stream of streams) await stream.body?.cancel().catch(() => {});
      assertEquals(logsIn(data), []);
    } finally {
      await server.end("SIGKILL");
    }
  }));

Deno.test("a second server on a data folder ends with an error, and the first continues", () =>
  withTempFolder(async (folder) => {
    const data = `${folder}/data`;
    const server = await ServerProcess.start({ data });
    try {
      assertEquals((await server.ask("/home/x", { method: "PUT", body: "1" })).status, 201);
      // The index of the search has read the world: the first server does not open it any more.
      assertEquals((await server.ask("/proc/search/home/?q=1")).status, 200);
      const before = snapshotFolder(`${data}/home%2Fx`);
      const { code, stderr } = await runServer({ data });
      assertEquals(code, 1);
      assertMatch(stderr, new RegExp(`another server holds it \\(process ${server.pid}\\)`));
      assertMatch(stderr, /stop it, or set ELASTIK_DATA to another folder/);
      assert(!/\bat .*:\d+:\d+/.test(stderr), "a stack was printed");
      assertEquals(snapshotFolder(`${data}/home%2Fx`), before);
      assertEquals((await server.ask("/home/x", { method: "PUT", body: "2" })).status, 200);
      assertEquals((await server.ask("/home/x?raw")).text, "2");
    } finally {
      assertEquals((await server.end()).code, 0);
    }
  }));

Deno.test("exactly one of three servers that start at the same time on a new folder runs", () =>
  withTempFolder(async (folder) => {
    const data = `${folder}/data`;
    const starts = await Promise.allSettled([1, 2, 3].map(() => ServerProcess.start({ data })));
    const running = starts.flatMap((start) => start.status === "fulfilled" ? [start.value] : []);
    assertEquals(running.length, 1);
    for (const start of starts) {
      if (start.status === "rejected") assertMatch(String(start.reason), /another server holds it/);
    }
    assertEquals((await running[0]?.ask("/home/x", { method: "PUT", body: "1" }))?.status, 201);
    assertEquals((await running[0]?.end())?.code, 0);
  }));

Deno.test("a server whose store Worker fails answers 503, reports the reason and ends with exit code 1", () =>
  withTempFolder(async (folder) => {
    const root = new URL("../../", import.meta.url).href;
    Deno.writeTextFileSync(
      `${folder}/dying_worker.ts`,
      `addEventListener("message", (event) => {
        if (!Array.isArray(event.data) || !event.data.some(({ name }) => name === "home/die")) return;
        event.stopImmediatePropagation();
        throw new Error("the disk fell off");
      });
      const { serveStore } = await import(${
        JSON.stringify(`${root}lib/world/worker/worker_server.ts`)
      });
      serveStore(globalThis as never);`,
    );
    Deno.writeTextFileSync(
      `${folder}/main.ts`,
      `import { runCommandLine } from ${JSON.stringify(`${root}lib/cli/main.ts`)};
      await runCommandLine([], {
        storeWorkerUrl: import.meta.resolve("./dying_worker.ts"),
        main: import.meta.url,
      });`,
    );
    const data = `${folder}/data`;
    const server = await ServerProcess.start({ data, main: `${folder}/main.ts` });
    try {
      assertEquals((await server.ask("/home/x", { method: "PUT", body: "kept" })).status, 201);
      // The process may end before it has sent the response.
      const last = await server.ask("/home/die", { method: "PUT", body: "1" }).catch(() =>
        undefined
      );
      assert(last === undefined || last.status === 503, JSON.stringify(last));
      const { code, signal, stderr } = await server.ended;
      assertEquals([code, signal], [1, null]);
      assertMatch(stderr, /The store failed: .*the disk fell off.*; start the server again/);
    } finally {
      await server.end("SIGKILL");
    }
    const again = await ServerProcess.start({ data });
    assertEquals((await again.ask("/home/x?raw")).text, "kept");
    assertEquals((await again.ask("/home/die")).status, 404);
    assertEquals((await again.end()).code, 0);
  }));

Deno.test("a server with an invalid secret reports which one and ends with exit code 1", () =>
  withTempFolder(async (folder) => {
    const data = `${folder}/data`;
    Deno.mkdirSync(data);
    Deno.writeTextFileSync(`${data}/.key`, "half a key");
    const { code, stderr } = await runServer({ data });
    assertEquals(code, 1);
    assertMatch(
      stderr,
      /Cannot use the secret \.key in the data folder: it does not contain 64 hexadecimal digits/,
    );
    assert(!/\bat .*:\d+:\d+/.test(stderr), "a stack was printed");
    assertEquals(Deno.readTextFileSync(`${data}/.key`), "half a key");
  }));
