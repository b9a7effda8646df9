import { assertEquals } from "../support/assert.ts";
import { canCarryChain } from "../../lib/auth/carry_chain.ts";

Deno.test("canCarryChain() keeps a chain where the same callers can read it, and no plugin's", () => {
  const rows: readonly (readonly [string, string, boolean])[] = [
    ["/home/x", "/home/y", true],
    ["/home/x", "/etc/y", true],
    ["/boot/x", "/etc/shadow", true],
    ["/home/x", "/etc/shadow", false],
    ["/var/cache/x", "/home/x", false],
    ["/etc/fstab", "/home/x", false],
    ["/home/x", "/etc/fstab", false],
    ["/lib/a", "/lib/b", false],
    ["/home/x", "/lib/x", false],
    ["/lib/x", "/home/x", false],
  ];
  for (const [from, to, expected] of rows) {
    assertEquals(canCarryChain(from, to), expected, `${from} to ${to}`);
  }
});
