import { assert } from "../../support/assert.ts";
import { CELL_LIMITS } from "../../../lib/cell_limits.ts";
import { MAX_CHANGES_PER_PAGE, MAX_WAIT_SECONDS } from "../../../lib/limits.ts";
import * as limits from "../../../plugins/mcp/limits.ts";

Deno.test("the limits of the plugin are lower than those of its process", () => {
  // Each stream holds a call on the server and a request; the rest is for tools.
  assert(limits.MAX_STREAMS < CELL_LIMITS.maxCalls);
  assert(limits.MAX_STREAMS + limits.MAX_CALLS_PER_CALLER < CELL_LIMITS.maxRequests);
  assert(limits.MAX_STREAMS_PER_CALLER < limits.MAX_STREAMS);
  assert(limits.MAX_MESSAGE_BYTES * 4 <= limits.MAX_HELD_BYTES);
  assert(limits.MAX_MESSAGE_BYTES < limits.MAX_HELD_BYTES_PER_CALLER);
  assert(limits.MAX_HELD_BYTES_PER_CALLER < limits.MAX_HELD_BYTES);
  assert(limits.MAX_HELD_BYTES * 2 < CELL_LIMITS.heapMiB * 1024 * 1024);
});

Deno.test("the limits of the plugin are within those of the server", () => {
  assert(limits.HEARTBEAT_SECONDS <= MAX_WAIT_SECONDS);
  assert(limits.HEARTBEAT_SECONDS * 1000 < CELL_LIMITS.responseTimeoutMs);
  assert(limits.MAX_PAGE_SIZE <= MAX_CHANGES_PER_PAGE);
});
