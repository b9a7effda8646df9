import { assertEquals } from "../../support/assert.ts";
import type { WriteResult } from "../../../lib/world/change/write_job.ts";
import { planAppend, planPut, planTransition } from "../../../lib/world/store/write_plan.ts";
import type { World } from "../../../lib/world/store.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();
const NAME = "home/x";
const META = [["x-meta-a", "1"]] as const;

function world(version: number, text: string): World {
  return {
    name: NAME,
    version,
    ext: "txt",
    meta: META,
    state: "",
    updatedAt: "t0",
    body: encoder.encode(text),
    sha256: "s0",
    layer: version === 0 ? "lower" : "upper",
  };
}

function result(version: number, len: number): WriteResult {
  const base = { ext: "md", sha256: "s1", state: "", updatedAt: "t1", created: false, events: [] };
  return { version, len, ...base };
}

const change = { name: NAME, by: "T2", body: encoder.encode("new"), ext: "md" };

function textOf(found: World | undefined): string | undefined {
  return found === undefined ? undefined : decoder.decode(found.body);
}

Deno.test("planPut() adds the precondition and the lower-layer world to the job", () => {
  const precondition = { match: "*" as const };
  const { job } = planPut({ ...change, meta: META, precondition }, world(0, "low"));
  assertEquals([job.precondition, job.lower?.sha256, job.lower?.body], [
    precondition,
    "s0",
    encoder.encode("low"),
  ]);
  assertEquals("lower" in planPut({ ...change, meta: META }, undefined).job, false);
});

Deno.test("planPut() computes the next world without the present one", () => {
  const { nextWorld: after } = planPut({ ...change, meta: META }, undefined);
  const found = after(result(7, 3), undefined);
  assertEquals([textOf(found), found?.version, found?.ext, found?.meta, found?.sha256], [
    "new",
    7,
    "md",
    META,
    "s1",
  ]);
});

Deno.test("planAppend() computes the next world only from the previous version", () => {
  const { nextWorld: after } = planAppend(change, undefined);
  const found = after(result(4, 6), world(3, "old"));
  assertEquals([textOf(found), found?.meta], ["oldnew", META]);
  assertEquals(after(result(4, 6), world(2, "old")), undefined);
  assertEquals(after(result(4, 6), world(4, "old")), undefined);
  assertEquals(after(result(4, 6), undefined), undefined);
});

/** The result of the first version of a world. */
function first(version: number, len: number) {
  return { ...result(version, len), first: true };
}

Deno.test("planAppend() starts with the bytes of the lower-layer world, or without bytes", () => {
  assertEquals(
    textOf(planAppend(change, world(0, "low")).nextWorld(first(1, 6), undefined)),
    "lownew",
  );
  assertEquals(textOf(planAppend(change, undefined).nextWorld(first(6, 3), undefined)), "new");
  // The cached world was removed, so it is not the previous version.
  assertEquals(
    textOf(planAppend(change, undefined).nextWorld(first(6, 3), world(5, "old"))),
    "new",
  );
});

Deno.test("planAppend() computes no world that is too long for the cache", () => {
  const { nextWorld: after } = planAppend(change, undefined);
  assertEquals(after(result(2, 64 * 1024 * 1024), world(1, "old")), undefined);
});

Deno.test("planTransition() changes only the state of the cached world", () => {
  const { job, nextWorld: after } = planTransition(
    { name: NAME, by: "T3", to: "active", reason: "ok", eventFields: { more: 1 } },
    undefined,
  );
  assertEquals(job.kind === "transition" ? job.eventFields : undefined, { reason: "ok", more: 1 });
  const before = world(2, "x");
  assertEquals(after({ ...result(2, 1), state: "active" }, before), {
    ...before,
    state: "active",
    updatedAt: "t1",
  });
  assertEquals(after(result(2, 1), undefined), undefined);
});
