/**
 * Tests of searches that apply to every engine. A search must find what reading all texts finds; the
 * test with random texts compares the two.
 */

import { assert, assertEquals, assertRejects } from "../support/assert.ts";
import { createRandom } from "../support/random.ts";
import { eventually } from "../plugin/plugin_test_server.ts";
import { compareCodePoints } from "../../lib/base/compare_code_points.ts";
import { foldText } from "../../lib/base/fold_text.ts";
import type { SearchHit, SearchQuery } from "../../lib/world/search.ts";
import { findLines, type LineMatch, splitText } from "../../lib/world/search_text.ts";
import type { Store, World } from "../../lib/world/store.ts";
import {
  ALL_WORLDS,
  append,
  beforeAndAfter,
  type Engine,
  OPEN_WORLDS,
  put,
  type SuiteOptions,
} from "./store_fixture.ts";

const encoder = new TextEncoder();
const OPTIONS: SuiteOptions = { isRestricted: (name) => name.startsWith("boot/") };
const QUERY: SearchQuery = {
  within: OPEN_WORLDS,
  original: false,
  isolated: false,
  text: "",
  limit: 1000,
};

/** Reads all pages of a search. */
async function searchAll(store: Store, query: SearchQuery): Promise<SearchHit[]> {
  const hits: SearchHit[] = [];
  for (;;) {
    const last = hits.at(-1);
    const page = await store.search(last === undefined ? query : { ...query, after: last });
    hits.push(...page.hits);
    if (!page.more) return hits;
    assert(page.hits.length > 0, "a page with more after it has hits");
  }
}

async function find(store: Store, text: string, more: Partial<SearchQuery> = {}) {
  const hits = await searchAll(store, { ...QUERY, text, ...more });
  return hits.map(({ name, version, line }) => `${name}@${version}:${line}`);
}

/** Waits until a search has a result: a change that is younger than two seconds can be missing. */
async function findsEventually(
  store: Store,
  text: string,
  expected: readonly string[],
  more: Partial<SearchQuery> = {},
): Promise<void> {
  const wanted = JSON.stringify(expected);
  let found: readonly string[] = [];
  await eventually(async () => {
    found = await find(store, text, more);
    return JSON.stringify(found) === wanted || undefined;
  }, `${JSON.stringify(text)} in ${wanted}; found ${JSON.stringify(found)}`);
}

/** What a search of texts without an index finds. */
function searchWithoutIndex(texts: ReadonlyMap<string, string>, text: string): SearchHit[] {
  const found: SearchHit[] = [];
  for (const [name, content] of [...texts].sort(([a], [b]) => compareCodePoints(a, b))) {
    const lines = new Map<number, LineMatch>();
    for (const piece of splitText(content)) {
      for (const match of findLines(piece, foldText(text))) {
        if (!lines.has(match.line)) lines.set(match.line, match);
      }
    }
    for (const match of lines.values()) found.push({ name, version: 1, ...match });
  }
  return found;
}

/** Characters of many scripts; some fold to several, some compose with the one before. */
const CHARS = [
  ..."abcABC  ßẞİıIΣσςﬁŉéÉe\u0301ñàǰ水한국\u1112\u1161\u11ab\u{1f600}\u{10400}\u{10428}กำ\u0307\"'*^-()Ａ%_\\",
  "\r\n",
  "\n",
  "\r",
  "\0",
];

/** Registers the tests for an engine. */
export function searchSuite({ name: engine, withStore, isScattered = false }: Engine): void {
  Deno.test(`${engine} finds the lines of all worlds that contain a text, before and after reopening`, () =>
    withStore({ ...OPTIONS, lower: { "usr/doc": "a WORD below" } }, async (fixture) => {
      const { store } = fixture;
      await put(store, "home/b", "first\nthe word");
      await put(store, "home/a", "no match");
      await put(store, "home/gone", "word");
      await store.rename({ name: "home/b", to: "home/c", ext: "txt", by: "T3" });
      await store.remove({ name: "home/gone", by: "T3" });
      await append(store, "home/a", "\nWord");
      await beforeAndAfter(fixture, async (opened) => {
        await findsEventually(opened, "word", ["home/a@2:2", "home/c@2:2", "usr/doc@0:1"]);
        const query = { ...QUERY, text: "word" };
        const { hits: [first], more } = await opened.search({ ...query, limit: 1 });
        assertEquals([first?.name, more], ["home/a", true]);
        const rest = await opened.search({ ...query, after: { name: "home/c", line: 2 } });
        assertEquals([rest.hits.map(({ name }) => name), rest.more], [["usr/doc"], false]);
      });
    }));

  Deno.test(`${engine} finds the lines that a search without an index finds`, () =>
    withStore(OPTIONS, async ({ store }) => {
      const seed = 20261128;
      const random = createRandom(seed);
      const pick = <T>(from: readonly T[]): T => {
        const found = from[Math.floor(random() * from.length)];
        assert(found !== undefined);
        return found;
      };
      const names = [
        "home/a",
        "home/b",
        "home/b/c",
        "home/b0",
        "home/é",
        "home/Ａ",
        "home/\u{1f600}",
      ];
      const texts = new Map<string, string>();
      for (const folder of names) {
        for (let i = 0; i < 6; i++) {
          const length = Math.floor(random() * (random() < 0.05 ? 18_000 : 150));
          const text = Array.from({ length }, () => pick(CHARS)).join("")
            .normalize(random() < 0.5 ? "NFC" : "NFD");
          texts.set(`${folder}/${i}`, text);
        }
      }
      await Promise.all([...texts].map(([name, text]) => put(store, name, text)));
      await put(store, "home/z", "the last change");
      await findsEventually(store, "the last change", ["home/z@1:1"]);
      await store.remove({ name: "home/z", by: "T3" });
      for (let attempt = 0; attempt < 60; attempt++) {
        const source = [...pick([...texts.values()]).replaceAll(/[\r\n]+/g, "a")];
        const at = Math.floor(random() * source.length);
        const text = source.slice(at, at + 1 + Math.floor(random() * 6)).join("") || "a";
        const limit = pick([3, 50, 1000]);
        const isolated = random() < 0.5;
        const found = await searchAll(store, { ...QUERY, text, limit, isolated });
        const message = `seed ${seed}, attempt ${attempt}: ${JSON.stringify(text)}`;
        assertEquals(found, searchWithoutIndex(texts, text), message);
      }
    }));

  Deno.test(`${engine} searches only in the parts of the tree that a query covers`, () =>
    withStore(OPTIONS, async ({ store }) => {
      for (const name of ["home/a", "home/a/x", "home/ab", "boot/log", "etc/x"]) {
        await put(store, name, "the word");
      }
      await findsEventually(store, "word", [
        "etc/x@1:1",
        "home/a@1:1",
        "home/a/x@1:1",
        "home/ab@1:1",
      ]);
      const part = (name: string, part: "exact" | "below" | "tree", restricted = false) => ({
        within: [{ name, part, restricted }],
      });
      assertEquals(await find(store, "word", part("home/a", "tree")), [
        "home/a@1:1",
        "home/a/x@1:1",
      ]);
      assertEquals(await find(store, "word", part("home/a", "exact")), ["home/a@1:1"]);
      assertEquals(await find(store, "word", part("home/a", "below")), ["home/a/x@1:1"]);
      assertEquals(await find(store, "word", part("boot", "tree")), []);
      assertEquals(await find(store, "word", part("boot", "tree", true)), ["boot/log@1:1"]);
      assertEquals(await find(store, "word", { within: [] }), []);
      const twice = [...part("home", "tree").within, ...part("home/a", "tree").within];
      assertEquals((await find(store, "word", { within: twice })).length, 3);
    }));

  Deno.test(`${engine} searches the redacted form and the original, each for its callers`, () => {
    const redact = (world: World): World =>
      world.name === "etc/fstab" ? { ...world, body: encoder.encode("bearer=***") } : world;
    const redaction = { isRedacted: (name: string) => name === "etc/fstab", redact };
    return withStore({ ...OPTIONS, redaction }, async (fixture) => {
      const asT3 = { original: true, within: ALL_WORLDS };
      await put(fixture.store, "etc/fstab", "bearer=word");
      await beforeAndAfter(fixture, async (store) => {
        await findsEventually(store, "bearer=word", ["etc/fstab@1:1"], asT3);
        assertEquals(await find(store, "bearer=word"), []);
        assertEquals(await find(store, "bearer=***"), ["etc/fstab@1:1"]);
        assertEquals(await find(store, "bearer=***", asT3), []);
      });
    });
  });

  if (isScattered) return;

  Deno.test(`${engine} shares equal searches, and refuses more than the limit`, () =>
    withStore({ searches: { running: 1, waiting: 4, waitingPerClient: 1 } }, async ({ store }) => {
      const query = { ...QUERY, text: "word" };
      const same = await Promise.all(
        Array.from({ length: 5 }, () => store.search(query, { client: "a" })),
      );
      assertEquals(same.map(({ hits }) => hits), [[], [], [], [], []]);
      assertEquals(store.counts.search.jobs.shared, 4);
      const results = await Promise.allSettled(
        Array.from(
          { length: 4 },
          (_, i) => store.search({ ...QUERY, text: `w${i}` }, { client: "a" }),
        ),
      );
      const refused = results.filter(({ status }) => status === "rejected");
      assertEquals(refused.length, 2, "one runs, one waits");
      assertEquals(store.counts.search.jobs.refused.client, 2);
    }));

  Deno.test(`${engine} stops a search whose caller has left`, () =>
    withStore(OPTIONS, async ({ store }) => {
      const controller = new AbortController();
      const { signal } = controller;
      const pending = store.search({ ...QUERY, text: "word" }, { client: "a", signal });
      controller.abort();
      await assertRejects(() => pending, DOMException);
      assertEquals(store.counts.search.jobs.stopped, 1);
      assertEquals(await find(store, "word"), []);
    }));
}
