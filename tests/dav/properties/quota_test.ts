import { toQuotaSpace } from "../../../lib/dav/properties/quota.ts";
import { LOCAL } from "../../../lib/auth/authenticate.ts";
import { assertEquals } from "../../support/assert.ts";

const DISK = { available: 1000, used: 500 };

function rule(subject: string, bytes: number, used: number) {
  return { subject, bytes, worlds: Infinity, used: { bytes: used, worlds: 1 } };
}

Deno.test("toQuotaSpace() returns the tightest quota that the caller may know, else the disk", () => {
  const [wide, tight] = [rule("prefix:/home", 900, 100), rule("prefix:/home/a", 30, 10)];
  const hidden = rule("name:k", 5, 5);
  assertEquals(toQuotaSpace(DISK, [], LOCAL), DISK);
  assertEquals(toQuotaSpace(DISK, [wide, tight, hidden], LOCAL), { available: 20, used: 10 });
  assertEquals(toQuotaSpace(undefined, [wide], LOCAL), { available: 800, used: 100 });
  assertEquals(toQuotaSpace(DISK, [rule("prefix:/home", 9000, 1)], LOCAL), DISK);
  assertEquals(toQuotaSpace(DISK, [rule("prefix:/home", Infinity, 1)], LOCAL), DISK);
  // Lowered below what is stored.
  assertEquals(toQuotaSpace(DISK, [rule("prefix:/home", 5, 9)], LOCAL), { available: 0, used: 9 });
});
