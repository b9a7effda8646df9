import { assertEquals } from "../../support/assert.ts";
import { passesFromPlugin, WITHHELD_HEADERS } from "../../../lib/plugin/cell/forwarded_response.ts";

Deno.test("passesFromPlugin() passes headers of the representation and a plugin's own", () => {
  for (
    const name of [
      "content-type",
      "etag",
      "vary",
      "retry-after",
      "x-gpu-model",
      "x-accel-buffering",
    ]
  ) {
    assertEquals([passesFromPlugin(name), WITHHELD_HEADERS.has(name)], [true, false], name);
  }
});

Deno.test("passesFromPlugin() withholds headers of the origin, of credentials and of proxies", () => {
  for (
    const name of [
      "set-cookie",
      "clear-site-data",
      "service-worker-allowed",
      "www-authenticate",
      "strict-transport-security",
      "access-control-allow-origin",
      "refresh",
      "connection",
      "__proto__",
      "x-accel-redirect",
      "x-sendfile",
      "x-dns-prefetch-control",
    ]
  ) {
    assertEquals([passesFromPlugin(name), WITHHELD_HEADERS.has(name)], [false, true], name);
  }
});
