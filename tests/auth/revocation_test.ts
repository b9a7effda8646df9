import { assertEquals } from "../support/assert.ts";
import type { Scope } from "../../lib/auth/caller.ts";
import { isRevoked } from "../../lib/auth/revocation.ts";
import { NOTHING_REVOKED, parseRevokedList } from "../../lib/world/revoked_list.ts";

const MINTED = Date.parse("2026-11-28T10:00:00.500Z");
const ID = `${MINTED}-9f3ac04be1d27a55`;
const SCOPE: Scope = {
  prefixes: ["/home/team", "/home/team/a"],
  mode: "rw",
  exp: 2_000_000_000,
  root: "",
  id: ID,
  names: ["kestrel", "junior"],
};

function revokes(text: string, scope: Scope = SCOPE): boolean {
  const parsed = parseRevokedList(new TextEncoder().encode(text));
  return "fault" in parsed || isRevoked(parsed, scope);
}

Deno.test("isRevoked() compares the id and every name of the token", () => {
  assertEquals(isRevoked(NOTHING_REVOKED, SCOPE), false);
  assertEquals(revokes(ID), true);
  assertEquals(revokes(`${MINTED}-0000000000000000`), false);
  assertEquals(revokes("name:kestrel"), true);
  assertEquals(revokes("name:junior"), true);
  assertEquals(revokes("name:Kestrel\nname:kestre\nname:kestrel.junior"), false);
});

Deno.test("isRevoked() revokes a prefix and below for capabilities minted before a time", () => {
  const rows: [path: string, time: string, revoked: boolean][] = [
    ["/home/team/a", "2026-11-28T10:00:00.501Z", true],
    ["/home/team/a", "2026-11-28T10:00:00.500Z", false],
    ["/home/team/a", "2026-11-28T11:00:01+01:00", true],
    ["/home/team", "2026-11-28T11:00:00Z", true],
    ["/home", "2026-11-28T11:00:00Z", true],
    ["/", "2026-11-28T11:00:00Z", true],
    ["/home/team/a/b", "2026-11-28T11:00:00Z", false],
    ["/home/tea", "2026-11-28T11:00:00Z", false],
    ["/home/team/", "2026-11-28T11:00:00Z", true],
    ["/etc", "2026-11-28T11:00:00Z", false],
  ];
  for (const [path, time, revoked] of rows) {
    assertEquals(revokes(`prefix:${path} before:${time}`), revoked, `${path} ${time}`);
  }
});

Deno.test("isRevoked() treats a capability without an id as older than every time", () => {
  const { id: _id, names: _names, ...old } = SCOPE;
  assertEquals(revokes("prefix:/home before:1970-01-01T00:00:00Z", old), true);
  assertEquals(revokes("prefix:/etc before:2999-01-01T00:00:00Z", old), false);
  assertEquals(revokes(`${ID}\nname:kestrel`, old), false);
});
