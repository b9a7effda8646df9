/**
 * Why a model stopped: maps the reasons of all wire formats to one list. Only `stop` is a complete
 * answer. A reason that is not in the list is never taken for `stop`.
 */

/**
 * - `stop`: the answer is complete.
 * - `length`: the token limit ended it.
 * - `filtered`: a content filter ended it.
 * - `refused`: the model refused to answer; the text is its explanation.
 * - `incomplete`: another reason, or the backend gave none.
 */
export type Finish = "stop" | "length" | "filtered" | "refused" | "incomplete";

/** Reasons that are a failure of the backend. */
const FAILURES = ["error", "abort", "insufficient_system_resource", "network_error"];

const REASONS: ReadonlyMap<string, Finish> = new Map([
  ...["stop", "end_turn", "stop_sequence", "eos", "eos_token"].map((reason) =>
    [reason, "stop"] as const
  ),
  ...["length", "max_tokens", "model_length", "max_output_tokens", "model_context_window_exceeded"]
    .map((reason) => [reason, "length"] as const),
  ...[
    "content_filter",
    "content_filtered",
    "safety",
    "recitation",
    "blocklist",
    "prohibited_content",
    "spii",
    "sensitive",
    "guardrail_intervened",
  ].map((reason) => [reason, "filtered"] as const),
  ["refusal", "refused"],
]);

/** Maps a reason of any of the formats; an unknown one is `incomplete`. */
export function toFinish(reason: unknown): Finish {
  return typeof reason === "string" && REASONS.get(reason.toLowerCase()) || "incomplete";
}

/** Whether a reason is a failure of the backend: an error without an error object. */
export function isFailure(reason: unknown): reason is string {
  return typeof reason === "string" && FAILURES.includes(reason.toLowerCase());
}

/**
 * Combines the reasons of one response. A `stop` after a refusal or a filter does not make the
 * answer complete.
 */
export function combineFinish(first: Finish | undefined, next: Finish | undefined): Finish {
  if (first === undefined || first === "stop") return next ?? first ?? "incomplete";
  return first;
}

/** What happened, for an error message; undefined if the answer is complete or cut by its limit. */
export function describeFinish(finish: Finish): string | undefined {
  switch (finish) {
    case "stop":
    case "length":
      return undefined;
    case "filtered":
      return "stopped the answer with its content filter";
    case "refused":
      return "refused to answer";
    case "incomplete":
      return "ended the answer without saying that it is complete";
  }
}
