/** Fills a store with pseudo-random changes of every kind, for comparisons of two engines. */

import { type Store, StoreError } from "../../lib/world/store.ts";

const NAMES = [
  "home/a",
  "home/a/b",
  "home/a/b/c",
  "home/d",
  "home/d-e",
  "home/ä",
  "home/x/1",
  "home/x/2",
  "etc/secret",
  "etc/x/y",
  "usr/share/z",
];
const CALLERS = [
  "T2",
  "T3",
  "cap:/home/a",
  "cap:/home/a#kim",
  "cap:/home/a/b#kim/junior",
  "cap:/home",
];
const WORDS = [
  "alpha",
  "Beta",
  "Straße",
  "STRASSE",
  "ΟΔΟΣ",
  "x",
  "line\nbreak",
  "100%",
  "a_b",
  "\\d",
  "日本語の文",
  "😀",
];
/** Lengths of bodies: in the row, in several chunks, in several pieces of the search. */
const LENGTHS = [0, 20, 300, 9_000, 30_000, 300_000];

/**
 * Makes changes; those that are refused are left out.
 *
 * @param random a pseudo-random generator
 * @param count number of attempts
 */
export async function fillRandomly(
  store: Store,
  random: () => number,
  count: number,
): Promise<void> {
  const pick = <T>(from: readonly T[]): T => from[Math.floor(random() * from.length)] ?? fail();
  const text = (length: number) => {
    let found = "";
    while (found.length < length) found += `${pick(WORDS)}${random() < 0.1 ? "\n" : " "}`;
    return new TextEncoder().encode(found);
  };
  const trash: { id: string; name: string }[] = [];
  const change = async (): Promise<void> => {
    const name = pick(NAMES);
    const by = pick(CALLERS);
    const kind = random();
    if (kind < 0.4) {
      // Long bodies are rare, because they are slow.
      const body = text(pick(random() < 0.9 ? LENGTHS.slice(0, 4) : LENGTHS));
      const meta = [["x-meta-a", pick(WORDS.slice(0, 2))]] as const;
      await store.put({ name, body, ext: pick(["txt", "md"]), meta, by });
    } else if (kind < 0.6) {
      await store.append({ name, body: text(pick([10, 100, 20_000])), ext: "txt", by });
    } else if (kind < 0.68) {
      await store.note({ name, type: "noted", payload: { note: pick(WORDS), by }, by });
    } else if (kind < 0.74) {
      await store.transition({ name, to: pick(["", "active", "disabled"]), by });
    } else if (kind < 0.84) {
      const removed = await store.remove({ name, by });
      trash.push({ id: removed.trash, name });
    } else if (kind < 0.92) {
      const flags = random();
      const more = flags < 0.4 ? {} : flags < 0.7 ? { replace: true } : { contentOnly: true };
      await store.rename({ name, to: pick(NAMES), ext: "md", by, ...more });
    } else if (kind < 0.96 && trash.length > 0) {
      const at = Math.floor(random() * trash.length);
      const { id, name: from } = trash[at] ?? fail();
      const to = random() < 0.5 ? from : name;
      await store.restore({ name: to, trash: id, from, by, ext: "txt", state: "" });
      trash.splice(at, 1);
    } else {
      await store.markCollection(`home/marked${Math.floor(random() * 5)}`, random() < 0.8);
    }
  };
  for (let at = 0; at < count; at++) {
    try {
      await change();
    } catch (error) {
      if (!(error instanceof StoreError)) throw error;
    }
  }
}

function fail(): never {
  throw new Error("the list is empty");
}
