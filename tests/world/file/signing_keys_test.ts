import { assert, assertEquals, assertMatch, assertThrows } from "../../support/assert.ts";
import { InvalidSecret } from "../../../lib/world/file/data_folder.ts";
import {
  addRetiredKeys,
  isDataFolder,
  KEY_FILE,
  KeyChangeError,
  listKeyIds,
  loadNodeKeys,
  loadSigningKeys,
  MAX_RETIRED_KEY_BYTES,
  MAX_RETIRED_KEYS,
  readRetiredKeys,
  readSigningKeys,
  RETIRED_KEYS_FILE,
  rotateKey,
  rotateKeyInSteps,
} from "../../../lib/world/file/signing_keys.ts";
import { toKeyId } from "../../../lib/world/key_id.ts";
import { withTempFolder } from "../../support/temp_folder.ts";

const isPosix = Deno.build.os !== "windows";

/** Starts as a server does; returns the keys and what the operator reads. */
function load(data: string, ownKey?: string) {
  const log: string[] = [];
  return { ...loadSigningKeys(data, ownKey, (line) => log.push(line)), log };
}

function writeRetired(data: string, text: string): void {
  Deno.writeTextFileSync(`${data}/${RETIRED_KEYS_FILE}`, text);
}

/** Asserts the class of an error and a part of its message, and returns the message. */
function assertFails(
  act: () => unknown,
  type: typeof InvalidSecret | typeof KeyChangeError,
  part: string,
): string {
  let message = "";
  assertThrows(act, (error) => {
    assert(error instanceof type, String(error));
    assert(error.message.includes(part), error.message);
    message = error.message;
    return true;
  });
  return message;
}

function modeOf(path: string): number | undefined {
  return isPosix ? (Deno.statSync(path).mode ?? 0) & 0o777 : 0o600;
}

Deno.test("rotateKey() retires the key and creates another one, again and again", () =>
  withTempFolder((data) => {
    const keys = [load(data).key];
    for (let i = 0; i < 3; i++) {
      const before = keys.at(-1) ?? "";
      const { retiredId, newId } = rotateKey(data, undefined);
      const { key, retired, log } = load(data);
      assertEquals([retiredId, newId], [toKeyId(before), toKeyId(key)]);
      assertEquals([retired, log], [keys, []]);
      assertMatch(key, /^[0-9a-f]{64}$/);
      keys.push(key);
    }
    assertEquals(new Set(keys).size, 4);
    for (const file of [KEY_FILE, RETIRED_KEYS_FILE]) {
      assertEquals(modeOf(`${data}/${file}`), 0o600);
    }
    assertEquals([...Deno.readDirSync(data)].map(({ name }) => name).sort(), [
      KEY_FILE,
      RETIRED_KEYS_FILE,
    ]);
  }));

Deno.test("a rotation that is stopped after any step loses no key, and the next one completes it", () =>
  withTempFolder((folder) => {
    for (const stop of ["staged", "retired"]) {
      const data = `${folder}/${stop}`;
      Deno.mkdirSync(data);
      const { key: first } = load(data);
      rotateKey(data, undefined);
      const { key: second } = load(data);
      for (const step of rotateKeyInSteps(data, undefined)) {
        if (step !== stop) continue;
        // As a killed process leaves it: the loop ends with the files as they are now.
        const copy = `${data}-killed`;
        Deno.mkdirSync(copy);
        for (const { name } of Deno.readDirSync(data)) {
          Deno.copyFileSync(`${data}/${name}`, `${copy}/${name}`);
        }
      }
      const killed = `${data}-killed`;
      const { key, retired, log } = load(killed);
      assertEquals(key, second, stop);
      assert(retired.includes(first), stop);
      assertEquals(log.length, stop === "staged" ? 0 : 1);
      for (const line of log) assertMatch(line, /its rotation is not complete; run elastik key/);
      const { retiredId } = rotateKey(killed, undefined);
      assertEquals(retiredId, toKeyId(second));
      const after = load(killed);
      assertEquals([after.retired, after.log], [[first, second], []]);
      assert(![first, second].includes(after.key));
      assertEquals([...Deno.readDirSync(killed)].length, 2, "no temporary file remains");
    }
  }));

Deno.test("rotateKey() replaces the temporary files of a rotation that was killed while it wrote", () =>
  withTempFolder((data) => {
    const { key } = load(data);
    for (const file of [KEY_FILE, RETIRED_KEYS_FILE]) {
      Deno.writeTextFileSync(`${data}/${file}.new`, key.slice(0, 11));
    }
    assertEquals(load(data).key, key);
    rotateKey(data, undefined);
    assertEquals(load(data).retired, [key]);
    assert(load(data).key !== key);
    assertEquals([...Deno.readDirSync(data)].length, 2);
  }));

Deno.test("rotateKey() with ELASTIK_KEY retires that key once, and leaves .key as it is", () =>
  withTempFolder((data) => {
    const { key: inFile } = load(data);
    const first = { retiredId: toKeyId("own # key "), newId: undefined };
    assertEquals(rotateKey(data, "own # key "), first);
    assertEquals(rotateKey(data, "own # key "), first);
    assertEquals(readRetiredKeys(data), ["own # key "]);
    const same = load(data, "own # key ");
    assertEquals([same.key, same.log.length], ["own # key ", 1]);
    assertMatch(same.log[0] ?? "", /of ELASTIK_KEY is retired, .*; set ELASTIK_KEY to a new key$/);
    assert(!same.log.join().includes("own # key"));
    const next = load(data, "next");
    assertEquals([next.key, next.retired, next.log], ["next", ["own # key "], []]);
    assertEquals(load(data).key, inFile);
  }));

Deno.test("loadNodeKeys() reports a key that is retired, and changes nothing in its folder", () =>
  withTempFolder((folder) => {
    const lines: string[] = [];
    const load = (data: string, key: string) => loadNodeKeys(data, key, (line) => lines.push(line));
    assertEquals(load(`${folder}/none`, "own"), []);
    Deno.writeTextFileSync(`${folder}/.key-retired`, "older\nown\n", { mode: 0o440 });
    assertEquals([load(folder, "new"), lines], [["older", "own"], []]);
    assertEquals(load(folder, "own"), ["older", "own"]);
    assertEquals(lines, [
      `the key ${
        toKeyId("own")
      } of ELASTIK_KEY is retired, and still signs, because its rotation is ` +
      "not complete; set ELASTIK_KEY of every node to a new key, and run elastik store rekey",
    ]);
    assertFails(() => load(folder, "older"), InvalidSecret, "every node to a new key, and run");
    assertEquals((Deno.statSync(`${folder}/.key-retired`).mode ?? 0) & 0o777, 0o440);
    assertEquals([...Deno.readDirSync(folder)].length, 1);
  }));

Deno.test("a server does not start with a key that was retired before another one", () =>
  withTempFolder((data) => {
    const { key: first } = load(data);
    rotateKey(data, undefined);
    rotateKey(data, undefined);
    const found = `the key ${toKeyId(first)} of ELASTIK_KEY: it was retired`;
    assert(!assertFails(() => load(data, first), InvalidSecret, found).includes(first));
    const keys = readRetiredKeys(data);
    Deno.writeTextFileSync(`${data}/${KEY_FILE}`, `${first}\n`);
    assertFails(() => load(data), InvalidSecret, "run elastik key rotate");
    // A rotation repairs it, without the same key twice.
    rotateKey(data, undefined);
    assertEquals(load(data).retired, keys);
  }));

Deno.test("addRetiredKeys() adds keys before all others, once", () =>
  withTempFolder((data) => {
    const { key } = load(data);
    rotateKey(data, undefined);
    const add = (keys: readonly string[], ownKey?: string) =>
      addRetiredKeys(data, ownKey, keys).map(({ id, isNew }) => `${id} ${isNew}`);
    const rowsOf = (keys: readonly string[], isNew: boolean) =>
      keys.map((other) => `${toKeyId(other)} ${isNew}`);
    assertEquals(add(["old", "older"]), rowsOf(["old", "older"], true));
    assertEquals(add(["oldest", key, "old"]), [
      ...rowsOf(["oldest"], true),
      ...rowsOf([key, "old"], false),
    ]);
    assertEquals(add([load(data).key]), rowsOf([load(data).key], false));
    assertEquals(add(["own"], "own"), rowsOf(["own"], false));
    const keys = ["oldest", "old", "older", key];
    assertEquals(readRetiredKeys(data), keys);
    for (const bad of ["", " ", "a\nb", "a\rb", "a\0b"]) {
      assertFails(() => add(["good", bad]), KeyChangeError, "no line breaks");
    }
    assertEquals(readRetiredKeys(data), keys);
    assertEquals(listKeyIds(data, undefined), {
      current: toKeyId(load(data).key),
      isRetired: false,
      retired: [...keys].reverse().map(toKeyId),
    });
    assertEquals(listKeyIds(data, "older"), {
      current: toKeyId("older"),
      isRetired: true,
      retired: [key, "old", "oldest"].map(toKeyId),
    });
  }));

Deno.test("addRetiredKeys() adds keys after the known key that is before them in the list", () =>
  withTempFolder((data) => {
    load(data, "one");
    rotateKey(data, "one");
    load(data, "two");
    rotateKey(data, "two");
    const keysAfter = (added: readonly string[]) => {
      addRetiredKeys(data, "now", added);
      return readRetiredKeys(data).join();
    };
    assertEquals(keysAfter(["one", "between", "two", "newest", "now"]), "one,between,two,newest");
    assertEquals(keysAfter(["zero", "newest", "last"]), "zero,one,between,two,newest,last");
    assertEquals(keysAfter(["two", "one", "now", "last"]), "zero,one,between,two,newest,last");
  }));

Deno.test("retired keys have a limit, in number and bytes", () =>
  withTempFolder((data) => {
    const { key } = load(data);
    const lines = (count: number) => Array.from({ length: count }, (_, i) => `k${i}\n`).join("");
    writeRetired(data, lines(MAX_RETIRED_KEYS - 1));
    rotateKey(data, undefined);
    assertEquals(readRetiredKeys(data).length, MAX_RETIRED_KEYS);
    assertEquals(readRetiredKeys(data).at(-1), key);
    const last = load(data).key;
    assertFails(() => rotateKey(data, undefined), KeyChangeError, "at most 64");
    assertFails(() => addRetiredKeys(data, undefined, ["one more"]), KeyChangeError, "at most 64");
    assertEquals([load(data).key, load(data).retired.length], [last, MAX_RETIRED_KEYS]);
    assert(!isEntry(data, `${KEY_FILE}.new`));
    writeRetired(data, lines(MAX_RETIRED_KEYS + 1));
    assertFails(() => readRetiredKeys(data), InvalidSecret, "it has 65 keys");
    writeRetired(data, `${"x".repeat(MAX_RETIRED_KEY_BYTES - 1)}\n`);
    assertEquals(readRetiredKeys(data).length, 1);
    assertFails(() => rotateKey(data, undefined), KeyChangeError, "65601 bytes");
    writeRetired(data, `${"x".repeat(MAX_RETIRED_KEY_BYTES)}\n`);
    assertFails(() => readRetiredKeys(data), InvalidSecret, "65537 bytes");
  }));

function isEntry(data: string, file: string): boolean {
  return [...Deno.readDirSync(data)].some(({ name }) => name === file);
}

Deno.test("a malformed file of retired keys stops the start and a rotation in one sentence", () =>
  withTempFolder((data) => {
    const { key } = load(data);
    for (const text of ["a", "a\nb", "a\n\nb\n", "\n", "a\r\n", "a\0\n", " \n"]) {
      writeRetired(data, text);
      for (const act of [() => load(data), () => rotateKey(data, undefined)]) {
        const message = assertFails(act, InvalidSecret, "Cannot use the keys .key-retired");
        assert(!/[\n\0]/.test(message), message);
      }
    }
    Deno.writeFileSync(`${data}/${RETIRED_KEYS_FILE}`, new Uint8Array([0xff, 0x0a]));
    assertFails(() => load(data), InvalidSecret, "not text in UTF-8");
    Deno.removeSync(`${data}/${RETIRED_KEYS_FILE}`);
    Deno.mkdirSync(`${data}/${RETIRED_KEYS_FILE}`);
    assertFails(() => load(data), InvalidSecret, "it is a folder, not a file");
    Deno.removeSync(`${data}/${RETIRED_KEYS_FILE}`);
    assertEquals(load(data).key, key);
  }));

Deno.test("rotateKey() needs a key, and readSigningKeys() changes nothing", () =>
  withTempFolder((data) => {
    assertEquals(isDataFolder(data), false);
    assertEquals(readSigningKeys(data, undefined), { key: undefined, retired: [] });
    assertEquals(readSigningKeys(data, "own"), { key: "own", retired: [] });
    assertFails(() => rotateKey(data, undefined), KeyChangeError, "it has no .key");
    assertEquals([...Deno.readDirSync(data)], []);
    load(data);
    assertEquals(isDataFolder(data), true);
  }));

Deno.test({
  name: "a start makes the retired keys private",
  ignore: !isPosix,
  fn: () =>
    withTempFolder((data) => {
      writeRetired(data, "a\n");
      Deno.chmodSync(`${data}/${RETIRED_KEYS_FILE}`, 0o644);
      load(data);
      assertEquals(modeOf(`${data}/${RETIRED_KEYS_FILE}`), 0o600);
    }),
});

Deno.test({
  name: "another user than the owner of the folder changes no key (needs root)",
  ignore: !isPosix || Deno.uid() !== 0,
  fn: () =>
    withTempFolder((data) => {
      const { key } = load(data);
      Deno.chownSync(data, 12345, null);
      for (const act of [rotateKey, (at: string) => addRetiredKeys(at, undefined, ["x"])]) {
        assertFails(() => act(data, undefined), KeyChangeError, 'with sudo -u "#12345"');
      }
      assertEquals(load(data).key, key);
      assertEquals([...Deno.readDirSync(data)].map(({ name }) => name), [KEY_FILE]);
    }),
});
