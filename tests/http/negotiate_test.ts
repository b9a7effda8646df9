import { assert, assertEquals } from "../support/assert.ts";
import { createTypeChooser, negotiateTypes, prefersText } from "../../lib/http/negotiate.ts";
import { ACCEPT_CACHE_ENTRIES, MAX_ACCEPT_CHARS } from "../../lib/limits.ts";

const WORLD = ["application/json", "text/plain", "text/html"];
const LISTING = ["text/plain", "application/json", "text/html"];

const CHROME =
  "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8,application/signed-exchange;v=b3;q=0.7";
const FIREFOX = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";
const OLD_FIREFOX =
  "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/png,image/svg+xml,*/*;q=0.8";
const IMG = "image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8";
const JSON_TYPE = "application/json";

/** Accept header, media type of a world, media type of a listing. */
const CLIENTS: readonly [who: string, accept: string | null, world: string, listing: string][] = [
  ["no header", null, JSON_TYPE, "text/plain"],
  ["a blank header", "", JSON_TYPE, "text/plain"],
  ["curl, fetch and wget", "*/*", JSON_TYPE, "text/plain"],
  ["Chrome and Edge opening a page", CHROME, "text/html", "text/html"],
  ["Firefox and Safari opening a page", FIREFOX, "text/html", "text/html"],
  ["an older Firefox", OLD_FIREFOX, "text/html", "text/html"],
  ["a browser loading an image", IMG, JSON_TYPE, "text/plain"],
  ["a browser loading a stylesheet", "text/css,*/*;q=0.1", JSON_TYPE, "text/plain"],
  ["EventSource, which nothing offered suits", "text/event-stream", JSON_TYPE, JSON_TYPE],
  ["axios", "application/json, text/plain, */*", JSON_TYPE, JSON_TYPE],
  ["lynx", "text/html, text/plain, text/sgml, */*;q=0.01", "text/html", "text/html"],
  ["a pipe that asks for text", "text/plain", "text/plain", "text/plain"],
  ["text with its charset", "text/plain; charset=utf-8", "text/plain", "text/plain"],
  ["text in a charset we do not send", "text/plain;charset=latin1", JSON_TYPE, JSON_TYPE],
  ["any text", "text/*", "text/plain", "text/plain"],
  ["JSON", "application/json", JSON_TYPE, JSON_TYPE],
  ["an image only, which nothing offered suits", "image/png", JSON_TYPE, JSON_TYPE],
  ["upper case", "TEXT/HTML", "text/html", "text/html"],
];

const worldForm = createTypeChooser(WORLD, JSON_TYPE);
const listingForm = createTypeChooser(LISTING, JSON_TYPE);

for (const [who, accept, world, listing] of CLIENTS) {
  Deno.test(`createTypeChooser() serves ${who}`, () => {
    assertEquals([worldForm(accept), listingForm(accept)], [world, listing]);
    assertEquals(
      [worldForm(accept), listingForm(accept)],
      [world, listing],
      "the second time, from memory",
    );
  });
}

Deno.test("createTypeChooser() never returns a type with q=0, even for */*", () => {
  assertEquals(worldForm("application/json;q=0, */*"), "text/plain");
  assertEquals(worldForm("text/html;q=0, text/*"), "text/plain");
  assertEquals(listingForm("*/*, text/plain;q=0.000"), JSON_TYPE);
});

Deno.test("createTypeChooser() prefers the more specific range, in any order", () => {
  assertEquals(worldForm("text/plain;q=0.2, text/*;q=0.9"), "text/html");
  assertEquals(worldForm("text/*;q=0.9, text/plain;q=0.2"), "text/html");
  assertEquals(worldForm("*/*;q=0.9, application/json;q=0.1"), "text/plain");
});

Deno.test("createTypeChooser() applies q-values before order", () => {
  assertEquals(worldForm("text/html;q=0.5, text/plain;q=0.6"), "text/plain");
  assertEquals(worldForm("text/html, application/json"), "text/html");
  assertEquals(worldForm("application/json, text/html"), JSON_TYPE);
});

Deno.test("createTypeChooser() returns a result for malformed headers and never throws", () => {
  for (
    const accept of [",", ";", "q=1", "/", "text", "text/html;q=x", "a/b;q=", '"', "\\", ";;;,,"]
  ) {
    assert(WORLD.includes(worldForm(accept)), accept);
  }
});

Deno.test("createTypeChooser() without offers returns the fallback", () => {
  assertEquals(createTypeChooser([], "text/plain")(null), "text/plain");
  assertEquals(worldForm("*"), worldForm("*/*"));
  assertEquals(createTypeChooser([], "text/plain")("*/*"), "text/plain");
});

Deno.test("createTypeChooser() stays correct when many different headers fill its cache", () => {
  const form = createTypeChooser(WORLD, JSON_TYPE);
  for (let i = 0; i < 3 * ACCEPT_CACHE_ENTRIES; i++) {
    assertEquals(form(`x/y${i}, text/plain;q=0.5`), "text/plain");
    assertEquals(form(FIREFOX), "text/html");
  }
});

Deno.test("negotiateTypes() returns the acceptable types, best first", () => {
  assertEquals(negotiateTypes(null, WORLD), WORLD);
  assertEquals(negotiateTypes("text/html, application/json;q=0.9", WORLD), [
    "text/html",
    "application/json",
  ]);
  assertEquals(negotiateTypes("image/png", WORLD), []);
});

Deno.test("negotiateTypes() negotiates a header of the maximum length and ignores a longer one", () => {
  const fits = "text/html,".padEnd(MAX_ACCEPT_CHARS, " ");
  assertEquals(negotiateTypes(fits, WORLD), ["text/html"]);
  assertEquals(negotiateTypes(fits + " ", WORLD), WORLD);
});

Deno.test("negotiateTypes() does not parse a header of one megabyte", () => {
  const atMost = (chars: number) => "a/b,".repeat(Math.floor(chars / 4));
  assertEquals(negotiateTypes(atMost(MAX_ACCEPT_CHARS), WORLD), []);
  assertEquals(negotiateTypes(atMost(1_000_000), WORLD), WORLD);
});

Deno.test("prefersText() returns true for browsers and for text/plain", () => {
  for (const accept of [CHROME, FIREFOX, "text/plain", "text/*", "text/html;q=0.2"]) {
    assertEquals(prefersText(accept), true, accept);
  }
  for (const accept of [null, "*/*", "application/json", "text/event-stream", IMG, "image/png"]) {
    assertEquals(prefersText(accept), false, String(accept));
  }
  assertEquals(prefersText("application/problem+json, text/plain;q=0.5"), false);
});
