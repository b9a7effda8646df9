import { assertEquals, assertMatch, assertNotThrows, assertThrows } from "../../support/assert.ts";
import {
  assertSameOrigin,
  isNavigation,
  shellResponse,
} from "../../../plugins/semantic/browser.ts";

const BROWSER_ACCEPT = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";

Deno.test("isNavigation() recognizes a page that is opened in a tab", () => {
  for (
    const headers of [
      { "sec-fetch-mode": "navigate", "sec-fetch-dest": "document" },
      { "upgrade-insecure-requests": "1", "accept": BROWSER_ACCEPT },
    ]
  ) {
    assertEquals(isNavigation(new Headers(headers)), true, JSON.stringify(headers));
  }
});

Deno.test("isNavigation() is false for fetches, images, frames and other clients", () => {
  for (
    const headers of [
      { "accept": BROWSER_ACCEPT },
      { "sec-fetch-mode": "cors", "sec-fetch-dest": "empty" },
      { "sec-fetch-mode": "no-cors", "sec-fetch-dest": "image" },
      { "sec-fetch-mode": "navigate", "sec-fetch-dest": "iframe" },
      { "upgrade-insecure-requests": "1", "accept": "*/*" },
      { "upgrade-insecure-requests": "1" },
    ]
  ) {
    assertEquals(isNavigation(new Headers(headers)), false, JSON.stringify(headers));
  }
});

Deno.test("assertSameOrigin() refuses requests from other sites and subdomains", () => {
  for (const site of ["cross-site", "same-site"]) {
    assertThrows(() => assertSameOrigin(new Headers({ "sec-fetch-site": site })), { status: 403 });
  }
  for (const site of ["same-origin", "none"]) {
    assertNotThrows(() => assertSameOrigin(new Headers({ "sec-fetch-site": site })));
  }
  assertNotThrows(() => assertSameOrigin(new Headers()));
});

Deno.test("shellResponse() asks for the shell and names the headers that decided so", () => {
  const { headers } = shellResponse();
  assertEquals(headers.get("x-show"), "shell");
  assertMatch(headers.get("vary") ?? "", /^Accept, .*, Sec-Fetch-Mode, /);
});
