import { assertEquals } from "../support/assert.ts";
import { neededAuthority } from "../../lib/archive/import_authority.ts";

Deno.test("neededAuthority() names what the import of a world needs", () => {
  const rows: [name: string, fresh: string | undefined, merged: string | undefined][] = [
    ["home/x", undefined, undefined],
    ["home/etc/passwd", undefined, undefined],
    ["lib/x", undefined, undefined],
    ["var/cache/x", "system", "system"],
    ["var/cache", "system", "system"],
    ["var/Cache/semantic/0000", "system", "system"],
    ["var/cached/x", undefined, undefined],
    ["home/var/cache/x", undefined, undefined],
    ["var/lib/dav/0123.json", "system", "system"],
    ["boot/dav/0123.json", "system", "system"],
    ["boot/x", undefined, undefined],
    ["var/lib/p/kv/x", "system", "system"],
    ["var/library", undefined, undefined],
    // No program uses the content of a log.
    ["var/log/gpu/2026-11-27.ndjson", undefined, undefined],
    ["etc/passwd", "accounts", "accounts"],
    ["etc/Shadow", "accounts", "accounts"],
    ["etc/\u017fhadow", "accounts", "accounts"],
    ["etc/passwd.", "accounts", "accounts"],
    ["u\u017fr/bin/boot", "system", "system"],
    ["usr/lib/shell/app.js", "system", "system"],
    ["usr/bin/boot", "system", "system"],
    ["etc/fstab", undefined, "system"],
    ["etc/passwd/x", undefined, "system"],
    ["etc/revoked", undefined, undefined],
  ];
  for (const [name, fresh, merged] of rows) {
    assertEquals([name, neededAuthority(name, false)], [name, fresh]);
    assertEquals([name, neededAuthority(name, true)], [name, merged]);
  }
});
