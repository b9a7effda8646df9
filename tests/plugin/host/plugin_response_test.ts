import { assertEquals } from "../../support/assert.ts";
import {
  isAllowedLocation,
  securePluginResponse,
  withoutFalseLength,
} from "../../../lib/plugin/host/plugin_response.ts";

const GET = { method: "GET", url: "http://localhost:3005/p/x" };

/** The headers of a response with these headers, after the change. */
function secured(headers: Record<string, string>, status = 200): Headers {
  const response = new Response(null, { status, headers });
  securePluginResponse(response, GET, ["/p"]);
  return response.headers;
}

Deno.test("securePluginResponse() adds the sandbox to the policy of the plugin", () => {
  const policyOf = (headers: Record<string, string>) =>
    secured(headers).get("content-security-policy");
  assertEquals(policyOf({}), "sandbox allow-scripts");
  for (const own of ["default-src *", "sandbox allow-same-origin allow-scripts", ""]) {
    assertEquals(
      policyOf({ "content-security-policy": own }),
      `sandbox allow-scripts, ${own}`.trim(),
    );
  }
});

Deno.test("securePluginResponse() allows no scripts if the policy of the plugin allows none", () => {
  for (const own of ["sandbox", "default-src 'none'; sandbox allow-forms", "img-src *, sandbox"]) {
    const headers = secured({ "content-security-policy": own });
    assertEquals(headers.get("content-security-policy"), `sandbox, ${own}`);
  }
});

Deno.test("securePluginResponse() decides by the values of other headers", () => {
  assertEquals(secured({}).get("x-content-type-options"), "nosniff");
  assertEquals(secured({}).get("cross-origin-resource-policy"), "same-origin");
  const open = { "cross-origin-resource-policy": "cross-origin" };
  assertEquals(secured(open).get("cross-origin-resource-policy"), "cross-origin");
  for (
    const type of ["Multipart/X-Mixed-Replace; boundary=x", "text/plain, multipart/x-mixed-replace"]
  ) {
    const replaced = secured({ "content-type": type });
    assertEquals(replaced.get("content-type"), "application/octet-stream", type);
  }
  assertEquals(secured({ link: "</p?page=2>; rel=next" }).get("link"), "</p?page=2>; rel=next");
  for (const rel of ["preload", '"next PRECONNECT"', '"pre\\load"']) {
    assertEquals(secured({ link: `<//a.example/x>; rel=${rel}` }).get("link"), null, rel);
  }
  assertEquals(secured({ location: "javascript:alert(1)" }, 302).get("location"), null);
  assertEquals(secured({ location: "/elsewhere" }, 302).get("location"), "/elsewhere");
});

Deno.test("isAllowedLocation() allows web addresses for safe methods, 201, and 303 after POST", () => {
  for (const location of ["/x", "x", "//b.example/", "https://b.example/x"]) {
    assertEquals(isAllowedLocation(location, 302, GET, []), true, location);
  }
  for (
    const location of ["javascript:1", "data:,x", "blob:x", "https://u:p@b.example/", "http://["]
  ) {
    assertEquals(isAllowedLocation(location, 302, GET, []), false, location);
  }
  for (const status of [201, 303]) {
    assertEquals(isAllowedLocation("/home/x", status, { ...GET, method: "POST" }, []), true);
  }
});

Deno.test("isAllowedLocation() keeps a repeated write below the plugin's own routes", () => {
  const put = { ...GET, method: "PUT" };
  for (const status of [300, 301, 302, 303, 307, 308]) {
    assertEquals(isAllowedLocation("/p/y", status, put, ["/p"]), true);
    for (const location of ["/lib/p/state", "/px", "/p/../home/x", "/p/%2e%2e/x", "//b/p"]) {
      assertEquals(isAllowedLocation(location, status, put, ["/p"]), false, location);
    }
  }
});

Deno.test("withoutFalseLength() gives a HEAD response of unknown length a body, and changes no other", async () => {
  const missing = withoutFalseLength("HEAD", new Response(null, { status: 404 }));
  assertEquals([missing.status, missing.body === null, await missing.text()], [404, false, ""]);
  const unchanged: [string, Response][] = [
    ["GET", new Response(null)],
    ["HEAD", new Response(null, { status: 304 })],
    ["HEAD", new Response(null, { headers: { "content-length": "7" } })],
    ["HEAD", new Response("text")],
  ];
  for (const [method, response] of unchanged) {
    assertEquals(withoutFalseLength(method, response) === response, true);
  }
});
