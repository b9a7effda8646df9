import { assert, assertEquals } from "../../support/assert.ts";
import { readSettings } from "../../../plugins/router/settings.ts";

const DEFAULTS = readSettings("").settings;

Deno.test("readSettings() reads all settings and has a default for each", () => {
  assertEquals(readSettings(""), {
    settings: { allowRemote: false, budget: 20, candidates: 50, timeout: 8 },
    faults: [],
  });
  const text = "# mine\r\nallow_remote = yes\n\n budget=0 # none\ncandidates = 7\ntimeout = 25";
  assertEquals(readSettings(text), {
    settings: { allowRemote: true, budget: 0, candidates: 7, timeout: 25 },
    faults: [],
  });
});

Deno.test("readSettings() returns the defaults and names the line if one line is not valid", () => {
  const bad: [string, RegExp][] = [
    ["allow_remote = true", /^\/etc\/router\.conf line 1: allow_remote must be yes or no$/],
    ["allow_remote = yes\nbudget = -1", /line 2: budget must be a whole number from 0 to 600/],
    ["budget = 601", /line 1: budget/],
    ["budget = 1e2", /line 1: budget/],
    ["candidates = 0", /from 1 to 50/],
    ["candidates = 51", /from 1 to 50/],
    ["timeout = 26", /from 1 to 25/],
    ["timeout = 5\ntimeout = 5", /line 2: timeout is set twice/],
    ["allow_remote yes", /line 1: it is not one of/],
    ["__proto__ = 1", /line 1: it is not one of/],
    ["constructor = 1", /line 1: it is not one of/],
    ["allow_remote =", /line 1: it is not one of/],
    ["allow_remote = yes\n<html>", /line 2/],
  ];
  for (const [text, fault] of bad) {
    const { settings, faults } = readSettings(text);
    assertEquals(settings, DEFAULTS, text);
    assertEquals(faults.length, 1, text);
    assert(fault.test(faults[0] ?? ""), `${text}: ${faults[0]}`);
  }
});
