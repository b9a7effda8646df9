import { assert, assertEquals, assertMatch } from "../../support/assert.ts";
import { createHash } from "node:crypto";
import { descriptionPage, wantsDescription } from "../../../lib/plugin/host/description_page.ts";
import type { Manifest } from "../../../lib/plugin/manifest/manifest.ts";

const MANIFEST: Manifest = {
  routes: ["/p"],
  auth: "T1",
  subject: false,
  config: [],
  grants: {},
  description: "d",
  fallback: false,
};

function asks(accept: string | null, route = "/p", method = "GET"): boolean {
  const headers: Record<string, string> = accept === null ? {} : { accept };
  return wantsDescription(new Request("http://localhost/p", { method, headers }), route);
}

Deno.test("wantsDescription() is true for GET and HEAD that prefer HTML, except below /mnt", () => {
  assert(asks("text/html,application/xhtml+xml,*/*;q=0.8"));
  assert(asks("text/html", "/p", "HEAD"));
  for (const accept of [null, "*/*", "application/json", "application/json, text/html;q=0.9", ""]) {
    assert(!asks(accept), String(accept));
  }
  assert(!asks("text/html", "/p", "POST"));
  for (const route of ["", "/mnt", "/mnt/work"]) assert(!asks("text/html", route), route);
  assert(asks("text/html", "/mntx"));
});

Deno.test("descriptionPage() escapes text of the plugin for HTML and for a shell", async () => {
  const evil = `"'><script>alert(1)</script>&`;
  const manifest = { ...MANIFEST, description: evil, routes: [`/a'b"<x>$(id)`, "/`id`"] };
  const page = await descriptionPage(
    `lib/${evil}`,
    manifest,
    manifest.routes[0]!,
    "http://localhost:3005/x",
  );
  const html = await page.text();
  assert(!html.includes("<script") && !html.includes("<x>") && !html.includes(evil));
  assertMatch(
    html,
    /<pre>curl &#39;http:\/\/localhost:3005\/a%27b%22%3Cx%3E%24%28id%29&#39;<\/pre>/,
  );
});

Deno.test("descriptionPage() uses the origin of the URL only if it contains no special character", async () => {
  const rows: [url: string, shown: string][] = [
    ["https://machine.example:8443/p", "https://machine.example:8443/p"],
    ["http://[::1]:3005/p", "http://[::1]:3005/p"],
    ["http://a'$(id)/p", "http://localhost:3005/p"],
    ["nonsense", "http://localhost:3005/p"],
  ];
  for (const [url, shown] of rows) {
    const html = await (await descriptionPage("lib/p", MANIFEST, "/p", url)).text();
    assert(html.includes(`curl &#39;${shown}&#39;`), url);
  }
});

Deno.test("descriptionPage() has a policy that allows only its style sheet, by hash", async () => {
  const page = await descriptionPage(
    "lib/p",
    { ...MANIFEST, auth: "T2" },
    "/p",
    "http://localhost/p",
  );
  const html = await page.text();
  const style = /<style>([^<]*)<\/style>/.exec(html)?.[1] ?? "";
  const hash = createHash("sha256").update(style).digest("base64");
  assertEquals(
    page.headers.get("content-security-policy"),
    `default-src 'none'; style-src 'sha256-${hash}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`,
  );
  assertMatch(html, /Bearer \$ELASTIK_TOKEN/);
  assertEquals(page.headers.get("x-content-type-options"), "nosniff");
});
