import { deepStrictEqual as equal, throws } from "node:assert/strict";
import { chosenPlugins, InstallStopped } from "../../../lib/cli/client/install_plugins.ts";

const SHELF = {
  sources: { a: "", b: "", c: "", semantic: "" },
  sets: { primitives: ["a", "b"], all: ["a", "x"] },
};

Deno.test("chosenPlugins() opens sets, keeps the order and names nothing twice", () => {
  equal(chosenPlugins(["c"], SHELF), ["c"]);
  equal(chosenPlugins(["primitives", "semantic", "a"], SHELF), ["a", "b", "semantic"]);
});

Deno.test("chosenPlugins() refuses names that are none, and names what is missing", () => {
  const rows: readonly [string[], RegExp][] = [
    [["../a"], /Cannot install \.\.\/a: it is no plugin's name/],
    [["\x1b[2J"], /Cannot install \?\[2J: it is no plugin's name/],
    [[""], /it is no plugin's name/],
    [["toString"], /does not bring toString; it brings a b c semantic, nothing was installed/],
    [["all"], /Cannot install a x: this program does not bring x;/],
  ];
  for (const [named, says] of rows) {
    throws(
      () => chosenPlugins(named, SHELF),
      (error) => error instanceof InstallStopped && error.code === 2 && says.test(error.message),
    );
  }
});
