import { assertEquals, assertStrictEquals, assertThrows } from "../../support/assert.ts";
import type { Caller } from "../../../lib/auth/caller.ts";
import { PluginAuthority } from "../../../lib/plugin/host/plugin_authority.ts";

const RULES = { isConfigPath: (path: string) => path === "/etc/x", isCurrent: () => true };
const T3: Caller = Object.freeze({ tier: "T3", by: "T3", authenticated: true });

Deno.test("PluginAuthority.machine is a frozen caller of tier T1", () => {
  const { machine } = new PluginAuthority("p", { "/var/x/": "rw" }, RULES);
  const { isEnded: _, ...own } = machine;
  assertEquals(own, {
    tier: "T1",
    by: "plugin:p",
    authenticated: true,
    grants: { "/var/x/": "rw" },
  });
  assertThrows(() => Object.assign(machine, { tier: "T3" }), TypeError);
});

Deno.test("PluginAuthority.delegate() keeps the rights of the caller and names the plugin and the holder", () => {
  const authority = new PluginAuthority("p", {}, RULES);
  const once = authority.delegate(T3);
  assertStrictEquals(authority.delegate(T3), once);
  assertEquals([once.tier, once.by, once.delegation?.plugin], ["T3", "T3", "p"]);
  assertStrictEquals(once.delegation?.holder, T3);
  assertEquals(once.delegation?.isConfigPath("/etc/x"), true);
  const twice = new PluginAuthority("q", {}, RULES).delegate(once);
  assertStrictEquals(twice.delegation?.holder, T3);
  assertEquals(twice.delegation?.plugin, "q");
});

Deno.test("PluginAuthority.end() ends its callers, and those of plugins that they have called", () => {
  const [p, q] = [new PluginAuthority("p", {}, RULES), new PluginAuthority("q", {}, RULES)];
  const callers = [
    p.machine,
    p.delegate(T3),
    q.delegate(p.machine),
    q.delegate(p.delegate(T3)),
    q.machine,
    q.delegate(T3),
  ];
  const areEnded = () => callers.map(({ isEnded }) => isEnded?.());
  assertEquals(areEnded(), [false, false, false, false, false, false]);
  p.end();
  assertEquals(areEnded(), [true, true, true, true, false, false]);
  assertEquals(T3.isEnded, undefined);
});
