import { assert, assertEquals } from "../../support/assert.ts";
import { countNodes } from "../../../lib/dav/xml/count_nodes.ts";

Deno.test("countNodes() counts elements, attributes and other markup", () => {
  const cases: readonly (readonly [string, number])[] = [
    ["", 0],
    ["<a/>", 1],
    ["<a>text</a>", 1],
    ["<a b='1' c = \"2\"><d/></a>", 4],
    ["<a b='<x>=>'>=</a>", 2],
    ["<?xml version='1.0'?><a><!-- <b c='d'> --></a>", 3],
    ["<a><![CDATA[<b><c>]]></a>", 2],
    ["<a b c d='1'e='2'/>", 5],
    ["<a b='", 2],
    ["<a><!-- <b>", 2],
  ];
  for (const [text, expected] of cases) {
    assertEquals([text, countNodes(text, 100)], [text, expected]);
  }
});

Deno.test("countNodes() stops above the limit", () => {
  const count = countNodes(`<a ${"b='' ".repeat(10_000)}/>`, 10);
  assert(count > 10 && count < 20);
});
