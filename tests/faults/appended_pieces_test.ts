/**
 * Appended bytes that are not in the row of their world yet: a program that reads the row finds the
 * current version within seconds, and a kill or a full disk costs nothing.
 */

import { assert, assertEquals } from "../support/assert.ts";
import { DatabaseSync } from "node:sqlite";
import { verifyDataFolder } from "../../lib/archive/verify_data_folder.ts";
import { loadOrCreateSecret } from "../../lib/world/file/data_folder.ts";
import { findFormatFault, FORMAT_FILE } from "../../lib/world/file/folder_format.ts";
import { ServerProcess } from "./server_process.ts";
import { pathExists } from "../../lib/world/file/durable_fs.ts";
import { withSmallDisk } from "./small_disk.ts";
import { withTempFolder } from "../support/temp_folder.ts";
import { createRandom } from "../support/random.ts";

/** Long enough for pieces. */
const START = `${".".repeat(99)}\n`.repeat(1_000);
/** The longest time that a test waits for a fold that is due after 2 or 5 s, on a loaded computer. */
const PATIENCE_MS = 120_000;
/** A fold that is due after 2 s comes before what a test does next only if the computer stands still. */
const ATTEMPTS = 10;

const FILE = "home%2Flog/universe.db";

interface Row {
  readonly version: number;
  readonly text: string;
  readonly hasPieces: boolean;
}

/** What a program with `sqlite3` reads from the file of `home/log`. */
function rowOf(data: string): Row {
  const db = new DatabaseSync(`${data}/${FILE}`);
  try {
    // A server that has just started can recover the log at this moment.
    db.exec("PRAGMA busy_timeout = 60000; PRAGMA query_only = 1; BEGIN");
    const row = db.prepare("SELECT version, CAST(stage_html AS TEXT) AS text FROM stage_meta")
      .get();
    const table = db.prepare("SELECT 1 FROM sqlite_schema WHERE name = 'pieces'").get();
    return {
      version: Number(row?.version),
      text: String(row?.text),
      hasPieces: table !== undefined,
    };
  } finally {
    db.close();
  }
}

/**
 * Reads the row from a copy of file and log. SQLite cannot open a file through the link into another
 * namespace, and on a full disk it cannot create the files that it needs next to the original.
 */
function rowOfCopy(data: string): Row {
  const copy = Deno.makeTempDirSync();
  try {
    Deno.mkdirSync(`${copy}/home%2Flog`);
    for (const end of ["", "-wal"]) {
      const file = `${FILE}${end}`;
      if (pathExists(`${data}/${file}`)) Deno.copyFileSync(`${data}/${file}`, `${copy}/${file}`);
    }
    return rowOf(copy);
  } finally {
    Deno.removeSync(copy, { recursive: true });
  }
}

/** Waits until the row of `home/log` passes a test; returns it, and the time that took in milliseconds. */
async function waitForRow(
  data: string,
  isReached: (row: Row) => boolean,
): Promise<{ row: Row; ms: number }> {
  const start = performance.now();
  for (;;) {
    const row = rowOf(data);
    const ms = performance.now() - start;
    if (isReached(row)) return { row, ms };
    assert(ms < PATIENCE_MS, `the row has version ${row.version} after ${Math.round(ms)} ms`);
    await new Promise((resume) => setTimeout(resume, 50));
  }
}

async function put(server: ServerProcess, body: string): Promise<void> {
  const { status, text } = await server.ask("/home/log", { method: "PUT", body });
  assert(status === 200 || status === 201, text);
}

/** Appends a line and returns the version. */
async function append(server: ServerProcess, line: string): Promise<number> {
  const { status, text } = await server.ask("/home/log", { method: "POST", body: line });
  assertEquals(status, 200, text);
  return JSON.parse(text).version;
}

async function assertContent(server: ServerProcess, content: string): Promise<void> {
  assertEquals((await server.ask("/home/log?raw")).text === content, true, "the content");
  const audit = JSON.parse((await server.ask("/proc/audit/home/log")).text);
  assertEquals(audit.ok, true, JSON.stringify(audit));
}

function assertVerified(data: string): void {
  const { broken } = verifyDataFolder({ data, key: loadOrCreateSecret(data, ".key").secret });
  assertEquals(broken, []);
}

Deno.test("the row of a world is complete within seconds of the last append, and of a steady writer", () =>
  withTempFolder(async (folder) => {
    const data = `${folder}/data`;
    const server = await ServerProcess.start({ data });
    let isWriting = true;
    let writing = Promise.resolve();
    try {
      assertEquals([findFormatFault(data), Deno.readTextFileSync(`${data}/${FORMAT_FILE}`)], [
        undefined,
        "2\n",
      ]);
      await put(server, START);
      let content = START;
      let acknowledged = 1;
      writing = (async () => {
        for (let i = 0; isWriting; i++) {
          acknowledged = await append(server, `${i}\n`);
          content += `${i}\n`;
          await new Promise((resume) => setTimeout(resume, 20));
        }
      })();
      // An append is a piece, so that the row is behind.
      const { row: first } = await waitForRow(
        data,
        ({ hasPieces, version }) => hasPieces && version < acknowledged,
      );
      // Never quiet for two seconds.
      const { ms: steady } = await waitForRow(data, (row) => row.version > first.version);
      isWriting = false;
      await writing;
      const { ms: quiet } = await waitForRow(data, ({ hasPieces }) => !hasPieces);
      assertEquals(rowOf(data).text === content, true, "the row has the whole content");
      await assertContent(server, content);
      console.log(`steady ${Math.round(steady)} ms, quiet ${Math.round(quiet)} ms`);
    } finally {
      isWriting = false;
      await writing.catch(() => {}); // the test has awaited it, or has another error
      assertEquals((await server.end()).code, 0);
    }
  }));

Deno.test("a server that starts after a kill folds a world that no client writes again", () =>
  withTempFolder(async (folder) => {
    const data = `${folder}/data`;
    let server = await ServerProcess.start({ data });
    try {
      await put(server, START);
      let version = 0;
      let content = START;
      for (let attempt = 1;; attempt++) {
        for (const line of ["one\n", "two\n"]) {
          version = await append(server, line);
          content += line;
        }
        await server.end("SIGKILL");
        assertVerified(data);
        if (rowOf(data).hasPieces) break;
        assert(attempt < ATTEMPTS, "no kill left pieces");
        server = await ServerProcess.start({ data });
      }
      server = await ServerProcess.start({ data });
      await waitForRow(data, (row) => row.version === version && !row.hasPieces);
      assertEquals(rowOf(data).text === content, true);
      await assertContent(server, content);
    } finally {
      assertEquals((await server.end()).code, 0);
    }
    assertVerified(data);
  }));

Deno.test("a kill during a fold loses no acknowledged append, and a stop folds every world", () =>
  withTempFolder(async (folder) => {
    const data = `${folder}/data`;
    const seed = crypto.getRandomValues(new Uint32Array(1))[0] ?? 1;
    const random = createRandom(seed);
    let content = START.repeat(30); // 3 MB, so that a fold takes some time
    let server = await ServerProcess.start({ data });
    await put(server, content);
    let kept = 0;
    for (let round = 0; round < 4; round++) {
      for (let i = 0; i < 4; i++) {
        const line = `${round}.${i}\n`;
        await append(server, line);
        content += line;
      }
      // A stop folds at once. The kill comes before, during and after that.
      Deno.kill(server.pid, "SIGTERM");
      await new Promise((resume) => setTimeout(resume, random() * random() * 60));
      await server.end("SIGKILL");
      assertVerified(data);
      if (rowOf(data).hasPieces) kept += 1;
      server = await ServerProcess.start({ data });
      await assertContent(server, content);
    }
    await append(server, "last\n");
    const { code, stderr } = await server.end();
    assertEquals([code, stderr], [0, ""]);
    const { text, hasPieces } = rowOf(data);
    assertEquals([text === `${content}last\n`, hasPieces], [true, false], `seed ${seed}`);
    console.log(`seed ${seed}: ${kept} of 4 kills left pieces`);
  }));

Deno.test("a stop on a full disk leaves the pieces, and the row is complete after the next start", () =>
  withSmallDisk(32, async (disk) => {
    const data = `${disk.outside}/data`;
    const start = () => ServerProcess.start({ data: `${disk.path}/data`, through: disk.through });
    let server = await start();
    let content = START.repeat(20);
    try {
      await put(server, content);
      for (let attempt = 1;; attempt++) {
        for (const line of ["one\n", "two\n"]) {
          await append(server, line);
          content += line;
        }
        disk.fill();
        if (rowOfCopy(data).hasPieces) break;
        assert(attempt < ATTEMPTS, "no append left pieces");
        disk.free();
      }
      // A stop tries to fold, and must end in spite of the disk.
      await server.end();
      assertEquals(rowOfCopy(data).hasPieces, true, "the disk has space for a fold");
      disk.free();
      server = await start();
      await assertContent(server, content);
      await append(server, "three\n");
      content += "three\n";
      await assertContent(server, content);
    } finally {
      await server.end();
    }
    assertVerified(data);
    const { text, hasPieces } = rowOfCopy(data);
    assertEquals([text === content, hasPieces], [true, false]);
  }));
