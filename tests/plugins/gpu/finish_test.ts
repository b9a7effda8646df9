import { assertEquals } from "../../support/assert.ts";
import {
  combineFinish,
  describeFinish,
  type Finish,
  isFailure,
  toFinish,
} from "../../../plugins/gpu/finish.ts";

Deno.test("toFinish() maps the reasons of every format", () => {
  const rows: readonly (readonly [finish: Finish, reasons: readonly unknown[]])[] = [
    ["stop", ["stop", "STOP", "end_turn", "stop_sequence", "eos_token"]],
    ["length", ["length", "max_tokens", "model_context_window_exceeded"]],
    ["filtered", ["content_filter", "SAFETY", "guardrail_intervened"]],
    ["refused", ["refusal"]],
    ["incomplete", ["tool_calls", "pause_turn", "load", "", 7, null, undefined, "__proto__"]],
  ];
  for (const [finish, reasons] of rows) {
    for (const reason of reasons) assertEquals(toFinish(reason), finish, String(reason));
  }
});

Deno.test("isFailure() recognizes reasons that are an error", () => {
  assertEquals(["error", "insufficient_system_resource", "stop", 7].map(isFailure), [
    true,
    true,
    false,
    false,
  ]);
});

Deno.test("combineFinish() keeps a reason that is not stop", () => {
  assertEquals(combineFinish(undefined, "stop"), "stop");
  assertEquals(combineFinish("refused", "stop"), "refused");
  assertEquals(combineFinish("stop", "filtered"), "filtered");
  assertEquals(combineFinish("stop", undefined), "stop");
  assertEquals(combineFinish(undefined, undefined), "incomplete");
});

Deno.test("describeFinish() describes what is neither complete nor cut by its limit", () => {
  assertEquals([describeFinish("stop"), describeFinish("length")], [undefined, undefined]);
  assertEquals(describeFinish("refused"), "refused to answer");
});
