/** Tests of the formats of edits. */
import { assertStrictEquals } from "../support/assert.ts";
import { EDIT_FORMATS, toEditFormat } from "../../lib/world/edit_format.ts";

Deno.test("toEditFormat() takes each format with UTF-8 or without a charset", () => {
  for (const format of EDIT_FORMATS) {
    assertStrictEquals(toEditFormat(format), format);
    for (const suffix of ["; charset=utf-8", ';CHARSET="UTF-8"', "; charset=utf8 ; x=y"]) {
      assertStrictEquals(toEditFormat(`${format.toUpperCase()}${suffix}`), format, suffix);
    }
    assertStrictEquals(toEditFormat(`${format}; charset=utf-16`), undefined);
    assertStrictEquals(toEditFormat(`${format}x`), undefined);
  }
  for (
    const other of [null, "", "text/plain", "application/octet-stream", "text/html, text/x-diff"]
  ) {
    assertStrictEquals(toEditFormat(other), undefined);
  }
});
