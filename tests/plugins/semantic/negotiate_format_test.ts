import { assertEquals, assertThrows } from "../../support/assert.ts";
import { negotiateFormat } from "../../../plugins/semantic/negotiate_format.ts";

Deno.test("negotiateFormat() chooses by quality, specificity and order", () => {
  const rows: [accept: string | null, type: string][] = [
    [null, "text/plain"],
    [" ", "text/plain"],
    ["*/*", "text/plain"],
    ["*", "text/plain"],
    ["*;q=0.5, text/html;q=0.4", "text/plain"],
    ["text/*", "text/plain"],
    ["text/plain;charset=UTF-8", "text/plain"],
    ["text/html", "text/html"],
    ["text/html;q=0.5, application/json", "application/json"],
    ["application/json, text/html", "application/json"],
    ["text/html, application/json", "text/html"],
    ["*/*, text/csv", "text/csv"],
    ["image/*", "image/svg+xml"],
    ["application/xml", "application/xml"],
    ["text/*, text/plain;q=0", "text/markdown"],
    ["*/*;q=0.1, text/markdown;q=0.2, text/html;q=0", "text/markdown"],
    ["video/mp4, application/json;q=0.001", "application/json"],
    ["x".repeat(3000), "text/plain"],
  ];
  for (const [accept, type] of rows) {
    assertEquals(negotiateFormat(accept).format.type, type, `${accept}`);
  }
});

Deno.test("negotiateFormat() refuses an Accept that allows no format", () => {
  for (
    const accept of [
      "image/png",
      "text/plain;q=0",
      "*/*;q=0",
      "text/html;level=1",
      "nonsense",
      "text/event-stream, text/html;level=1",
      "text/event-stream, text/plain;q=0",
    ]
  ) {
    assertThrows(() => negotiateFormat(accept), { status: 406 }, accept);
  }
});

Deno.test("negotiateFormat() streams only if text/event-stream is named and not refused", () => {
  const rows: [accept: string, isStream: boolean, type: string][] = [
    ["text/event-stream, text/html", true, "text/html"],
    ["text/html, text/event-stream;q=0.1", true, "text/html"],
    ["TEXT/EVENT-STREAM;charset=utf-8, text/csv", true, "text/csv"],
    ["text/event-stream;q=0, text/html", false, "text/html"],
    ["text/*", false, "text/plain"],
    ["*/*", false, "text/plain"],
    [`text/event-stream, text/html${" ".repeat(2048)}`, false, "text/plain"],
  ];
  for (const [accept, isStream, type] of rows) {
    const choice = negotiateFormat(accept);
    assertEquals([choice.isStream, choice.format.type], [isStream, type], accept);
  }
});

Deno.test("negotiateFormat() refuses a stream without an inner media type", () => {
  assertThrows(() => negotiateFormat("text/event-stream"), {
    status: 400,
    message: "Cannot choose a format: Accept is only text/event-stream; " +
      "add the media type of the text, as in text/event-stream, text/html",
  });
});

Deno.test("negotiateFormat() accepts the source only if text/plain is named and preferred", () => {
  const rows: [accept: string | null, acceptsSource: boolean][] = [
    ["text/plain", true],
    ["text/plain, */*;q=0.1", true],
    ["text/event-stream, text/plain", true],
    ["text/plain;charset=utf-8", true],
    ["*/*", false],
    ["text/*", false],
    [null, false],
    ["text/plain;q=0.5, text/html", false],
    ["image/png, text/plain;q=0.8", false],
    ["image/png, text/plain", false],
    ["image/png;q=0, text/plain;q=0.8", true],
    ["text/plain, image/png", true],
    ["*/*, text/plain", true],
    ["text/event-stream, image/png, text/plain;q=0.8", false],
  ];
  for (const [accept, acceptsSource] of rows) {
    assertEquals(negotiateFormat(accept).acceptsSource, acceptsSource, `${accept}`);
  }
});

Deno.test("negotiateFormat() remembers a result", () => {
  assertEquals(negotiateFormat("text/csv"), negotiateFormat("text/csv"));
});
