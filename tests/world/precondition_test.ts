import { assert, assertEquals } from "../support/assert.ts";
import { preconditionFault } from "../../lib/world/precondition.ts";
import type { Precondition } from "../../lib/world/store.ts";

const current = { version: 3, sha256: "ab".repeat(32), updatedAt: "2026-01-01T00:00:01.500Z" };
const at = Date.parse("2026-01-01T00:00:01.000Z");

function assertHolds(
  precondition: Precondition,
  found: typeof current | undefined = current,
): void {
  assertEquals(preconditionFault(precondition, found), undefined, JSON.stringify(precondition));
}

function assertFails(precondition: Precondition, found?: typeof current): void {
  assert(preconditionFault(precondition, found), JSON.stringify(precondition));
}

Deno.test("preconditionFault() returns undefined without a condition", () => {
  assertEquals(preconditionFault(undefined, current), undefined);
  assertHolds({});
  assertEquals(preconditionFault({}, undefined), undefined);
});

Deno.test("preconditionFault() compares If-Match by version, and by hash if the tag has one", () => {
  assertHolds({ match: "*" });
  assertHolds({ match: [{ version: 3 }] });
  assertHolds({ match: [{ version: 9 }, { version: 3, sha256: "abab" }] });
  assertFails({ match: [{ version: 2 }] }, current);
  assertFails({ match: [{ version: 3, sha256: "cd" }] }, current);
  assertFails({ match: [] }, current);
});

Deno.test("preconditionFault() returns a fault for If-Match if the world does not exist", () => {
  assertFails({ match: "*" });
  assertFails({ match: [{ version: 1 }] });
});

Deno.test("preconditionFault() returns a fault for If-None-Match if its tag is current, and for * if the world exists", () => {
  assertFails({ noneMatch: "*" }, current);
  assertFails({ noneMatch: [{ version: 3 }] }, current);
  assertHolds({ noneMatch: [{ version: 3, sha256: "cd" }] });
  assertHolds({ noneMatch: [{ version: 2 }] });
  assertEquals(preconditionFault({ noneMatch: "*" }, undefined), undefined);
});

Deno.test("preconditionFault() compares If-Unmodified-Since in whole seconds", () => {
  assertHolds({ unmodifiedSince: at });
  assertHolds({ unmodifiedSince: at + 1000 });
  assertFails({ unmodifiedSince: at - 1000 }, current);
  assertEquals(preconditionFault({ unmodifiedSince: at - 1000 }, undefined), undefined);
});

Deno.test("preconditionFault() ignores If-Unmodified-Since if If-Match was sent (RFC 9110 §13.2.2)", () => {
  assertHolds({ match: [{ version: 3 }], unmodifiedSince: at - 1000 });
});

Deno.test("preconditionFault() reads the hash only if a tag has one", () => {
  const lazy = {
    version: 3,
    updatedAt: current.updatedAt,
    get sha256(): string {
      throw new Error("the hash was read");
    },
  };
  assertEquals(preconditionFault({ match: [{ version: 3 }] }, lazy), undefined);
  assert(preconditionFault({ match: [{ version: 2, sha256: "ab" }] }, lazy));
});
