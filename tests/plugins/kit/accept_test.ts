/** One table of Accept headers, evaluated by the core and by the kit of the plugins. */

import { assertEquals } from "../../support/assert.ts";
import { negotiateTypes } from "../../../lib/http/negotiate.ts";
import { acceptableTypes, chooseType, parseAccept } from "../../../plugins/kit/accept.ts";

const OFFERED = ["application/json", "text/plain", "text/html", "text/csv"];

/** Header, and the types that it allows, best first. */
const CASES: readonly (readonly [accept: string | null, allowed: readonly string[]])[] = [
  [null, OFFERED],
  ["", OFFERED],
  ["  ", OFFERED],
  ["x".repeat(2049), OFFERED],
  ["*/*", OFFERED],
  ["text/plain", ["text/plain"]],
  ["TEXT/Plain", ["text/plain"]],
  ["text/*", ["text/plain", "text/html", "text/csv"]],
  ["text/plain;q=0, */*", ["application/json", "text/html", "text/csv"]],
  ["text/plain;q=0", []],
  ["image/png", []],
  ["text/html, */*;q=0.1", ["text/html", "application/json", "text/plain", "text/csv"]],
  ["text/*;q=0.5, text/csv;q=0.1", ["text/plain", "text/html", "text/csv"]],
  ["text/csv, text/html", ["text/csv", "text/html"]],
  ["*/*, text/html", ["text/html", "application/json", "text/plain", "text/csv"]],
  ["text/plain; charset=utf-8", ["text/plain"]],
  ['text/plain; charset="UTF-8"', ["text/plain"]],
  ["text/plain; charset=latin1", []],
  ["text/plain; format=flowed", []],
  ["application/json; charset=utf-8", []],
  ["application/json; charset=", ["application/json"]],
  ["text/html, text/plain;charset=utf-8", ["text/plain", "text/html"]],
  ['text/plain; a=",text/html"', []],
  ["text/html;q=0.5;level=1", []],
  ["text/html; Q=0.5, text/plain;q=0.4", ["text/html", "text/plain"]],
  ["text/html;q=, text/plain", ["text/html", "text/plain"]],
  ["text/html;q=7, text/plain", ["text/html", "text/plain"]],
  ["text/html;q=-1, text/plain", ["text/plain"]],
  ["html, text/plain", ["text/plain"]],
  [",, text/plain ,", ["text/plain"]],
  ["*", OFFERED],
  ["text/plain ,\t* ;q=0.5", ["text/plain", "application/json", "text/html", "text/csv"]],
  ["*;q=0, text/csv", ["text/csv"]],
  ["*a, a*, **", []],
];

for (const [accept, allowed] of CASES) {
  const title = accept === null ? "no Accept" : JSON.stringify(accept.slice(0, 60));
  Deno.test(`acceptableTypes() of the kit and negotiateTypes() of the core agree on ${title}`, () => {
    assertEquals(negotiateTypes(accept, OFFERED), allowed);
    assertEquals(acceptableTypes(accept, OFFERED).map(({ type }) => type), allowed);
  });
}

Deno.test("acceptableTypes() of the kit and negotiateTypes() of the core agree on made-up headers", () => {
  const parts = [
    ..."text/plain,text/html,text/*,*/*,application/json,text/csv,image/png,html".split(","),
    ...[";q=0", ";q=0.5", ";q=1", "; q=x", ";q", ";charset=utf-8", "; a=1", ';a="b,c"'],
    ...[",", ", ", ",,", ";", "=", '"', "\\", " ", "\t", "q=0.3"],
  ];
  let seed = 7;
  const next = (below: number): number => {
    seed = (seed * 1103515245 + 12345) % 2 ** 31;
    return Math.floor(seed / 65536) % below;
  };
  for (let round = 0; round < 20_000; round++) {
    const accept = Array.from({ length: 1 + next(9) }, () => parts[next(parts.length)]).join("");
    const types = acceptableTypes(accept, OFFERED).map(({ type }) => type);
    assertEquals(types, negotiateTypes(accept, OFFERED), accept);
  }
});

Deno.test("acceptableTypes() returns the media range that allowed a type", () => {
  assertEquals(acceptableTypes("text/*, text/html;q=0.5, */*;q=0.1", OFFERED), [
    { type: "text/plain", range: "text/*" },
    { type: "text/csv", range: "text/*" },
    { type: "text/html", range: "text/html" },
    { type: "application/json", range: "*/*" },
  ]);
});

Deno.test("chooseType() returns the best type, or undefined", () => {
  assertEquals(chooseType(null, OFFERED), "application/json");
  assertEquals(chooseType("text/*", OFFERED), "text/plain");
  assertEquals(chooseType("image/*", OFFERED), undefined);
});

Deno.test("parseAccept() returns ranges with their parameters and weights", () => {
  const found = parseAccept('text/html;level="1\\"2" ; q=0.5, */*').map((
    { range, parameters, q },
  ) => [range, [...parameters], q]);
  assertEquals(found, [["text/html", [["level", '1"2']], 0.5], ["*/*", [], 1]]);
});
