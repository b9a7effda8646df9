import { assertEquals } from "../support/assert.ts";
import { CHAIN_START, type ChainState } from "../../lib/world/event_chain.ts";
import { type AuditedRow, auditResult } from "../../lib/world/audit_result.ts";

const ROW: AuditedRow = { version: 2, ext: "md", headers: "[]", state: "", sha256: "aa" };
const CHAIN: ChainState = {
  ...CHAIN_START,
  events: 2,
  lastId: 2,
  bodySha256: "aa",
  version: 2,
  ext: "md",
  meta: "[]",
};

/** Returns whether the checks of chain and body passed. */
function checks(row: Partial<AuditedRow>, chain: Partial<ChainState> = {}): [boolean, boolean] {
  const audit = auditResult("home/x", { ...ROW, ...row }, { ...CHAIN, ...chain });
  assertEquals(audit.ok, audit.chain.ok && audit.body.ok);
  return [audit.chain.ok, audit.body.ok];
}

Deno.test("auditResult() is ok if row and chain match", () => {
  assertEquals(auditResult("home/x", ROW, CHAIN), {
    name: "home/x",
    ok: true,
    events: 2,
    version: 2,
    named: false,
    chain: { ok: true },
    body: { ok: true, sha256: "aa", expected: "aa" },
  });
});

Deno.test("auditResult() is not ok if the chain names another world, whose name it does not show", () => {
  const named = auditResult("home/x", ROW, { ...CHAIN, name: "home/x" });
  assertEquals([named.ok, named.named], [true, true]);
  const renamed = auditResult("home/y", ROW, { ...CHAIN, name: "home/x" });
  assertEquals([renamed.ok, renamed.named, renamed.body.ok], [false, true, true]);
  assertEquals(renamed.chain, {
    ok: false,
    reason: "the chain names another world: the folder was renamed outside the server",
  });
});

Deno.test("auditResult() reports chain and body independently", () => {
  assertEquals(checks({}, { brokenAt: 1, reason: "r" }), [false, true]);
  assertEquals(checks({ sha256: "bb" }), [true, false]);
  assertEquals(checks({ sha256: "bb" }, { brokenAt: 1, reason: "r" }), [false, false]);
});

Deno.test("auditResult() detects a column that differs from its event", () => {
  for (const row of [{ version: 3 }, { ext: "html" }, { headers: '[["x-meta-a","1"]]' }]) {
    assertEquals(checks(row), [true, false], JSON.stringify(row));
  }
});

Deno.test("auditResult() accepts a state only if the newest transition led to it", () => {
  assertEquals(checks({ state: "pending" }), [true, true]);
  for (const state of ["active", "disabled", "anything"]) {
    assertEquals(checks({ state }), [true, false]);
  }
  assertEquals(checks({ state: "active" }, { state: "active" }), [true, true]);
  assertEquals(checks({ state: "active" }, { state: "disabled" }), [true, false]);
  assertEquals(checks({ state: "" }, { state: "disabled" }), [true, false]);
});

Deno.test("auditResult() ignores columns that no event records", () => {
  const { ext: _ext, meta: _meta, ...silent } = CHAIN;
  const row = { ...ROW, ext: "anything", headers: "anything" };
  assertEquals(auditResult("home/x", row, silent).ok, true);
});

Deno.test("auditResult() is not ok for a chain without events", () => {
  const audit = auditResult("home/x", ROW, CHAIN_START);
  assertEquals([audit.ok, audit.chain.reason, audit.body.reason], [
    false,
    "the chain has no events",
    "no event records the hash of the body",
  ]);
});

Deno.test("auditResult() detects a row that names another event as the newest one", () => {
  const state = { ...CHAIN, lastId: 3, head: "c".repeat(64) };
  const audit = (head: { id: number; hmac: string }) =>
    auditResult("home/x", { ...ROW, head }, state).chain;
  assertEquals(audit({ id: 3, hmac: state.head }), { ok: true });
  assertEquals(audit({ id: 77, hmac: state.head }), {
    ok: false,
    reason: "the row names event 77 as the newest one, the chain ends with event 3",
  });
  assertEquals(audit({ id: 3, hmac: "zz" }), {
    ok: false,
    reason: "the row has another hmac than event 3, which is the newest one",
  });
});
