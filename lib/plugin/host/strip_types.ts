/**
 * Takes the types out of a plugin's TypeScript in a process that may die of it: the compiler is native
 * code, and a source nested deeply enough overflows its stack and aborts the process it runs in (seen
 * on 2.9.6). What comes back is a stranger's text like the source itself.
 */

import { type CellLimits, MAX_PLUGIN_BYTES } from "../../limits.ts";
import { createBareInit } from "../wire/cell_init.ts";
import { CellRun } from "../cell/cell_run.ts";
import type { StripTypes } from "../manifest/validate_source.ts";
import type { StartCell } from "../transport/transport.ts";

/** Makes the {@link StripTypes} that starts one cell per source. */
export function createStripTypes(
  launch: StartCell,
  limits: CellLimits,
  now: () => number,
): StripTypes {
  return async function strip(text) {
    const run = new CellRun<undefined>({
      startCell: launch,
      limits: { ...limits, responseTimeoutMs: limits.startTimeoutMs },
      now,
      answerSubrequest: () => Promise.reject(new Error("There is no machine to call back")),
      log: () => {},
      onEnd: () => {},
      onIdle: () => {},
    }, createBareInit("strip", "types", ""));
    try {
      await run.ready;
      const visit = { authority: undefined, tier: "T1", by: "types", depth: 0 };
      const response = await run.send(
        {
          method: "POST",
          url: "http://types/",
          headers: [],
          body: new Blob([text]).stream(),
        },
        visit,
        () => {},
      ).response;
      let stripped = "";
      for await (const piece of response.body?.pipeThrough(new TextDecoderStream()) ?? []) {
        stripped += piece;
        if (stripped.length > MAX_PLUGIN_BYTES) throw new RangeError("The result is too long");
      }
      return stripped;
    } finally {
      await run.kill();
    }
  };
}
