/** Worlds in UTF-16 in a browser: the same views as in UTF-8. */

import { assertEquals } from "../support/assert.ts";
import { decodeUtf16 } from "../../shell/charset.js";
import { openPage, startBrowser } from "./browser.ts";
import { startBrowserServer } from "./browser_server.ts";

/** UTF-16 with a byte order mark. */
function utf16(text: string, isLittleEndian: boolean): Uint8Array<ArrayBuffer> {
  const view = new DataView(new ArrayBuffer(2 + 2 * text.length));
  view.setUint16(0, 0xfeff, isLittleEndian);
  for (let at = 0; at < text.length; at++) {
    view.setUint16(2 + 2 * at, text.charCodeAt(at), isLittleEndian);
  }
  return new Uint8Array(view.buffer);
}

Deno.test("decodeUtf16() decodes both byte orders and nothing else", () => {
  for (const isLittleEndian of [true, false]) {
    assertEquals(decodeUtf16(utf16("gr\u00fcn 😀", isLittleEndian)), "gr\u00fcn 😀");
    assertEquals(decodeUtf16(utf16("a", isLittleEndian).subarray(0, 3)), undefined);
    assertEquals(decodeUtf16(utf16("\ud83d", isLittleEndian)), undefined);
  }
  for (const bytes of [[], [0xff], [0xef, 0xbb, 0xbf, 0x61], [0x61, 0]]) {
    assertEquals(decodeUtf16(Uint8Array.from(bytes)), undefined);
  }
});

Deno.test("the shell shows UTF-16 tables, JSON and Markdown, and bytes for the rest", async () => {
  const browser = await startBrowser();
  const server = await startBrowserServer();
  try {
    await server.put("/home/t.csv", utf16("name;gr\u00f6\u00dfe\r\nada;7\r\n", true));
    await server.put("/home/t.md", utf16("# \u00dcber\r\n", false));
    await server.put("/home/t.json", utf16('{"gr\u00fcn": 1}', true));
    await server.put("/home/t.txt", Uint8Array.of(0xff, 0xfe, 0x61));
    const { page } = await openPage(browser);
    const shown = [
      ["t.csv", "table th", "gr\u00f6\u00dfe"],
      ["t.md", ".markdown-content h1", "\u00dcber"],
      ["t.json", ".json-content", "gr\u00fcn"],
      ["t.txt", ".hex-content", "ff fe 61"],
    ] as const;
    for (const [name, selector, hasText] of shown) {
      await page.goto(`${server.url}/home/${name}`);
      await page.locator(selector, { hasText }).waitFor();
    }
  } finally {
    await browser.close();
    await server.stop();
  }
});
