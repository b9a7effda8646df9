import { assertEquals, assertMatch, assertStrictEquals } from "../../support/assert.ts";
import {
  byName,
  formatListing,
  listingForm,
  listingResponse,
  shellResponse,
} from "../../../plugins/fstab/listing.ts";

const ROWS = [
  { name: "a", dir: true },
  { name: "b.txt", dir: false, size: 3 },
  { name: "line 2", dir: false, line: 2, problem: "x" },
];

function get(headers: Record<string, string> = {}, method = "GET"): Request {
  return new Request("http://m/mnt/", { headers, method });
}

Deno.test("listingForm() follows Accept, and is text if Accept allows no form", () => {
  const rows: readonly (readonly [accept: string, form: string])[] = [
    ["*/*", "text/plain"],
    ["application/json", "application/json"],
    ["text/html,application/xhtml+xml,*/*;q=0.8", "text/html"],
    ["text/plain;q=0, */*", "application/json"],
    ["image/png", "text/plain"],
  ];
  for (const [accept, form] of rows) assertStrictEquals(listingForm(get({ accept })), form, accept);
  assertEquals(listingForm(get()), "text/plain");
});

Deno.test("formatListing() marks folders and faults in text, and keeps all fields in JSON", () => {
  assertEquals(formatListing(ROWS, "text/plain"), "a/\nb.txt\n# line 2: x\n");
  assertEquals(JSON.parse(formatListing(ROWS, "application/json")), ROWS);
});

Deno.test("listingResponse() has an entity tag per form and answers 304", async () => {
  const text = await listingResponse(get(), ROWS, "text/plain", "/mnt/", { allow: "GET" });
  assertEquals(await text.text(), "a/\nb.txt\n# line 2: x\n");
  const etag = text.headers.get("etag") ?? "";
  assertMatch(etag, /^"[0-9a-f]{16}\.list"$/);
  assertEquals(text.headers.get("allow"), "GET");
  const again = get({ "if-none-match": etag });
  assertEquals((await listingResponse(again, ROWS, "text/plain", "/mnt/")).status, 304);
  assertEquals((await listingResponse(again, ROWS, "application/json", "/mnt/")).status, 200);
});

Deno.test("listingResponse() answers HEAD with the length and no body", async () => {
  const response = await listingResponse(get({}, "HEAD"), ROWS, "text/plain", "/mnt/");
  assertEquals([response.headers.get("content-length"), await response.text()], ["21", ""]);
});

Deno.test("shellResponse() asks the server for the shell's page", () => {
  assertEquals(shellResponse().headers.get("x-show"), "shell");
});

Deno.test("byName() orders rows by code units", () => {
  const names = ["b", "B", "a"].map((name) => ({ name, dir: false })).sort(byName);
  assertEquals(names.map(({ name }) => name), ["B", "a", "b"]);
});
