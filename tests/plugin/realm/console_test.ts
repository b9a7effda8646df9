import { assertEquals, assertMatch } from "../../support/assert.ts";
import { createConsole } from "../../../lib/plugin/realm/console.ts";

function make(maxLogLinesPerSecond = 3) {
  const sent: [number, string][] = [];
  const made = createConsole(
    (level, line) => sent.push([level, line]),
    String,
    maxLogLinesPerSecond,
  );
  const call = (name: string, ...values: unknown[]): void => {
    const method = made.console[name];
    if (typeof method === "function") method(...values);
  };
  return { sent, call, print: made.print };
}

Deno.test("createConsole() sends the values of a call as one line with its level", () => {
  const { sent, call } = make(10);
  call("log", "a", 1, "b");
  call("warn", "w");
  call("error", "e");
  call("assert", true, "held");
  call("assert", false, "fell");
  call("group", "nothing");
  assertEquals(sent, [[0, "a 1 b"], [1, "w"], [2, "e"], [2, "Assertion failed: fell"]]);
});

Deno.test("createConsole() limits the lines per second and the length of a line", () => {
  const { sent, call } = make(3);
  for (let i = 0; i < 100; i++) call("log", "x".repeat(10_000));
  // A second may begin while the loop runs.
  assertEquals(sent.length <= 7, true);
  assertEquals(sent[0]?.[1].length, 4098);
});

Deno.test("createConsole() does not throw for a value that cannot be inspected", () => {
  const sent: string[] = [];
  const { console } = createConsole((_level, line) => sent.push(line), () => {
    throw new Error("boom");
  }, 5);
  if (typeof console.log === "function") console.log("a", {});
  assertMatch(sent.join(), /^a \[a value that cannot be inspected/);
});
