import { deepStrictEqual as equal, doesNotMatch, ok } from "node:assert/strict";
import { Problem } from "../../../lib/http/problem.ts";
import { PeerFailure } from "../../../lib/plugin/wire/rpc_calls.ts";
import { refusalOf, stopped } from "../../../lib/plugin/cell/cell_errors.ts";
import { AnswerTimeout, CellEnd, type EndKind } from "../../../lib/plugin/cell/cell_run.ts";

const SECRET = "what the plugin said";
const ENDS: Readonly<Record<EndKind, number>> = {
  stopped: 503,
  unfit: 502,
  start: 504,
  silence: 504,
  memory: 502,
  protocol: 502,
  crash: 502,
};

function refused(error: unknown): Problem {
  const refusal = refusalOf(error, "gpu");
  ok(refusal instanceof Problem);
  doesNotMatch(refusal.detail, new RegExp(SECRET));
  return refusal;
}

Deno.test("refusalOf() tells the caller how a cell ended and never what the plugin said", () => {
  for (const [kind, status] of Object.entries(ENDS)) {
    equal(refused(new CellEnd(kind as EndKind, SECRET)).status, status, kind); // keys of ENDS
  }
  equal(refused(new PeerFailure(SECRET)).status, 502);
  equal(refused(new AnswerTimeout("no answer after 5 ms")).status, 504);
  equal(refused(new RangeError(SECRET)).status, 400);
});

Deno.test("refusalOf() gives back what is no failure of a cell", () => {
  const error = new Error("ours");
  equal(refusalOf(error, "gpu"), error);
  const problem = new Problem("not-found", "Cannot find it");
  equal(refusalOf(problem, "gpu"), problem);
});

Deno.test("stopped() says when to ask again", () => {
  equal([stopped().status, stopped().headers["retry-after"]], [503, "1"]);
});
