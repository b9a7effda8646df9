import { assertEquals } from "../../support/assert.ts";
import { ChangeHub } from "../../../lib/world/store/change_hub.ts";
import type { Change } from "../../../lib/world/store.ts";

function change(name: string): Omit<Change, "seq"> {
  return { kind: "update", name, version: 1, by: "T2" };
}

function hub(failures: unknown[] = []): ChangeHub {
  return new ChangeHub((error) => failures.push(error));
}

/** Returns the names that watchers of each key receive after one change of `name`. */
function notifiedKeys(keys: readonly string[], name: string): string[] {
  const changes = hub();
  const called: string[] = [];
  for (const key of keys) changes.watch(key, () => called.push(key));
  changes.publish(change(name));
  return called;
}

Deno.test("ChangeHub.publish() calls watchers of the world, of collections above it, and of all worlds", () => {
  assertEquals(notifiedKeys(["home/a/b", "home/a/", "home/", "/"], "home/a/b"), [
    "home/a/b",
    "home/a/",
    "home/",
    "/",
  ]);
});

Deno.test("ChangeHub.publish() calls no other watchers", () => {
  const others = ["home/a", "home/a/b/", "home/a/bb", "home/aa/", "home/a/b/c", "etc/", "home", ""];
  assertEquals(notifiedKeys(others, "home/a/b"), []);
});

Deno.test("ChangeHub.publish() calls a listener once per registration, in the order of registration", () => {
  const changes = hub();
  const called: string[] = [];
  const first = () => void called.push("first");
  changes.watch("home/a", first);
  changes.watch("home/a", () => called.push("second"));
  changes.watch("home/a", first);
  changes.publish(change("home/a"));
  assertEquals(called, ["first", "second"]);
});

Deno.test("ChangeHub.publish() numbers all changes, watched or not", () => {
  const changes = hub();
  changes.publish(change("home/a"));
  const seen: number[] = [];
  changes.watch("/", ({ seq }) => seen.push(seq));
  changes.publish(change("home/a"));
  changes.publish(change("home/b"));
  assertEquals([seen, changes.seq], [[2, 3], 3]);
});

Deno.test("ChangeHub.watch() returns a function that removes only its own listener and is idempotent", () => {
  const changes = hub();
  const called: string[] = [];
  const end = changes.watch("home/a", () => called.push("first"));
  end();
  changes.watch("home/a", () => called.push("second"));
  end();
  changes.publish(change("home/a"));
  assertEquals(called, ["second"]);
});

Deno.test("ChangeHub.publish() does not call a listener that an earlier one removed", () => {
  const changes = hub();
  const called: string[] = [];
  let end = () => {};
  changes.watch("home/a", () => {
    called.push("first");
    end();
  });
  end = changes.watch("home/a", () => called.push("second"));
  changes.publish(change("home/a"));
  assertEquals(called, ["first"]);
});

Deno.test("ChangeHub.publish() ends if a listener adds a listener", () => {
  const changes = hub();
  let called = 0;
  function again(): void {
    called += 1;
    if (called > 100) throw new Error("called without end");
    end();
    end = changes.watch("home/a", again);
  }
  let end = changes.watch("home/a", again);
  changes.publish(change("home/a"));
  assertEquals(called, 1);
  changes.publish(change("home/a"));
  assertEquals(called, 2);
});

Deno.test("ChangeHub.publish() calls all listeners if one throws, and reports the error", () => {
  const failures: unknown[] = [];
  const changes = hub(failures);
  const called: string[] = [];
  changes.watch("home/a", () => {
    throw new Error("a broken stream");
  });
  changes.watch("home/a", () => called.push("second"));
  changes.watch("/", () => called.push("all"));
  changes.publish(change("home/a"));
  assertEquals(called, ["second", "all"]);
  assertEquals(failures.map(String), ["Error: a broken stream"]);
});
