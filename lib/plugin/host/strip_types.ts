/**
 * Removes the types from a plugin's TypeScript in a separate process. The compiler is native code,
 * and a source that is nested deeply overflows its stack and aborts the process (Deno 2.9.6). So it
 * must not run in the server. The result is as untrusted as the source.
 */

import type { CellLimits } from "../../cell_limits.ts";
import { MAX_PLUGIN_BYTES } from "../../limits.ts";
import { createBareInit } from "../wire/cell_init.ts";
import { CellRun } from "../cell/cell_run.ts";
import { LOCATE_URL, STRIP_URL } from "../realm/locate_syntax_error.ts";
import type { StripTypes } from "../manifest/validate_source.ts";
import type { StartCell } from "../transport/transport.ts";

/** Creates a {@link StripTypes} that starts one cell per source. */
export function createStripTypes(
  startCell: StartCell,
  limits: CellLimits,
  now: () => number,
): StripTypes {
  return async function strip(text) {
    const run = new CellRun<undefined>({
      startCell,
      limits: { ...limits, responseTimeoutMs: limits.startTimeoutMs },
      now,
      answerSubrequest: () =>
        Promise.reject(new Error("Cannot run the subrequest: type stripping sends none")),
      log: () => {},
      onEnd: () => {},
      onIdle: () => {},
    }, createBareInit("strip", "types", ""));
    try {
      await run.ready;
      const caller = { authority: undefined, tier: "T1", by: "types", depth: 0 };
      const response = await run.send(
        {
          method: "POST",
          // Only a process refuses every import, whatever its source is.
          url: run.kind === "process" ? LOCATE_URL : STRIP_URL,
          headers: [],
          body: new Blob([text]).stream(),
        },
        caller,
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
