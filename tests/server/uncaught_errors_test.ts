import { assert, assertMatch, assertStrictEquals } from "../support/assert.ts";
import { surviveUncaughtErrors } from "../../lib/server/uncaught_errors.ts";

Deno.test("surviveUncaughtErrors() logs an error and a rejection, and prevents the end of the process", () => {
  const target = new EventTarget();
  const lines: string[] = [];
  surviveUncaughtErrors(target, (line, kind) => lines.push(`${kind} ${line}`));
  const error = new ErrorEvent("error", { error: new Error("in a timer"), cancelable: true });
  target.dispatchEvent(error);
  const rejection = new PromiseRejectionEvent("unhandledrejection", {
    promise: Promise.resolve(),
    reason: "no handler",
    cancelable: true,
  });
  target.dispatchEvent(rejection);
  assert(error.defaultPrevented && rejection.defaultPrevented);
  assertStrictEquals(lines.length, 2);
  assertMatch(lines[0] ?? "", /^uncaught failed: uncaught error: Error: in a timer/);
  assertStrictEquals(lines[1], "uncaught failed: rejected promise: no handler");
});
