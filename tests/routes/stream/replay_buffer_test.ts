import { assertEquals, assertStrictEquals } from "../../support/assert.ts";
import { MAX_STREAM_REPLAY_CHANGES } from "../../../lib/limits.ts";
import { ReplayBuffer } from "../../../lib/routes/stream/replay_buffer.ts";
import { ChangeHub } from "../../../lib/world/store/change_hub.ts";
import type { Change } from "../../../lib/world/store.ts";

function failed(error: unknown): never {
  throw error;
}

function publish(hub: ChangeHub, name: string, kind: Change["kind"] = "update"): void {
  hub.publish({ kind, name, version: 1, by: "T2" });
}

function names(changes: readonly Change[] | undefined): string[] | undefined {
  return changes?.map(({ name }) => name);
}

Deno.test("ReplayBuffer returns the changes after an id, each world once at its last change", () => {
  const hub = new ChangeHub(failed);
  const log = new ReplayBuffer(hub, "run");
  assertEquals(log.eventId(3), "run-3");
  for (const name of ["home/a", "home/b", "home/a", "home/c"]) publish(hub, name);
  publish(hub, "home/b", "delete");
  assertEquals(names(log.since("run-0")), ["home/a", "home/c", "home/b"]);
  assertEquals(names(log.since("run-3")), ["home/c", "home/b"]);
  assertEquals(names(log.since("run-5")), []);
  assertEquals(log.since("run-4")?.map(({ kind, seq }) => [kind, seq]), [["delete", 5]]);
});

Deno.test("ReplayBuffer returns undefined for ids of another process, too old or in the future", () => {
  const hub = new ChangeHub(failed);
  publish(hub, "home/before");
  const log = new ReplayBuffer(hub, "run");
  publish(hub, "home/a");
  assertEquals(names(log.since("run-1")), ["home/a"]);
  for (
    const id of [null, "", "run", "run-", "run-0", "run-3", "other-1", "run-x", "run--1", "run-1.5"]
  ) {
    assertEquals(log.since(id), undefined, String(id));
  }
});

Deno.test("ReplayBuffer keeps a limited number of changes and returns undefined beyond it", () => {
  const hub = new ChangeHub(failed);
  const log = new ReplayBuffer(hub, "run");
  for (let i = 1; i <= 5 * MAX_STREAM_REPLAY_CHANGES; i++) publish(hub, `home/${i}`);
  assertEquals(log.since("run-0"), undefined);
  const last = 5 * MAX_STREAM_REPLAY_CHANGES;
  assertStrictEquals(
    log.since(`run-${last - MAX_STREAM_REPLAY_CHANGES}`)?.length,
    MAX_STREAM_REPLAY_CHANGES,
  );
  assertEquals(log.since(`run-${last - 3 * MAX_STREAM_REPLAY_CHANGES}`), undefined);
});

Deno.test("ReplayBuffer does not keep the content of worlds in memory", () => {
  const hub = new ChangeHub(failed);
  const log = new ReplayBuffer(hub, "run");
  const body = new Uint8Array(3);
  const world = {
    name: "home/a",
    version: 1,
    ext: "txt",
    meta: [],
    state: "",
    updatedAt: "",
    body,
    sha256: "",
    layer: "upper" as const,
  };
  hub.publish({ kind: "update", name: "home/a", version: 1, by: "T2", world });
  assertEquals("world" in (log.since("run-0")?.[0] ?? { world }), false);
});
