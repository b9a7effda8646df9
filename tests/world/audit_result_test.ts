import { deepStrictEqual as equal } from "node:assert/strict";
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

/** Whether chain and body hold. */
function judged(row: Partial<AuditedRow>, chain: Partial<ChainState> = {}): [boolean, boolean] {
  const verdict = auditResult("home/x", { ...ROW, ...row }, { ...CHAIN, ...chain });
  equal(verdict.ok, verdict.chain.ok && verdict.body.ok);
  return [verdict.chain.ok, verdict.body.ok];
}

Deno.test("auditResult() holds where row and chain agree", () => {
  equal(auditResult("home/x", ROW, CHAIN), {
    name: "home/x",
    ok: true,
    events: 2,
    version: 2,
    chain: { ok: true },
    body: { ok: true, sha256: "aa", expected: "aa" },
  });
});

Deno.test("auditResult() keeps its two checks apart", () => {
  equal(judged({}, { brokenAt: 1, reason: "r" }), [false, true]);
  equal(judged({ sha256: "bb" }), [true, false]);
  equal(judged({ sha256: "bb" }, { brokenAt: 1, reason: "r" }), [false, false]);
});

Deno.test("auditResult() finds every column that the events tell otherwise", () => {
  for (const row of [{ version: 3 }, { ext: "html" }, { headers: '[["x-meta-a","1"]]' }]) {
    equal(judged(row), [true, false], JSON.stringify(row));
  }
});

Deno.test("auditResult() believes a state only from the event that led to it", () => {
  equal(judged({ state: "pending" }), [true, true]);
  for (const state of ["active", "disabled", "anything"]) equal(judged({ state }), [true, false]);
  equal(judged({ state: "active" }, { state: "active" }), [true, true]);
  equal(judged({ state: "active" }, { state: "disabled" }), [true, false]);
  equal(judged({ state: "" }, { state: "disabled" }), [true, false]);
});

Deno.test("auditResult() asks nothing of columns no event tells of", () => {
  const { ext: _ext, meta: _meta, ...silent } = CHAIN;
  const row = { ...ROW, ext: "anything", headers: "anything" };
  equal(auditResult("home/x", row, silent).ok, true);
});

Deno.test("auditResult() vouches for nothing without events", () => {
  const verdict = auditResult("home/x", ROW, CHAIN_START);
  equal([verdict.ok, verdict.chain.reason, verdict.body.reason], [
    false,
    "the chain has no events",
    "no event tells the body's hash",
  ]);
});
