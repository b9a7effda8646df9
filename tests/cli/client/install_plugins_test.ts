import { assertEquals, assertThrows } from "../../support/assert.ts";
import { InstallError, resolvePluginNames } from "../../../lib/cli/client/install_plugins.ts";

const AVAILABLE = {
  sources: { a: "", b: "", c: "", semantic: "" },
  sets: { primitives: ["a", "b"], all: ["a", "x"] },
};

Deno.test("resolvePluginNames() expands sets in order, without duplicates", () => {
  assertEquals(resolvePluginNames(["c"], AVAILABLE), ["c"]);
  assertEquals(resolvePluginNames(["primitives", "semantic", "a"], AVAILABLE), [
    "a",
    "b",
    "semantic",
  ]);
});

Deno.test("resolvePluginNames() throws for invalid names and names the missing plugins", () => {
  const rows: readonly [string[], RegExp][] = [
    [["../a"], /Cannot install \.\.\/a: it is not a valid plugin name/],
    [["\x1b[2J"], /Cannot install \?\[2J: it is not a valid plugin name/],
    [[""], /it is not a valid plugin name/],
    [
      ["toString"],
      /does not include toString; it includes a b c semantic; .* \.\/toString, nothing was installed/,
    ],
    [["all"], /Cannot install a x: this program does not include x;/],
  ];
  for (const [named, says] of rows) {
    assertThrows(
      () => resolvePluginNames(named, AVAILABLE),
      (error) => error instanceof InstallError && error.code === 2 && says.test(error.message),
    );
  }
});
