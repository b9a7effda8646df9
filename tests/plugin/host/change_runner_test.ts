/** Tests of the calls with changes without a plugin; `change_events_test.ts` has real ones. */

import { assert, assertEquals } from "../../support/assert.ts";
import type { Caller } from "../../../lib/auth/caller.ts";
import { MAX_CHANGE_ATTEMPTS } from "../../../lib/cell_limits.ts";
import { Problem } from "../../../lib/http/problem.ts";
import {
  type ChangeLoss,
  ChangeRunner,
  type ChangeRunnerOptions,
  positionWorld,
} from "../../../lib/plugin/host/change_runner.ts";
import { type Store, StoreError } from "../../../lib/world/store.ts";
import { withApp } from "../../support/app.ts";

const PLUGIN: Caller = {
  tier: "T1",
  by: "plugin:p",
  authenticated: true,
  grants: { "/home/in/": "r" },
};

/** A store in which a test can let calls fail. */
type Faults = Partial<Record<"changes" | "put" | "read", () => Error | undefined>>;

function withFaults(store: Store, faults: Faults): Store {
  const failing = (name: "changes" | "put" | "read") => ({
    value: (...args: Parameters<Store["put"]>) => {
      const error = faults[name]?.();
      return error === undefined ? Reflect.apply(store[name], store, args) : Promise.reject(error);
    },
  });
  return Object.create(store, {
    changes: failing("changes"),
    put: failing("put"),
    read: failing("read"),
    follow: { value: store.follow.bind(store) },
  });
}

async function put(store: Store, name: string, text = "x"): Promise<void> {
  const body = new TextEncoder().encode(text);
  await store.put({ name, body, ext: "txt", meta: [], by: "T3" });
}

interface Running {
  readonly runner: ChangeRunner;
  readonly calls: string[];
  readonly losses: ChangeLoss[];
  /** Resolves when a number of calls was made. */
  until(calls: number): Promise<void>;
}

function run(store: Store, options: Partial<ChangeRunnerOptions> = {}): Running {
  const calls: string[] = [];
  const losses: ChangeLoss[] = [];
  const waiting: { count: number; resolve: () => void }[] = [];
  const { deliver, ...others } = options;
  const runner = new ChangeRunner({
    plugin: "p",
    on: ["/home/in/"],
    caller: PLUGIN,
    store,
    now: Date.now,
    elapsed: () => performance.now(),
    retryMs: 1,
    onLoss: (loss) => void losses.push(loss),
    log: () => {},
    ...others,
    async deliver(change) {
      calls.push(change.path.slice("/home/in/".length));
      for (const { count, resolve } of waiting) if (calls.length >= count) resolve();
      await deliver?.(change);
    },
  });
  const until = (count: number): Promise<void> => {
    const { promise, resolve } = Promise.withResolvers<void>();
    waiting.push({ count, resolve });
    if (calls.length >= count) resolve();
    return promise;
  };
  return { runner, calls, losses, until };
}

Deno.test("ChangeRunner begins with the next change, and continues at its position", () =>
  withApp({}, async ({ store }) => {
    await put(store, "home/in/before");
    const first = run(store);
    await first.runner.started;
    for (const name of ["a", "b", "c"]) await put(store, `home/in/${name}`);
    await first.until(3);
    await first.runner.stop();
    await put(store, "home/in/d");
    const second = run(store);
    await second.until(1);
    await second.runner.stop();
    assertEquals([first.calls, second.calls], [["a", "b", "c"], ["d"]]);
  }));

Deno.test("ChangeRunner calls with one change at a time, and again with one that was not finished", () =>
  withApp({}, async ({ store }) => {
    const begun = Promise.withResolvers<void>();
    const end = Promise.withResolvers<void>();
    const first = run(store, {
      async deliver() {
        begun.resolve();
        await end.promise;
        throw new Error("the plugin was stopped");
      },
    });
    await first.runner.started;
    await put(store, "home/in/a");
    await put(store, "home/in/b");
    await begun.promise;
    const stopping = first.runner.stop();
    end.resolve();
    await stopping;
    const second = run(store);
    await second.until(2);
    await second.runner.stop();
    assertEquals([first.calls, second.calls, first.losses], [["a"], ["a", "b"], []]);
  }));

Deno.test("ChangeRunner gives a change up after its attempts, but not while the plugin cannot be called", () =>
  withApp({}, async ({ store }) => {
    let unavailable = MAX_CHANGE_ATTEMPTS / 2;
    const { runner, calls, losses, until } = run(store, {
      deliver({ path }) {
        if (path !== "/home/in/a") return Promise.resolve();
        const problem = unavailable-- > 0
          ? new Problem("unavailable", "Cannot call the plugin: it is starting")
          : new Problem("bad-gateway", "Cannot call the plugin: it failed");
        return Promise.reject(problem);
      },
    });
    await runner.started;
    await put(store, "home/in/a");
    await put(store, "home/in/b");
    await until(1.5 * MAX_CHANGE_ATTEMPTS + 1);
    await runner.stop();
    assertEquals(calls.at(-1), "b");
    assertEquals(calls.length, 1.5 * MAX_CHANGE_ATTEMPTS + 1);
    const [loss] = losses;
    assert(loss?.kind === "skipped");
    assertEquals([loss.change.path, loss.reason], [
      "/home/in/a",
      "Cannot call the plugin: it failed",
    ]);
    const { delivered, failed, skipped } = runner.counts;
    assertEquals([delivered, failed, skipped], [1, 1.5 * MAX_CHANGE_ATTEMPTS, 1]);
  }));

Deno.test("ChangeRunner begins anew and reports it if its position is not known any more", () =>
  withApp({}, async ({ store }) => {
    await put(store, positionWorld("p"), '{"cursor":"AAAAAAAAAAAAAAAAAAAAAA"}');
    const { runner, calls, losses, until } = run(store);
    await runner.started;
    const position = async () =>
      new TextDecoder().decode((await store.read(positionWorld("p")))?.body);
    // The position is stored after the loss is reported.
    for (const end = Date.now() + 60_000; (await position()).includes("AAAA");) {
      assert(Date.now() < end, "another position is stored");
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    assertEquals(losses.map(({ kind }) => kind), ["restarted"]);
    await put(store, "home/in/a");
    await until(1);
    await runner.stop();
    assertEquals(calls, ["a"]);
  }));

Deno.test("ChangeRunner begins with the next change if T3 wrote something else as its position", () =>
  withApp({}, async ({ store }) => {
    await put(store, "home/in/before");
    for (const text of ["", "null", "[]", '{"cursor":1}', "{"]) {
      await put(store, positionWorld("p"), text);
      const { runner, calls, losses, until } = run(store);
      await runner.started;
      await put(store, "home/in/a");
      await until(1);
      await runner.stop();
      assertEquals([calls, losses], [["a"], []], text);
    }
  }));

Deno.test("ChangeRunner continues after errors of the store, also if its position cannot be stored", () =>
  withApp({}, async ({ store }) => {
    let changes = 2;
    let puts = Infinity;
    const faulty = withFaults(store, {
      changes: () => changes-- > 0 ? new StoreError("busy", "being created") : undefined,
      put: () => puts-- > 0 ? new StoreError("full", "the disk is full") : undefined,
    });
    puts = 0;
    const lines: string[] = [];
    const { runner, calls, until } = run(faulty, { log: (line) => void lines.push(line) });
    await runner.started;
    puts = Infinity;
    await put(store, "home/in/a");
    await put(store, "home/in/b");
    await until(2);
    await runner.stop();
    assertEquals(calls, ["a", "b"]);
    assert(lines.some((line) => line.includes("position of its changes cannot be stored")));
    const again = run(store);
    await again.until(2);
    await again.runner.stop();
    assertEquals(again.calls, ["a", "b"], "what was not stored is delivered again");
  }));

Deno.test("ChangeRunner ends if the store is closed, and stops while it waits for a retry", () =>
  withApp({}, async ({ store }) => {
    const closed = withFaults(store, { read: () => new StoreError("closed", "closed") });
    const ended = run(closed);
    await ended.runner.started;
    await ended.runner.stop();
    const failing = run(store, {
      retryMs: 60_000,
      deliver: () => Promise.reject(new Error("no")),
    });
    await failing.runner.started;
    await put(store, "home/in/a");
    await failing.until(1);
    assert(failing.runner.counts.lagMs >= 0);
    await failing.runner.stop();
    assertEquals(failing.calls, ["a"]);
  }));
