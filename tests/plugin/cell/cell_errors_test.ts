import { assert, assertEquals, assertNotMatch } from "../../support/assert.ts";
import { Problem } from "../../../lib/http/problem.ts";
import { FileChanged } from "../../../lib/plugin/cell/file_body.ts";
import { RpcError } from "../../../lib/plugin/wire/rpc_calls.ts";
import {
  createStoppedProblem,
  describeBodyEnd,
  toCellProblem,
} from "../../../lib/plugin/cell/cell_errors.ts";
import { UnreadResponseError } from "../../../lib/plugin/cell/unread_responses.ts";
import {
  CallerEndedError,
  CellEndedError,
  type CellEndKind,
  ResponseTimeoutError,
} from "../../../lib/plugin/cell/cell_run.ts";

const SECRET = "text of the plugin";
const ENDS: Readonly<Record<CellEndKind, number>> = {
  stopped: 503,
  unfit: 502,
  start: 504,
  spawn: 503,
  silence: 504,
  memory: 502,
  protocol: 502,
  crash: 502,
};

function problemOf(error: unknown): Problem {
  const problem = toCellProblem(error, "gpu");
  assert(problem instanceof Problem);
  assertNotMatch(problem.detail, new RegExp(SECRET));
  return problem;
}

Deno.test("toCellProblem() returns a status for each kind of end, without text of the plugin", () => {
  for (const [kind, status] of Object.entries(ENDS)) {
    assertEquals(problemOf(new CellEndedError(kind as CellEndKind, SECRET)).status, status, kind); // keys of ENDS
  }
  assertEquals(problemOf(new RpcError(SECRET)).status, 502);
  assertEquals(problemOf(new ResponseTimeoutError("no response after 5 ms")).status, 504);
  assertEquals(problemOf(new RangeError(SECRET)).status, 400);
});

Deno.test("toCellProblem() names the log of a plugin that failed, but not of one that was stopped", () => {
  const log = "/proc/plugins/gpu/log";
  for (const [kind, status] of Object.entries(ENDS)) {
    const { detail } = problemOf(new CellEndedError(kind as CellEndKind, SECRET)); // keys of ENDS
    assertEquals(detail.includes(log), status !== 503, kind);
  }
  assertEquals(problemOf(new RpcError(SECRET)).detail.includes(log), true);
});

Deno.test("toCellProblem() returns another error unchanged", () => {
  const error = new Error("ours");
  assertEquals(toCellProblem(error, "gpu"), error);
  const problem = new Problem("not-found", "Cannot find it");
  assertEquals(toCellProblem(problem, "gpu"), problem);
});

Deno.test("createStoppedProblem() has status 503 and Retry-After", () => {
  assertEquals([createStoppedProblem().status, createStoppedProblem().headers["retry-after"]], [
    503,
    "1",
  ]);
});

Deno.test("describeBodyEnd() is one line for a failure of a plugin, and empty if nothing failed", () => {
  const rows: [error: unknown, line: string | undefined][] = [
    [new CallerEndedError("x"), ""],
    [new UnreadResponseError("x"), ""],
    [new CellEndedError("stopped", "x"), ""],
    [
      new CellEndedError("crash", "a\n  at f"),
      "the response of a plugin ended early: its cell crashed",
    ],
    [new RpcError("Error: no"), "the response of a plugin ended early: Error: no"],
    [
      new FileChanged("it is shorter than the range"),
      "the response of a plugin ended early: its file changed: it is shorter than the range",
    ],
    [new Error("ours"), undefined],
    ["text", undefined],
  ];
  for (const [error, line] of rows) assertEquals([error, describeBodyEnd(error)], [error, line]);
});
