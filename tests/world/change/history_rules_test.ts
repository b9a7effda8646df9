import { assertEquals } from "../../support/assert.ts";
import {
  countKept,
  type HistoryEntry,
  historySlack,
  isTooLongToKeep,
} from "../../../lib/world/change/history_rules.ts";

const LIMITS = { versions: 4, bytes: 10 };

function entry(version: number, len: number, sha256: string | null): HistoryEntry {
  return { version, len, sha256, kind: sha256 === null ? "prefix" : "full" };
}

Deno.test("countKept() counts the newest versions within both limits", () => {
  const many = [5, 4, 3, 2, 1].map((version) => entry(version, 1, `${version}`));
  assertEquals(countKept(many, LIMITS), 4);
  assertEquals(countKept(many, { versions: 0, bytes: 10 }), 0);
  const long = [entry(9, 4, "a"), entry(8, 6, "b"), entry(7, 1, "c"), entry(6, 0, "d")];
  assertEquals(countKept(long, LIMITS), 2);
});

Deno.test("countKept() counts equal contents once and prefixes not at all", () => {
  const equal = [entry(4, 6, "a"), entry(3, 6, "a"), entry(2, 4, "b"), entry(1, 6, "a")];
  assertEquals(countKept(equal, LIMITS), 4);
  const prefixes = [entry(4, 10, "a"), entry(3, 9, null), entry(2, 8, null), entry(1, 1, "b")];
  assertEquals(countKept(prefixes, LIMITS), 3);
});

Deno.test("isTooLongToKeep() is true for a content that is longer than the limit", () => {
  assertEquals(isTooLongToKeep("full", 10, LIMITS), false);
  assertEquals(isTooLongToKeep("full", 11, LIMITS), true);
  assertEquals(isTooLongToKeep("prefix", 11, LIMITS), false);
});

Deno.test("historySlack() is an eighth of the limit", () => {
  assertEquals([historySlack({ versions: 100, bytes: 1 }), historySlack(LIMITS)], [12, 0]);
});
