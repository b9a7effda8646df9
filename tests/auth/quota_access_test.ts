import { canReadQuota } from "../../lib/auth/quota_access.ts";
import { LOCAL } from "../../lib/auth/authenticate.ts";
import type { Caller } from "../../lib/auth/caller.ts";
import { assertEquals } from "../support/assert.ts";

const T3: Caller = { tier: "T3", by: "T3" };
const ADA: Caller = { tier: "T2", by: "user:ada" };
const HOLDER: Caller = {
  tier: "T2",
  by: "cap:/home/team#k",
  scope: { prefixes: ["/home/team"], mode: "rw", exp: 9e9, root: "x", names: ["k"] },
};
const PLUGIN: Caller = { tier: "T2", by: "plugin:p", grants: { "/home/team/": "rw" } };

Deno.test("canReadQuota() allows what the caller could add up itself", () => {
  const readable = (caller: Caller) =>
    [
      "prefix:/",
      "prefix:/etc",
      "prefix:/etc/fstab",
      "prefix:/home",
      "prefix:/home/team",
      "user:ada",
      "name:k",
      "plugin:p",
    ].filter((subject) => canReadQuota(caller, subject));
  const home = ["prefix:/home", "prefix:/home/team"];
  assertEquals(readable(T3).length, 8);
  assertEquals(readable(LOCAL), home);
  assertEquals(readable(ADA), [...home, "user:ada"]);
  assertEquals(readable(HOLDER), ["prefix:/home/team"]);
  assertEquals(readable(PLUGIN), ["prefix:/home/team"]);
});
