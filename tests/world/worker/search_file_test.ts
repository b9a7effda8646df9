import { DatabaseSync } from "node:sqlite";
import {
  assert,
  assertEquals,
  assertStrictEquals,
  assertThrows,
  errorWith,
} from "../../support/assert.ts";
import { createRandom } from "../../support/random.ts";
import { withTempFolder } from "../../support/temp_folder.ts";
import { compareCodePoints } from "../../../lib/base/compare_code_points.ts";
import { foldText } from "../../../lib/base/fold_text.ts";
import type { Within } from "../../../lib/world/changes.ts";
import type { SearchEntry, SearchHit, SearchPage, SearchQuery } from "../../../lib/world/search.ts";
import { StoreError } from "../../../lib/world/store.ts";
import { SEARCH_FILE, SearchFile } from "../../../lib/world/worker/search_file.ts";

const encoder = new TextEncoder();
const MIB = 1024 * 1024;
const ALL: Within = { name: "", part: "tree", restricted: false };
const NO_READ = () => undefined;

function entryOf(name: string, text: string, stamp: string, more: Partial<SearchEntry> = {}) {
  const restricted = name.startsWith("boot/");
  const body = encoder.encode(text);
  return { name, restricted, stamp, version: 1, isTooLong: false, body, ...more };
}

/** Updates all entries, however many steps that takes. */
function updateAll(file: SearchFile, entries: readonly SearchEntry[], read = NO_READ): void {
  for (let at = 0; at < entries.length;) at += file.update(entries.slice(at), read).done;
}

function search(file: SearchFile, query: Partial<SearchQuery> & { text: string }): SearchPage {
  const defaults = { within: [ALL], original: false, isolated: false, limit: 1000 };
  const steps = file.search({ ...defaults, ...query });
  for (;;) {
    const { done, value } = steps.next();
    if (done) return value;
  }
}

function rowsOf(hits: readonly Pick<SearchHit, "name" | "line">[]): string[] {
  return hits.map(({ name, line }) => `${name}:${line}`);
}

function withFile(use: (file: SearchFile, data: string) => void): Promise<void> {
  return withTempFolder((data) => {
    const file = new SearchFile(data, "16");
    file.open();
    try {
      use(file, data);
    } finally {
      file.close();
    }
  });
}

/** What a caller sees of the worlds, without an index. */
function naiveSearch(worlds: ReadonlyMap<string, World>, query: SearchQuery): string[] {
  const folded = foldText(query.text);
  return [...worlds].filter(([name, { restricted }]) =>
    query.within.some((part) => covers(part, name) && (part.restricted || !restricted))
  ).sort(([a], [b]) => compareCodePoints(a, b)).flatMap(([name, world]) => {
    const text = query.original ? world.text : world.redacted ?? world.text;
    return text.split(/\r\n|\n|\r/).flatMap((line, at) => {
      const isAfter = query.after === undefined || compareCodePoints(name, query.after.name) > 0 ||
        name === query.after.name && at + 1 > query.after.line;
      return isAfter && foldText(line).includes(folded) ? [`${name}:${at + 1}`] : [];
    });
  });
}

function covers({ name: above, part }: Within, name: string): boolean {
  if (above === "") return true;
  if (name === above) return part !== "below";
  return part !== "exact" && name.startsWith(`${above}/`);
}

interface World {
  readonly text: string;
  readonly redacted?: string;
  readonly restricted: boolean;
}

/** Characters of many scripts; some fold to several, some compose with the one before. */
const CHARS = [
  ..."abcABC  ßẞİıIΣσςﬁŉéÉe\u0301ñàǰ水한국\u1112\u1161\u11ab\u{1f600}\u{10400}\u{10428}กำ\u0307\"'*^-()Ａ",
  "\r\n",
  "\n",
  "\r",
  "\0",
];

Deno.test("SearchFile finds what a search without an index finds, after any changes", () =>
  withFile((first, data) => {
    let file = first;
    const random = createRandom(20261128);
    const pick = <T>(from: readonly T[]): T => {
      const found = from[Math.floor(random() * from.length)];
      assert(found !== undefined);
      return found;
    };
    const textOf = (max: number) =>
      Array.from({ length: Math.floor(random() * max) }, () => pick(CHARS)).join("").normalize(
        random() < 0.5 ? "NFC" : "NFD",
      );
    const names = ["home/a", "home/b", "home/b/c", "home/b0", "home/é", "home/Ａ", "home/\u{1f600}"]
      .flatMap((folder) => Array.from({ length: 20 }, (_, i) => `${folder}/${i}`))
      .concat("boot/x", "boot/y", "etc/fstab", "home/b");
    const worlds = new Map<string, World>();
    let stamps = 0;
    for (let round = 0; round < 25; round++) {
      const entries = Array.from({ length: 12 }, (): SearchEntry => {
        const name = pick(names);
        const restricted = name.startsWith("boot/");
        const stamp = `${++stamps}`;
        if (random() < 0.15) {
          worlds.delete(name);
          return { name, restricted, stamp: "", version: 0, isTooLong: false };
        }
        const before = worlds.get(name)?.text ?? "";
        const text = random() < 0.3 ? before + textOf(50) : textOf(random() < 0.03 ? 18_000 : 150);
        const redacted = name === "etc/fstab" ? textOf(30) : undefined;
        worlds.set(name, { text, restricted, ...(redacted === undefined ? {} : { redacted }) });
        return entryOf(
          name,
          text,
          stamp,
          redacted === undefined ? {} : { redacted: encoder.encode(redacted) },
        );
      });
      updateAll(file, entries);
      if (random() < 0.5) file.indexSome();
      if (random() < 0.1) {
        file.close();
        file = new SearchFile(data, "16");
        file.open();
      }
      for (let attempt = 0; attempt < 5; attempt++) {
        const part = pick<Within>([
          ALL,
          { ...ALL, restricted: true },
          { name: "home/b", part: pick(["exact", "below", "tree"]), restricted: false },
          { name: "home", part: "below", restricted: false },
        ]);
        const source = [...pick([...worlds.values()]).text.replaceAll(/[\r\n]+/g, "a")];
        const at = Math.floor(random() * source.length);
        const text = source.slice(at, at + 1 + Math.floor(random() * 6)).join("") || "a";
        const query: SearchQuery = {
          within: random() < 0.3
            ? [part, { name: "etc", part: "tree", restricted: false }]
            : [part],
          original: part.restricted,
          isolated: random() < 0.5,
          text,
          limit: Math.max(1, Math.floor(random() * 400)),
        };
        const expected = naiveSearch(worlds, query);
        const seen: string[] = [];
        let page = search(file, query);
        for (;;) {
          seen.push(...rowsOf(page.hits));
          const last = page.hits.at(-1);
          if (!page.more || last === undefined) break;
          page = search(file, { ...query, after: last });
        }
        assertEquals(seen, expected, `round ${round}: ${JSON.stringify(query)}`);
      }
    }
    file.close();
  }));

Deno.test("SearchFile keeps what it has of a world with the same stamp, and reads others", () =>
  withFile((file, data) => {
    updateAll(file, [entryOf("home/a", "one", "1 t1"), entryOf("home/b", "one", "1 t1")]);
    file.close();
    const again = new SearchFile(data, "16");
    again.open();
    const read: string[] = [];
    const bare = (name: string, stamp: string) => {
      const { body: _, ...entry } = entryOf(name, "", stamp);
      return entry;
    };
    const result = again.update([bare("home/a", "1 t1"), bare("home/b", "2 t2")], (name) => {
      read.push(name);
      const world = { ext: "txt", headers: "{}", state: "", sha256: "" };
      return { ...world, version: 2, updatedAt: "t2", body: encoder.encode("two") };
    });
    assertStrictEquals(result.done, 2);
    assertEquals(read, ["home/b"]);
    assertEquals(search(again, { text: "two" }).hits.map(({ version }) => version), [2]);
    assertEquals(rowsOf(search(again, { text: "one" }).hits), ["home/a:1"]);
    again.close();
  }));

Deno.test("SearchFile removes the worlds that were in no update after it was opened", () =>
  withFile((file, data) => {
    updateAll(file, ["home/a", "home/b", "boot/c"].map((name) => entryOf(name, "text", "1")));
    file.close();
    const again = new SearchFile(data, "16");
    again.open();
    updateAll(again, [entryOf("home/b", "text", "1")]);
    assertStrictEquals(again.removeUnseen().worlds, 1);
    const within = [{ ...ALL, restricted: true }];
    assertEquals(rowsOf(search(again, { text: "text", within }).hits), ["home/b:1"]);
    again.close();
  }));

Deno.test("SearchFile creates a file again that is damaged or of another version of Unicode", () =>
  withTempFolder((data) => {
    const entries = [entryOf("home/a", "text", "1")];
    for (const damage of ["none", "overwrite", "truncate", "unicode", "flag"]) {
      const file = new SearchFile(data, damage === "unicode" ? "99" : "16");
      if (damage === "overwrite") Deno.writeTextFileSync(`${data}/.search.db`, "x".repeat(20_000));
      if (damage === "truncate") Deno.truncateSync(`${data}/.search.db`, 100);
      assertStrictEquals(file.open(damage === "flag").worlds, 0, damage);
      updateAll(file, entries);
      assertEquals(rowsOf(search(file, { text: "text" }).hits), ["home/a:1"], damage);
      file.close();
    }
    const same = new SearchFile(data, "16");
    assertStrictEquals(same.open().worlds, 1);
    same.close();
    if (Deno.build.os !== "windows") {
      assertStrictEquals((Deno.statSync(`${data}/.search.db`).mode ?? 0) & 0o777, 0o600);
    }
  }));

Deno.test("SearchFile creates no file in a folder that has replaced the data folder", () =>
  withTempFolder((data) => {
    const create = (beforeCreate: () => void) => new SearchFile(data, "16", beforeCreate);
    const late = create(() => {
      throw new StoreError("detached", "another folder is in the place of the data folder");
    });
    assertThrows(() => late.open(), errorWith(StoreError, "another folder"));
    // It was not closed by the process that it belongs to: a Worker that started again.
    const again = create(() => {});
    const query = { within: [ALL], original: false, isolated: false, limit: 1, text: "x" };
    assertThrows(() => again.update([], () => undefined), errorWith(StoreError, "does not exist"));
    assertThrows(() => again.search(query), errorWith(StoreError, "does not exist"));
    assertEquals([...Deno.readDirSync(data)].map(({ name }) => name), []);
    assertStrictEquals(again.open().worlds, 0);
    again.close();
  }));

Deno.test("SearchFile touches no table of restricted worlds for other callers", () =>
  withFile((file, data) => {
    updateAll(file, [
      ...Array.from({ length: 150 }, (_, i) => entryOf(`home/${i}`, "open word", "1")),
      entryOf("boot/x", "hidden word", "1"),
    ]);
    while (file.indexSome().waitingChars > 0);
    file.close();
    const db = new DatabaseSync(`${data}/.search.db`);
    // A search that uses one of them now fails.
    for (const table of ["texts", "pieces", "waiting"]) db.exec(`DROP TABLE restricted_${table}`);
    db.exec("DROP TABLE restricted_terms; DROP TABLE restricted_grams");
    db.exec("ALTER TABLE restricted_worlds RENAME COLUMN chars TO other");
    db.exec(
      "CREATE TABLE restricted_waiting (chars); ALTER TABLE restricted_worlds ADD COLUMN chars",
    );
    db.close();
    const again = new SearchFile(data, "16");
    again.open();
    for (const isolated of [true, false]) {
      for (const text of ["word", "w", "none at all"]) {
        const { hits } = search(again, { text, isolated, limit: 5 });
        assertStrictEquals(hits.length, text.startsWith("w") ? 5 : 0);
      }
    }
    let failed = false;
    try {
      search(again, { text: "word", within: [{ ...ALL, restricted: true }] });
    } catch {
      failed = true;
    }
    assert(failed, "the tables of restricted worlds are missing");
    again.close();
  }));

Deno.test("SearchFile does no work for other worlds if a caller can read only a few", () =>
  withFile((file, data) => {
    updateAll(file, [
      ...Array.from({ length: 2_000 }, (_, i) => entryOf(`home/own/${i}`, "word", "1")),
      ...Array.from({ length: 500 }, (_, i) => entryOf(`home/other/${i}`, "word", "1")),
    ]);
    file.close();
    const db = new DatabaseSync(`${data}/.search.db`);
    // Another table of terms: a search that asks it finds nothing.
    db.exec("DROP TABLE open_terms; DROP TABLE open_grams; DELETE FROM open_waiting");
    db.close();
    const again = new SearchFile(data, "16");
    again.open();
    const within: Within[] = [{ name: "home/own", part: "tree", restricted: false }];
    const page = search(again, { text: "word", within, isolated: true, limit: 3 });
    assertEquals([page.hits.length, page.more, page.isShared], [3, true, false]);
    again.close();
  }));

Deno.test("SearchFile reports that the work was shared if a query covers more worlds", () =>
  withFile((file) => {
    const own = (count: number) =>
      Array.from({ length: count }, (_, i) => entryOf(`home/own/${i}`, "word", "1"));
    const within: Within[] = [{ name: "home/own", part: "tree", restricted: false }];
    updateAll(file, own(2_000));
    const isShared = () => search(file, { text: "word", within, isolated: true }).isShared;
    assertEquals(isShared(), false);
    updateAll(file, own(2_001));
    assertEquals(isShared(), true);
  }));

Deno.test("SearchFile names worlds that are too long, only within the query", () =>
  withFile((file) => {
    const tooLong = (name: string) => {
      const { body: _, ...entry } = entryOf(name, "", "1", { isTooLong: true });
      return entry;
    };
    updateAll(file, [tooLong("home/a/x"), tooLong("home/b/x"), tooLong("boot/x")]);
    const within: Within[] = [{ name: "home/a", part: "below", restricted: false }];
    assertEquals(search(file, { text: "x", within }).tooLong, ["home/a/x"]);
    assertEquals(search(file, { text: "x" }).tooLong, ["home/a/x", "home/b/x"]);
    updateAll(file, [entryOf("home/a/x", "x", "2")]);
    assertEquals(search(file, { text: "x", within }).tooLong, []);
  }));

Deno.test("SearchFile finds a common text in order if the first worlds do not have it", () =>
  withFile((file) => {
    const many = (folder: string, count: number, text: string) =>
      Array.from({ length: count }, (_, i) => entryOf(`home/${folder}/${10_000 + i}`, text, "1"));
    updateAll(file, [...many("b", 2_100, "a Word"), ...many("a", 1_200, "none")]);
    while (file.indexSome().waitingChars > 0);
    updateAll(file, [entryOf("home/b/00", "a new word", "1")]);
    for (const text of ["word", "wo"]) {
      const first = search(file, { text, limit: 2 });
      assertEquals(rowsOf(first.hits), ["home/b/00:1", "home/b/10000:1"], text);
      const last = { name: "home/b/12098", line: 1 };
      assertEquals(rowsOf(search(file, { text, after: last }).hits), ["home/b/12099:1"]);
    }
  }));

Deno.test("SearchFile keeps its log short while it indexes megabytes", () =>
  withFile((file, data) => {
    const random = createRandom(7);
    let longest = 0;
    for (let at = 0; at < 100; at++) {
      const words = Array.from({ length: 3000 }, () => Math.floor(random() * 2 ** 31).toString(36));
      updateAll(file, [entryOf(`home/${at}`, words.join(" "), "1")]);
      longest = Math.max(longest, Deno.statSync(`${data}/${SEARCH_FILE}-wal`).size);
    }
    const { size } = Deno.statSync(`${data}/${SEARCH_FILE}`);
    assert(size > 2 * longest && longest < 3 * MIB, `a file of ${size}, a log of ${longest} bytes`);
  }));
