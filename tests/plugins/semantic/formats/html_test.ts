import { assertEquals } from "../../../support/assert.ts";
import { assertLinear } from "../../../support/growth.ts";
import { findHtmlFault } from "../../../../plugins/semantic/formats/html.ts";

const PAGE = "<!doctype html><html><head><title>t</title></head><body><p>x</p></body></html>";

Deno.test("findHtmlFault() accepts complete documents and fragments", () => {
  for (
    const text of [
      PAGE,
      `\n${PAGE}\n`,
      "<p>x</p>",
      "<h1>a < b</h1><!-- x > y --><p title='>'>c</p>",
      "<p>x</p><script>alert('<p>')</script><img src=x onerror=alert(2)>",
      "<!-- first --><p>x</p>",
      "<BODY>x</BODY>",
    ]
  ) {
    assertEquals(findHtmlFault(text), undefined, text);
  }
});

Deno.test("findHtmlFault() names what is wrong", () => {
  const rows: [text: string, fault: string][] = [
    ["Sure! <p>x</p>", "it begins with text"],
    ["plain words", "it begins with text"],
    ['{"html":"<p>x</p>"}', "it begins with text"],
    ["<p>x</p> I hope that helps", "text follows its last element"],
    ["<html><body><p>cut of", "text follows its last element"],
    ["<html><body><p>x</p>", "it ends before </html>"],
    ["<p>x<a href='", "a tag is incomplete"],
    ["<p>x<", "it is incomplete or not HTML"],
    ["<style>p{", "<style> is not closed"],
    ["<!-- never closed <p>x</p>", "a comment is not closed"],
    ["<p>x</p><!doctype html>", "its doctype is misplaced or not closed"],
    ["<!doctype svg><p>x</p>", "its doctype is not html"],
    ["<svg xmlns='http://www.w3.org/2000/svg'></svg>", "HTML cannot begin with <svg>"],
    ["</p>", "HTML cannot begin with </p>"],
    ["<?xml version='1.0'?><p>x</p>", "it is incomplete or not HTML"],
    ["<!-- only a comment -->", "it has no element"],
  ];
  for (const [text, fault] of rows) assertEquals(findHtmlFault(text), fault, text);
});

Deno.test("findHtmlFault() reads open tags in linear time", () => {
  for (const part of ["<a", "<a '", '<a "x', "<p>", "< "]) {
    const parts = (length: number) => part.repeat(Math.floor(length / part.length));
    assertLinear((length) => findHtmlFault(`<p>${parts(length)}`), 1_000_000, part);
  }
});
