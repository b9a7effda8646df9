import { assertEquals, assertThrows } from "../../support/assert.ts";
import { parseSettings } from "../../../plugins/semantic/settings.ts";

const INITIAL = { budget: 20, cache: 256, source: 65_536, timeout: 120 };

Deno.test("parseSettings() returns the initial values without a configuration", () => {
  assertEquals(parseSettings(undefined), INITIAL);
  assertEquals(parseSettings(""), INITIAL);
  assertEquals(parseSettings("# only a comment\n\n"), INITIAL);
});

Deno.test("parseSettings() reads names and numbers, with or without an equals sign", () => {
  assertEquals(parseSettings("budget 7 # a minute\r\n\ntimeout = 9\n"), {
    ...INITIAL,
    budget: 7,
    timeout: 9,
  });
});

Deno.test("parseSettings() uses the last line of a setting", () => {
  assertEquals(parseSettings("cache 1\ncache 2"), { ...INITIAL, cache: 2 });
});

Deno.test("parseSettings() accepts the limits of each setting and nothing beyond", () => {
  const rows: [name: string, min: number, max: number][] = [
    ["budget", 0, 10_000],
    ["cache", 0, 4096],
    ["source", 256, 1_048_576],
    ["timeout", 1, 280],
  ];
  for (const [name, min, max] of rows) {
    for (const value of [min, max]) {
      assertEquals(parseSettings(`${name} ${value}`), { ...INITIAL, [name]: value });
    }
    assertThrows(() => parseSettings(`${name} ${max + 1}`), {
      message: `Cannot read /etc/semantic.conf: ${name} is ${max + 1}; ` +
        `${min} to ${max} are allowed`,
    });
    if (min > 0) assertThrows(() => parseSettings(`${name} ${min - 1}`), /are allowed/);
  }
});

Deno.test("parseSettings() refuses a line that is not a name and a whole number", () => {
  for (
    const entry of ["bugdet 7", "budget", "budget -1", "budget 1.5", "budget 1 2", "toString 1"]
  ) {
    assertThrows(() => parseSettings(`\n${entry}`), {
      message: `Cannot read /etc/semantic.conf: line 2 is "${entry}"; ` +
        "write a name (budget, cache, source, timeout) and a whole number",
    });
  }
});
