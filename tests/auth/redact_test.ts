import {
  assert,
  assertEquals,
  assertNotStrictEquals,
  assertStrictEquals,
} from "../support/assert.ts";
import { ANONYMOUS, LOCAL, REJECTED } from "../../lib/auth/authenticate.ts";
import type { Caller } from "../../lib/auth/caller.ts";
import { redactEvent, redactFor, redactMountTable, showEvent } from "../../lib/auth/redact.ts";
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
  const world = fstab("https://x /mnt/x ro,bearer=s3cret");
  assertStrictEquals(redactFor(T3, world), world);
});

Deno.test("redactMountTable() shows what is known to be safe and hides everything else", () => {
  // deno-fmt-ignore
  const table = [
    ["", ""],
    ["/srv/docs /mnt/docs ro\n", "/srv/docs /mnt/docs ro\n"],
    ["  C:/a.b/c-d\t/mnt/x/   rw  ", "C:/a.b/c-d /mnt/x/ rw"],
    ["/srv/größe /mnt/große_2 ro", "/srv/größe /mnt/große_2 ro"],
    ["https://x.example:8443 /mnt/x ro", "https://x.example:8443 /mnt/x ro"],
    ["http://[::1]:9/ /mnt/x ro,timeout=5", "http://[::1]:9/ /mnt/x ro,timeout=5"],
    ["https://x /mnt/x ro,bearer=s3cret", "https://x /mnt/x ro,bearer=***"],
    ["https://x /mnt/x ro,timeout=5,bearer=s3cret,0ther", "https://x /mnt/x ro,timeout=5,bearer=***"],
    ["https://x /mnt/x ro,BEARER=s3cret,timeout=5", "https://x /mnt/x ro,bearer=***"],
    ["https://x /mnt/x ro,token=s3cret", "https://x /mnt/x ro,***"],
    ["https://x /mnt/x ro,timeout=s3cret", "https://x /mnt/x ro,***"],
    ["https://x /mnt/x ro,a,b,c", "https://x /mnt/x ro,***"],
    ["https://x/?key=s3cret /mnt/x ro", "https://x/*** /mnt/x ro"],
    ["https://x?key=s3cret /mnt/x ro", "https://x/*** /mnt/x ro"],
    ["https://x#s3cret /mnt/x ro", "https://x/*** /mnt/x ro"],
    ["https://x/s3cret/y /mnt/x ro", "https://x/*** /mnt/x ro"],
    ["https://u:s3cret@x/y /mnt/x ro", "https://*** /mnt/x ro"],
    ["https://u:s3/cr@et@x /mnt/x ro", "https://*** /mnt/x ro"],
    ["https://u:s3cret /mnt/x ro", "https://*** /mnt/x ro"],
    ["https://x\\s3cret /mnt/x ro", "https://x/*** /mnt/x ro"],
    ["file:///srv/a /mnt/x ro", "file://*** /mnt/x ro"],
    ["/srv/a?key=s3cret /mnt/x ro", "*** /mnt/x ro"],
    ["/srv/a bearer s3cret /mnt/x ro", "*** /mnt/x ro"],
    ["# old: bearer s3cret", "# ***"],
    ["/srv/a /mnt/x ro # s3cret", "***"],
    ["https://x /mnt/x ro,bearer = s3cret", "*** bearer=***"],
    ["/mnt/x ro", "***"],
    ["/srv/a /mnt/x/s3cret ro", "***"],
    ["/srv/a /mnt/x s3cret", "***"],
    ["bearer=s3cret", "*** bearer=***"],
    ["s3cret\r\ns3cret\rs3cret", "***\n***\n***"],
    ["\ufeff/srv/a /mnt/x ro", "/srv/a /mnt/x ro"],
    ["s3cret\u00a0/mnt/x\u00a0ro", "*** /mnt/x ro"],
    ["s\u00003\u0000cret", "***"],
  ] as const;
  for (const [body, seen] of table) assertStrictEquals(redactMountTable(body), seen, body);
});

Deno.test("redactFor() redacts for every caller below T3", () => {
  const body = "https://x /mnt/x ro,bearer=s3cret";
  for (const caller of BELOW) {
    assertStrictEquals(shown(caller, body), "https://x /mnt/x ro,bearer=***", caller.by);
    assertEquals(redactFor(caller, fstab(body)).meta, []);
  }
});

Deno.test("redactEvent() hides hashes and lengths and keeps what is known to be safe", () => {
  const event = { id: 1, timestamp: "t", type: "stage_written", hmac: "h", prev_hmac: "p" };
  const payload = {
    op: "put",
    ext: "txt",
    version_after: 3,
    by: "T3",
    len: 21,
    append_len: 4,
    body_sha256_after: "ab",
    meta_headers: [["x-meta-a", "b"]],
    another: "x",
  };
  assertEquals(redactEvent({ ...event, payload }), {
    ...event,
    payload: {
      op: "put",
      ext: "txt",
      version_after: 3,
      by: "T3",
      body_sha256_after: "***",
      another: "***",
    },
  });
  assertEquals(redactEvent({ ...event, payload: "s3cret" }).payload, "***");
});

Deno.test("showEvent() hides the name of another world in the first event from callers that cannot read it", () => {
  const nameIn = (caller: Caller, world: string, name: string) =>
    Object.entries(
      showEvent(caller, world, { type: "stage_written", payload: { op: "put", name } }).payload,
    )[1];
  assertEquals(nameIn(CAP, "etc/x", "etc/x"), ["name", "etc/x"]);
  assertEquals(nameIn(CAP, "etc/x", "etc/y"), ["name", "etc/y"]);
  assertEquals(nameIn(CAP, "etc/x", "home/secret"), ["name", "***"]);
  assertEquals(nameIn(T3, "etc/x", "home/secret"), ["name", "home/secret"]);
});

Deno.test("showEvent() hides paths that the caller cannot read, and no states", () => {
  const show = (payload: unknown) =>
    showEvent(CAP, "etc/x", { type: "stage_written", payload }).payload;
  const states = { from: "pending", to: "active", version: 1 };
  assertEquals(show(states), states);
  assertEquals(show({ from: "/home/x", to: "/etc/x" }), { from: "***", to: "/etc/x" });
});

Deno.test("showEvent() hides the prefix of a capability that the caller cannot read", () => {
  const show = (caller: Caller, by: string) =>
    Object.values(
      showEvent(caller, "etc/a/x", { type: "stage_written", payload: { by } }).payload,
    )[0];
  for (
    const by of ["T2", "user:ada", "cap:/", "cap:/etc#a", "cap:/etc/a/x", "cap:/etc/other#a/b"]
  ) assertEquals(show(CAP, by), by);
  assertEquals(show(CAP, "cap:/home/secret"), "cap:***");
  assertEquals(show(CAP, "cap:/home/secret%23#a/b"), "cap:***#a/b");
  assertEquals(show(CAP, "cap:/etc2"), "cap:***");
  assertEquals(show(CAP, "cap:/etc/shadow#a"), "cap:***#a");
  for (const caller of [T3, LOCAL]) {
    assertEquals(show(caller, "cap:/home/secret"), "cap:/home/secret");
  }
});

Deno.test("redactFor() replaces secrets in bytes that are not UTF-8", () => {
  const seen = shown(ANONYMOUS, new Uint8Array([0xff, ...bytesOf(" bearer=s3cret "), 0xfe]));
  assert(!seen.includes("s3cret"), seen);
});

Deno.test("redactFor() reads UTF-16 as the plugin fstab does, and answers UTF-8", () => {
  const table = "\ufeff/srv/größe /mnt/docs ro\r\nhttps://x /mnt/w ro,bearer=s3cret";
  const littleEndian = new Uint8Array(Uint16Array.from(table, (c) => c.charCodeAt(0)).buffer);
  const bigEndian = littleEndian.map((_, at) => littleEndian[at ^ 1] ?? 0);
  for (const bytes of [littleEndian, bigEndian]) {
    assertEquals(
      shown(ANONYMOUS, bytes),
      "/srv/größe /mnt/docs ro\nhttps://x /mnt/w ro,bearer=***",
    );
  }
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
    assertEquals(shown(ANONYMOUS, body, name), "*** bearer=***", name);
  }
  for (const name of ["home/etc/fstab", "etc/fstab2", "etc/passwd", "home/fstab"]) {
    assertStrictEquals(shown(ANONYMOUS, body, name), body, name);
  }
});

Deno.test("showEvent() shows the texts of a plugin to callers that can approve it only", () => {
  const event = (type: string) => ({
    type,
    payload: { reason: "own words", fault: "f", kind: "x" },
  });
  const show = (caller: Caller, name: string, type: string) =>
    showEvent(caller, name, event(type)).payload;
  const hidden = { reason: "***", fault: "***", kind: "x" };
  for (const type of ["plugin_uncaught", "plugin_ended", "plugin_refused", "plugin_reconfigured"]) {
    assertEquals(show(T3, "lib/p", type), event(type).payload);
    for (const name of ["lib/p", "home/moved"]) {
      for (const tier of ["T1", "T2"] as const) {
        assertEquals(show({ tier, by: tier }, name, type), hidden);
      }
    }
  }
  assertEquals(show({ tier: "T2", by: "T2" }, "lib/p", "state_transition"), event("").payload);
});
