import { assertThrows } from "../../support/assert.ts";
import { assertShown, KnownRequests } from "../../../lib/plugin/host/known_requests.ts";
import type { ProbeResult } from "../../../lib/plugin/host/probe_manifest.ts";
import { MAX_KNOWN_REQUESTS } from "../../../lib/limits.ts";

function request(read: string[], config: Record<string, string> = {}): ProbeResult {
  return {
    manifest: {
      routes: ["/p"],
      auth: "T1",
      subject: false,
      config: [],
      grants: {},
      description: "",
      fallback: false,
      cron: [],
      on: [],
      kv: false,
    },
    permissions: { net: [], read, write: [], env: [] },
    config,
  };
}

Deno.test("KnownRequests.assertSame() throws if one source requests something else with the same config", () => {
  const known = new KnownRequests();
  const source = { name: "lib/p", sha256: "a" };
  known.assertSame(source, request([]));
  known.assertSame(source, request([]));
  known.assertSame(source, request(["/x"], { "/etc/p": "x" }));
  known.assertSame({ ...source, sha256: "b" }, request(["/x"]));
  assertThrows(() => known.assertSame(source, request(["/x"])), { type: "unprocessable" });
  assertThrows(() => known.assertSame(source, request([], { "/etc/p": "x" })), {
    type: "unprocessable",
  });
});

Deno.test("KnownRequests.assertSame() forgets the oldest of more sources than it remembers", () => {
  const known = new KnownRequests();
  for (let at = 0; at <= MAX_KNOWN_REQUESTS; at++) {
    known.assertSame({ name: `lib/p${at}`, sha256: "a" }, request([]));
  }
  assertThrows(() => known.assertSame({ name: "lib/p1", sha256: "a" }, request(["/x"])), {
    type: "unprocessable",
  });
  known.assertSame({ name: "lib/p0", sha256: "a" }, request(["/x"]));
});

Deno.test("assertShown() throws 409 if another digest was shown, and accepts none", () => {
  assertShown("lib/p", undefined, "a");
  assertShown("lib/p", "a", "a");
  assertThrows(() => assertShown("lib/p", "b", "a"), { type: "conflict" });
});
