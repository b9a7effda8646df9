import { assertEquals, assertStrictEquals } from "../../support/assert.ts";
import type { Caller } from "../../../lib/auth/caller.ts";
import {
  hasNoOwnAuthority,
  subjectPath,
  toCanonicalRequest,
} from "../../../lib/plugin/host/call_plugin.ts";
import { parseManifest } from "../../../lib/plugin/manifest/manifest.ts";
import type { RequestContext } from "../../../lib/request/request_context.ts";
import { parseTarget } from "../../../lib/http/path.ts";

const CALLER: Caller = { tier: "T1", by: "T1" };

function exchange(request: Request, target = request.url): RequestContext {
  return { request, target: parseTarget(target), caller: CALLER };
}

Deno.test("subjectPath() returns the world or mount that the rest of a path names", () => {
  assertEquals(subjectPath("/shaped/home/x", "/shaped"), "/home/x");
  assertEquals(subjectPath("/shaped/home", "/shaped"), "/home");
  assertEquals(subjectPath("/shaped/mnt/work/x", "/shaped"), "/mnt/work/x");
  assertEquals(subjectPath("/dev/gpu/etc/x", "/dev/gpu"), "/etc/x");
  for (
    const path of ["/shaped", "/shaped/homer", "/shaped/mntx", "/shaped/proc/x", "/shaped/lib2/x"]
  ) {
    assertStrictEquals(subjectPath(path, "/shaped"), undefined);
  }
  assertStrictEquals(subjectPath("/nothing/home/x", ""), undefined);
});

Deno.test("hasNoOwnAuthority() is true for a T1 plugin without grants, permissions and subject", () => {
  const none = { net: [], read: [], write: [], env: [] };
  const plain = parseManifest({ routes: ["/a"] }, () => undefined, () => undefined);
  assertStrictEquals(hasNoOwnAuthority({ manifest: plain, permissions: none }), true);
  const manifests = [
    { ...plain, auth: "T2" as const },
    { ...plain, subject: true },
    { ...plain, kv: true },
    { ...plain, grants: { "/var/x/": "r" as const } },
  ];
  for (const manifest of manifests) {
    assertStrictEquals(hasNoOwnAuthority({ manifest, permissions: none }), false);
  }
  for (const kind of ["net", "read", "write", "env"]) {
    const permissions = { ...none, [kind]: ["x"] };
    assertStrictEquals(hasNoOwnAuthority({ manifest: plain, permissions }), false, kind);
  }
});

Deno.test("toCanonicalRequest() returns the same request if its URL is canonical", () => {
  const request = new Request("http://localhost:1/p/a%20b/?x=%2f");
  assertStrictEquals(toCanonicalRequest(exchange(request)), request);
});

Deno.test("toCanonicalRequest() changes the URL to the matched one and keeps method, headers and body", async () => {
  const rows: [given: string, matched: string, becomes: string][] = [
    ["http://localhost:1/bin/p/x?y", "http://localhost:1/p/x?y", "http://localhost:1/p/x?y"],
    ["http://localhost:1/p/%78", "http://localhost:1/p/%78", "http://localhost:1/p/x"],
    ["http://localhost:1/p/e%CC%81", "http://localhost:1/p/e%CC%81", "http://localhost:1/p/%C3%A9"],
  ];
  for (const [given, matched, becomes] of rows) {
    const request = new Request(given, { method: "PUT", body: "sent", headers: { "x-a": "1" } });
    const found = toCanonicalRequest(exchange(request, matched));
    assertStrictEquals(found.url, becomes);
    assertEquals(found.method, "PUT");
    assertEquals(found.headers.get("x-a"), "1");
    assertEquals(await found.text(), "sent");
  }
});

Deno.test("toCanonicalRequest() uses http://machine if the Host header does not form a valid URL", () => {
  const named = (url: string): Request =>
    Object.defineProperty(new Request("http://localhost:1/"), "url", { value: url });
  for (let turn = 0; turn < 2; turn++) {
    const good = named("http://localhost:1/p/x");
    assertStrictEquals(toCanonicalRequest(exchange(good)), good);
    for (const host of ["1.2.3.4.5", "localhost:1:2", "local host", "[::"]) {
      const bad = named(`http://${host}/p/x?y`);
      assertEquals(toCanonicalRequest(exchange(bad)).url, "http://machine/p/x?y");
    }
  }
});
