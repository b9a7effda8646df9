import { assert, assertEquals, assertMatch, assertThrows } from "../support/assert.ts";
import { DatabaseSync } from "node:sqlite";
import { runVerify, verifyDataFolder } from "../../lib/archive/verify_data_folder.ts";
import {
  acquireDataFolder,
  DataFolderBusy,
  loadOrCreateSecret,
} from "../../lib/world/file/data_folder.ts";
import { createChainSigner, GENESIS, toEventRow } from "../../lib/world/event_chain.ts";
import { FILE_DAMAGE } from "../testdata/file_damage.ts";
import {
  createSample,
  damages,
  damageSample,
  SAMPLE_FILE,
  SAMPLE_KEY,
  SAMPLE_NAME,
} from "../testdata/sample_world.ts";
import {
  appendJob,
  putJob,
  removeJob,
  removeWithoutMove,
  testWriter,
} from "../testdata/test_writer.ts";
import { cleanEnv } from "../project/program.ts";
import { withTempFolder } from "../support/temp_folder.ts";
import { fillRotated, KEY, OTHER_KEY } from "./fixtures.ts";
import { snapshotFolder } from "../support/snapshot_folder.ts";

const MAIN = new URL("../../main.ts", import.meta.url).pathname;

/** Runs the command and returns its output and exit code. */
function run(data: string, key: string | undefined = SAMPLE_KEY) {
  const out: string[] = [];
  const err: string[] = [];
  const progress: string[] = [];
  const code = runVerify(data, key, {
    out: (line) => out.push(line),
    err: (line) => err.push(line),
    progress: {
      update: (done, total) => progress.push(`${done}/${total}`),
      end: () => progress.push("end"),
    },
  });
  return { code, out, err, progress };
}

/** Creates a folder of valid worlds of every kind. */
function fill(data: string): void {
  const writer = testWriter(data);
  writer.apply([
    putJob("home/a", "1"),
    appendJob("home/a", "2"),
    putJob("home/a b#c%d", ""),
    putJob("lib/p", "source", { state: "pending" }),
    putJob("home/gone", "1"),
    removeJob("home/gone"),
  ]);
  writer.close();
}

/** Leaves worlds as after a crash: with write-ahead logs of confirmed changes. */
function crash(data: string): void {
  const writer = testWriter(data);
  writer.apply([appendJob("home/a", "3"), putJob("lib/p", "other", { state: "pending" })]);
  const copies: [string, Uint8Array][] = [];
  for (const folder of ["home%2Fa", "lib%2Fp"]) {
    for (const end of ["", "-wal"]) {
      const path = `${data}/${folder}/universe.db${end}`;
      copies.push([path, Deno.readFileSync(path)]);
    }
  }
  writer.close();
  for (const [path, bytes] of copies) Deno.writeFileSync(path, bytes);
}

Deno.test("verifyDataFolder() reports no fault for valid worlds and counts them", () =>
  withTempFolder((data) => {
    fill(data);
    assertEquals(verifyDataFolder({ data, key: SAMPLE_KEY }), {
      worlds: 3,
      broken: [],
      unnamed: 0,
      leftovers: [],
    });
  }));

Deno.test("verifyDataFolder() reports a folder that was renamed, and names the world of its chain", () =>
  withTempFolder((data) => {
    fill(data);
    Deno.renameSync(`${data}/home%2Fa`, `${data}/home%2Fb`);
    const { broken, worlds } = verifyDataFolder({ data, key: SAMPLE_KEY });
    assertEquals(worlds, 3);
    assertEquals(broken, [{
      name: "home/b",
      faults: [{ check: "chain", reason: "the chain is that of /home/a" }],
    }]);
    assertEquals(run(data).code, 1);
  }));

Deno.test("verifyDataFolder() counts chains that began without the name of their world", () =>
  withTempFolder((data) => {
    fill(data);
    const db = new DatabaseSync(`${data}/home%2Fa/universe.db`);
    const sign = createChainSigner(SAMPLE_KEY);
    let previous = GENESIS;
    for (const row of db.prepare("SELECT * FROM events ORDER BY id").all().map(toEventRow)) {
      const { name: _name, ...fields } = JSON.parse(row.payload);
      const payload = JSON.stringify(fields);
      const hmac = sign(previous, row.timestamp, row.event_type, payload);
      db.prepare("UPDATE events SET payload = ?, hmac = ?, prev_hmac = ? WHERE id = ?")
        .run(payload, hmac, previous, row.id);
      previous = hmac;
    }
    db.close();
    Deno.renameSync(`${data}/home%2Fa`, `${data}/home%2Fold`);
    const { broken, unnamed } = verifyDataFolder({ data, key: SAMPLE_KEY });
    assertEquals([broken, unnamed], [[], 1]);
    assertMatch(run(data).out.at(-1) ?? "", /, 1 with older chains that do not name their world/);
  }));

Deno.test("verifyDataFolder() leaves no trace, also next to a write-ahead log", () =>
  withTempFolder((data) => {
    fill(data);
    acquireDataFolder(data).release();
    crash(data);
    const before = snapshotFolder(data);
    assertEquals(verifyDataFolder({ data, key: SAMPLE_KEY }).broken, []);
    assertEquals(snapshotFolder(data), before);
  }));

Deno.test("verifyDataFolder() verifies what a crash left in the write-ahead log", () =>
  withTempFolder((data) => {
    fill(data);
    crash(data);
    const path = `${data}/home%2Fa/universe.db`;
    const db = new DatabaseSync(path);
    db.exec("UPDATE stage_meta SET stage_html = CAST('forged' AS BLOB)");
    const forged = [Deno.readFileSync(path), Deno.readFileSync(`${path}-wal`)] as const;
    db.close();
    Deno.writeFileSync(path, forged[0]);
    Deno.writeFileSync(`${path}-wal`, forged[1]);
    const { broken } = verifyDataFolder({ data, key: SAMPLE_KEY });
    assertEquals(broken.map(({ name, faults }) => [name, faults[0]?.check]), [["home/a", "body"]]);
  }));

Deno.test("verifyDataFolder() reports the fault of each damaged chain, and of no other world", async (t) => {
  for (const damage of ["chains", "rows", "history"].flatMap(damages)) {
    await t.step(damage.title, () =>
      withTempFolder((data) => {
        createSample(data);
        fill(data);
        damageSample(data, damage);
        const { worlds, broken } = verifyDataFolder({ data, key: SAMPLE_KEY });
        assertEquals([worlds, broken], [4, [{ name: SAMPLE_NAME, faults: damage.findings }]]);
      }));
  }
});

Deno.test("verifyDataFolder() reports each damaged file, and no other world", async (t) => {
  for (const [kind, { inflict }] of Object.entries(FILE_DAMAGE)) {
    await t.step(kind, () =>
      withTempFolder((data) => {
        createSample(data);
        fill(data);
        inflict(`${data}/${SAMPLE_FILE}`);
        const { worlds, broken } = verifyDataFolder({ data, key: SAMPLE_KEY });
        const checks = broken.map((
          { name, faults },
        ) => [name, ...faults.map(({ check }) => check)]);
        // An invalid log contains nothing: the database file is valid.
        assertEquals(checks, kind === "log_of_garbage" ? [] : [[SAMPLE_NAME, "unreadable"]]);
        assertEquals(worlds, 4);
      }));
  }
});

Deno.test("verifyDataFolder() reports entries that are not worlds, and deleted worlds", () =>
  withTempFolder((data) => {
    fill(data);
    Deno.mkdirSync(`${data}/home%2Fempty`);
    Deno.mkdirSync(`${data}/notes`);
    Deno.writeTextFileSync(`${data}/file`, "passed over");
    removeWithoutMove(data, "home/a");
    const { worlds, broken, leftovers } = verifyDataFolder({ data, key: SAMPLE_KEY });
    assertEquals([worlds, broken], [3, []]);
    assertEquals(leftovers, [
      { folder: "home%2Fa", reason: "was deleted and is not in the trash yet" },
      { folder: "home%2Fempty", reason: "does not contain universe.db" },
      { folder: "notes", reason: "its name is not the encoding of a world name" },
    ]);
    const { code, out } = run(data);
    assertEquals([code, out.at(-1)], [0, "3 worlds checked, 0 broken, 3 leftovers"]);
  }));

Deno.test("verifyDataFolder() throws for a folder that a server holds", () =>
  withTempFolder((data) => {
    const folder = acquireDataFolder(data);
    assertThrows(() => verifyDataFolder({ data, key: "k" }), DataFolderBusy);
    const { code, out, err } = run(data);
    assertEquals([code, out], [2, []]);
    assertMatch(err.join(), /another server holds it \(process \d+\); stop it/);
    folder.release();
  }));

Deno.test("runVerify() prints a line for each broken world and a summary, and returns 1", () =>
  withTempFolder((data) => {
    createSample(data);
    fill(data);
    const damage = damages("chains").find(({ title }) => title === "chains/prev_hmac_altered");
    if (damage === undefined) throw new Error("the damage is gone");
    damageSample(data, damage);
    Deno.truncateSync(`${data}/home%2Fa/universe.db`, 0);
    const { code, out, err } = run(data);
    assertEquals([code, err], [1, []]);
    assertEquals(out, [
      "home/a: unreadable: no such table: stage_meta",
      `${SAMPLE_NAME}: chain at event 3: prev_hmac is not the hmac of the previous event`,
      "4 worlds checked, 2 broken",
    ]);
  }));

Deno.test("runVerify() prints one line per world, whatever a damaged file contains", () =>
  withTempFolder((data) => {
    createSample(data);
    const db = new DatabaseSync(`${data}/${SAMPLE_FILE}`);
    db.exec("UPDATE stage_meta SET ext = 'a' || char(10, 27) || '[2Jb', version = 5");
    db.close();
    Deno.mkdirSync(`${data}/no\u001bte`);
    const { out } = run(data);
    assertEquals(out.map((line) => /\p{Cc}/u.test(line)), [false, false, false]);
    assertMatch(out[0] ?? "", /the row has ext "a\?\?\[2Jb"/);
  }));

Deno.test("runVerify() uses the key of the folder, or the given one", () =>
  withTempFolder((data) => {
    const { secret } = loadOrCreateSecret(data, ".key");
    const writer = testWriter(data, { key: secret });
    writer.apply([putJob("home/a", "1"), putJob("home/b", "1")]);
    writer.close();
    const out: string[] = [];
    const terminal = { out: (line: string) => out.push(line), err: () => {} };
    assertEquals(runVerify(data, undefined, terminal), 0);
    assertEquals(runVerify(data, "another key", terminal), 1);
    assertEquals(
      out.at(-1),
      "2 worlds checked, 2 broken; no chain fits this key; give the key that signed them in ELASTIK_KEY",
    );
    assertEquals(out.some((line) => line.includes(secret)), false);
  }));

Deno.test("runVerify() reports what is missing and returns 2", () =>
  withTempFolder((data) => {
    const none = run(`${data}/none`);
    assertEquals([none.code, none.err], [2, [
      `Cannot verify ${data}/none: there is no such folder`,
    ]]);
    const out: string[] = [];
    const terminal = { out: () => {}, err: (line: string) => out.push(line) };
    assertEquals(runVerify(data, undefined, terminal), 2);
    assertMatch(out.join(), /its signing key is neither in ELASTIK_KEY nor in/);
    Deno.writeTextFileSync(`${data}/.key`, "half a key");
    assertEquals(runVerify(data, undefined, terminal), 2);
    assertMatch(out.join(), /does not contain 64 hexadecimal digits/);
    assertEquals(run(`${data}/.key`).err, [
      `Cannot verify ${data}/.key: it is a file; name a data folder`,
    ]);
    assertEquals(snapshotFolder(data).length, 1);
  }));

Deno.test("runVerify() shows its progress and clears it at the end", () =>
  withTempFolder((data) => {
    const writer = testWriter(data);
    writer.apply(Array.from({ length: 250 }, (_, i) => putJob(`home/w${i}`, "1")));
    writer.close();
    const { progress } = run(data);
    assertEquals(progress.length, 252);
    assertEquals([progress[0], progress[100], progress[250]], ["0/250", "100/250", "250/250"]);
    assertEquals(progress.at(-1), "end");
  }));

Deno.test("verify checks a folder with read permission only", () =>
  withTempFolder(async (data) => {
    const { secret } = loadOrCreateSecret(data, ".key");
    const writer = testWriter(data, { key: secret });
    writer.apply([putJob("home/a", "1")]);
    writer.close();
    async function verify(): Promise<{ code: number; out: string; err: string }> {
      const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
        args: ["run", "--no-prompt", "--allow-read", "--allow-env", MAIN, "verify", data],
        env: cleanEnv(),
        clearEnv: true,
        cwd: data,
      }).output();
      const decoder = new TextDecoder();
      return { code, out: decoder.decode(stdout), err: decoder.decode(stderr) };
    }
    const before = snapshotFolder(data);
    assertEquals(await verify(), { code: 0, out: "1 worlds checked, 0 broken\n", err: "" });
    assertEquals(snapshotFolder(data), before);
    Deno.truncateSync(`${data}/home%2Fa/universe.db`, 100);
    const { code, out } = await verify();
    assertEquals(code, 1);
    assert(out.endsWith("1 worlds checked, 1 broken\n"), out);
  }));

Deno.test("verify uses the retired keys of the folder, and finds an unknown key", () =>
  withTempFolder((data) => {
    fillRotated(data);
    const ok = { code: 0, out: ["4 worlds checked, 0 broken"], err: [] };
    for (const key of [undefined, OTHER_KEY]) {
      const { progress: _, ...found } = run(data, key ?? loadOrCreateSecret(data, ".key").secret);
      assertEquals(found, ok);
    }
    // The first key again: the newer events have an unknown one.
    const older = run(data, KEY);
    assertEquals(older.code, 1);
    assertMatch(older.out.join("\n"), /home\/a: chain at event \d+: hmac does not match/);
    assertMatch(older.out.at(-1) ?? "", /4 worlds checked, 2 broken/);
    Deno.writeTextFileSync(`${data}/.key-retired`, "no line break");
    const malformed = run(data, OTHER_KEY);
    assertEquals([malformed.code, malformed.out, malformed.err.length], [2, [], 1]);
    assertMatch(malformed.err[0] ?? "", /^Cannot use the keys \.key-retired in the data folder: /);
  }));
