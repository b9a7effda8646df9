import {
  assert,
  assertEquals,
  assertNotStrictEquals,
  assertStrictEquals,
} from "../support/assert.ts";
import { ANONYMOUS, LOCAL, REJECTED } from "../../lib/auth/authenticate.ts";
import type { Caller } from "../../lib/auth/caller.ts";
import { redactFor } from "../../lib/auth/redact.ts";
import { sha256Hex } from "../../lib/base/hash.ts";
import type { World } from "../../lib/world/store.ts";
import { bytesOf } from "../support/wire.ts";

const T3: Caller = { tier: "T3", by: "T3", authenticated: true };
const CAP: Caller = {
  tier: "T2",
  by: "cap:/etc",
  authenticated: true,
  scope: { prefixes: ["/etc"], mode: "rw", exp: 2e9, root: "/etc|2000000000|rw" },
};
const BELOW: readonly Caller[] = [
  ANONYMOUS,
  LOCAL,
  REJECTED,
  { tier: "T2", by: "T2", authenticated: true },
  { tier: "T1", by: "user:ada", authenticated: true },
  CAP,
];

function fstab(body: string | Uint8Array, name = "etc/fstab"): World {
  const bytes = new Uint8Array(bytesOf(body));
  return {
    name,
    version: 3,
    ext: "txt",
    meta: [["x-meta-a", "b"]],
    state: "",
    updatedAt: "2026-01-02T03:04:05.678Z",
    body: bytes,
    sha256: sha256Hex(bytes),
    layer: "upper",
  };
}

function shown(caller: Caller, body: string | Uint8Array, name?: string): string {
  return new TextDecoder().decode(redactFor(caller, fstab(body, name)).body);
}

Deno.test("redactFor() returns the same object for T3", () => {
  const world = fstab("https://x /mnt/x bearer=s3cret");
  assertStrictEquals(redactFor(T3, world), world);
});

Deno.test("redactFor() replaces every bearer token below T3", () => {
  // deno-fmt-ignore
  const table = [
    ["https://x /mnt/x bearer=s3cret", "https://x /mnt/x bearer=***"],
    ["a bearer=s3cret,ro\nb ro,bearer=s3cret", "a bearer=***,ro\nb ro,bearer=***"],
    ["bearer=s3cret\tx\r\nBEARER=s3cret Bearer=s3cret", "bearer=***\tx\r\nbearer=*** bearer=***"],
    ["bearer=s3cret==", "bearer=***"],
    ["bearer=bearer=s3cret", "bearer=***"],
    ["xbearer=s3cret", "xbearer=***"],
    ['bearer="s3cret"', "bearer=***"],
    ["# bearer=s3cret", "# bearer=***"],
    ["bearer= ", "bearer= "],
    ["ro,bearer = s3cret,timeout=5\nbearer: s3cret\nBEARER:\ts3cret", "ro,bearer=***,timeout=5\nbearer=***\nbearer=***"],
    ["bearer=\nnext line", "bearer=\nnext line"],
    ["https://u:s3cret@x/y /mnt/x ro", "https://***@x/y /mnt/x ro"],
    ["https://u:s3/cr@et@x\nftp://s3cret@y", "https://***@x\nftp://***@y"],
    ["https://x/y /mnt/a@b ro", "https://x/y /mnt/a@b ro"],
    ["nothing to hide", "nothing to hide"],
  ] as const;
  for (const caller of BELOW) {
    for (const [body, seen] of table) assertStrictEquals(shown(caller, body), seen, caller.by);
  }
});

Deno.test("redactFor() replaces secrets in bytes that are not UTF-8", () => {
  const seen = shown(ANONYMOUS, new Uint8Array([0xff, ...bytesOf(" bearer=s3cret "), 0xfe]));
  assert(!seen.includes("s3cret"), seen);
});

Deno.test("redactFor() returns a world whose hash does not depend on the secret", () => {
  const world = fstab("a bearer=s3cret");
  const other = fstab("a bearer=0ther");
  const seen = redactFor(ANONYMOUS, world);
  assertNotStrictEquals(seen.sha256, world.sha256);
  assertStrictEquals(seen.sha256, redactFor(ANONYMOUS, other).sha256);
  assertStrictEquals(seen.version, world.version);
  assertStrictEquals(redactFor(LOCAL, world), seen);
});

Deno.test("redactFor() changes the mount table only, in any letter case and below it", () => {
  const body = "bearer=s3cret";
  for (const name of ["etc/fstab", "etc/FSTAB", "etc/fstab/x"]) {
    assertEquals(shown(ANONYMOUS, body, name), "bearer=***", name);
  }
  for (const name of ["home/etc/fstab", "etc/fstab2", "etc/passwd", "home/fstab"]) {
    assertStrictEquals(shown(ANONYMOUS, body, name), body, name);
  }
});
