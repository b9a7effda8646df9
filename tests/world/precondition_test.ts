import { equal, ok } from "node:assert/strict";
import { preconditionFault } from "../../lib/world/precondition.ts";
import type { Precondition } from "../../lib/world/store.ts";

const current = { version: 3, sha256: "ab".repeat(32), updatedAt: "2026-01-01T00:00:01.500Z" };
const at = Date.parse("2026-01-01T00:00:01.000Z");

function holds(precondition: Precondition, found: typeof current | undefined = current): void {
  equal(preconditionFault(precondition, found), undefined, JSON.stringify(precondition));
}

function fails(precondition: Precondition, found?: typeof current): void {
  ok(preconditionFault(precondition, found), JSON.stringify(precondition));
}

Deno.test("preconditionFault() lets a change through that claims nothing", () => {
  equal(preconditionFault(undefined, current), undefined);
  holds({});
  equal(preconditionFault({}, undefined), undefined);
});

Deno.test("preconditionFault() compares If-Match by version, and by hash where one is named", () => {
  holds({ match: "*" });
  holds({ match: [{ version: 3 }] });
  holds({ match: [{ version: 9 }, { version: 3, sha256: "abab" }] });
  fails({ match: [{ version: 2 }] }, current);
  fails({ match: [{ version: 3, sha256: "cd" }] }, current);
  fails({ match: [] }, current);
});

Deno.test("preconditionFault() fails If-Match where nothing is", () => {
  fails({ match: "*" });
  fails({ match: [{ version: 1 }] });
});

Deno.test("preconditionFault() fails If-None-Match where its tag is current, and * where anything is", () => {
  fails({ noneMatch: "*" }, current);
  fails({ noneMatch: [{ version: 3 }] }, current);
  holds({ noneMatch: [{ version: 3, sha256: "cd" }] });
  holds({ noneMatch: [{ version: 2 }] });
  equal(preconditionFault({ noneMatch: "*" }, undefined), undefined);
});

Deno.test("preconditionFault() reads If-Unmodified-Since in whole seconds, as HTTP dates are", () => {
  holds({ unmodifiedSince: at });
  holds({ unmodifiedSince: at + 1000 });
  fails({ unmodifiedSince: at - 1000 }, current);
  equal(preconditionFault({ unmodifiedSince: at - 1000 }, undefined), undefined);
});

Deno.test("preconditionFault() passes If-Unmodified-Since over where If-Match was sent (RFC 9110 §13.2.2)", () => {
  holds({ match: [{ version: 3 }], unmodifiedSince: at - 1000 });
});

Deno.test("preconditionFault() reads the hash only when a tag names one", () => {
  const lazy = {
    version: 3,
    updatedAt: current.updatedAt,
    get sha256(): string {
      throw new Error("the hash was read");
    },
  };
  equal(preconditionFault({ match: [{ version: 3 }] }, lazy), undefined);
  ok(preconditionFault({ match: [{ version: 2, sha256: "ab" }] }, lazy));
});
