import { deepStrictEqual as equal, doesNotMatch, ok } from "node:assert/strict";
import { Problem } from "../../../lib/http/problem.ts";
import { RpcError } from "../../../lib/plugin/wire/rpc_calls.ts";
import { createStoppedProblem, toCellProblem } from "../../../lib/plugin/cell/cell_errors.ts";
import {
  CellEndedError,
  type CellEndKind,
  ResponseTimeoutError,
} from "../../../lib/plugin/cell/cell_run.ts";

const SECRET = "what the plugin said";
const ENDS: Readonly<Record<CellEndKind, number>> = {
  stopped: 503,
  unfit: 502,
  start: 504,
  silence: 504,
  memory: 502,
  protocol: 502,
  crash: 502,
};

function refused(error: unknown): Problem {
  const refusal = toCellProblem(error, "gpu");
  ok(refusal instanceof Problem);
  doesNotMatch(refusal.detail, new RegExp(SECRET));
  return refusal;
}

Deno.test("toCellProblem() tells the caller how a cell ended and never what the plugin said", () => {
  for (const [kind, status] of Object.entries(ENDS)) {
    equal(refused(new CellEndedError(kind as CellEndKind, SECRET)).status, status, kind); // keys of ENDS
  }
  equal(refused(new RpcError(SECRET)).status, 502);
  equal(refused(new ResponseTimeoutError("no answer after 5 ms")).status, 504);
  equal(refused(new RangeError(SECRET)).status, 400);
});

Deno.test("toCellProblem() gives back what is no failure of a cell", () => {
  const error = new Error("ours");
  equal(toCellProblem(error, "gpu"), error);
  const problem = new Problem("not-found", "Cannot find it");
  equal(toCellProblem(problem, "gpu"), problem);
});

Deno.test("createStoppedProblem() says when to ask again", () => {
  equal([createStoppedProblem().status, createStoppedProblem().headers["retry-after"]], [503, "1"]);
});
