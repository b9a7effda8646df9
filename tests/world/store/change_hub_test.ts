import { deepStrictEqual as equal } from "node:assert/strict";
import { ChangeHub } from "../../../lib/world/store/change_hub.ts";
import type { Change } from "../../../lib/world/store.ts";

function change(name: string): Omit<Change, "seq"> {
  return { kind: "update", name, version: 1, by: "T2" };
}

function hub(failures: unknown[] = []): ChangeHub {
  return new ChangeHub((error) => failures.push(error));
}

/** Names told to a watcher of each key after one change of `name`. */
function toldTo(keys: readonly string[], name: string): string[] {
  const changes = hub();
  const told: string[] = [];
  for (const key of keys) changes.watch(key, () => told.push(key));
  changes.publish(change(name));
  return told;
}

Deno.test("ChangeHub.tell() tells those who watch the world, a collection above it, or everything", () => {
  equal(toldTo(["home/a/b", "home/a/", "home/", "/"], "home/a/b"), [
    "home/a/b",
    "home/a/",
    "home/",
    "/",
  ]);
});

Deno.test("ChangeHub.tell() tells nobody else", () => {
  const others = ["home/a", "home/a/b/", "home/a/bb", "home/aa/", "home/a/b/c", "etc/", "home", ""];
  equal(toldTo(others, "home/a/b"), []);
});

Deno.test("ChangeHub.tell() tells a listener once for each time it watches, in the order they came", () => {
  const changes = hub();
  const told: string[] = [];
  const first = () => void told.push("first");
  changes.watch("home/a", first);
  changes.watch("home/a", () => told.push("second"));
  changes.watch("home/a", first);
  changes.publish(change("home/a"));
  equal(told, ["first", "second"]);
});

Deno.test("ChangeHub numbers changes, also those nobody watches", () => {
  const changes = hub();
  changes.publish(change("home/a"));
  const seen: number[] = [];
  changes.watch("/", ({ seq }) => seen.push(seq));
  changes.publish(change("home/a"));
  changes.publish(change("home/b"));
  equal([seen, changes.seq], [[2, 3], 3]);
});

Deno.test("ChangeHub.watch() ends for the listener that ends it, however often, and for no other", () => {
  const changes = hub();
  const told: string[] = [];
  const end = changes.watch("home/a", () => told.push("first"));
  end();
  changes.watch("home/a", () => told.push("second"));
  end();
  changes.publish(change("home/a"));
  equal(told, ["second"]);
});

Deno.test("ChangeHub.tell() no longer tells whom an earlier listener sent away", () => {
  const changes = hub();
  const told: string[] = [];
  let end = () => {};
  changes.watch("home/a", () => {
    told.push("first");
    end();
  });
  end = changes.watch("home/a", () => told.push("second"));
  changes.publish(change("home/a"));
  equal(told, ["first"]);
});

Deno.test("ChangeHub.tell() ends although a listener watches anew each time it is told", () => {
  const changes = hub();
  let told = 0;
  function again(): void {
    told += 1;
    if (told > 100) throw new Error("told without end");
    end();
    end = changes.watch("home/a", again);
  }
  let end = changes.watch("home/a", again);
  changes.publish(change("home/a"));
  equal(told, 1);
  changes.publish(change("home/a"));
  equal(told, 2);
});

Deno.test("ChangeHub.tell() tells everyone although one of them throws, and reports that", () => {
  const failures: unknown[] = [];
  const changes = hub(failures);
  const told: string[] = [];
  changes.watch("home/a", () => {
    throw new Error("a broken stream");
  });
  changes.watch("home/a", () => told.push("second"));
  changes.watch("/", () => told.push("all"));
  changes.publish(change("home/a"));
  equal(told, ["second", "all"]);
  equal(failures.map(String), ["Error: a broken stream"]);
});
