import { assertEquals } from "../../support/assert.ts";
import { hostAndPort, isPermittedHost } from "../../../plugins/kit/net_permission.ts";

Deno.test("isPermittedHost() accepts domain names and addresses", () => {
  for (const host of ["localhost", "a.b-c.example", "10.0.0.1", "[::1]", "xn--bcher-kva.example"]) {
    assertEquals(isPermittedHost(host), true, host);
  }
});

Deno.test("isPermittedHost() refuses patterns and malformed names", () => {
  for (const host of ["", "*", "*.example", "-a.example", "a..b", "a,b", "::1", "a_b"]) {
    assertEquals(isPermittedHost(host), false, host);
  }
});

Deno.test("hostAndPort() adds the default port of the scheme", () => {
  assertEquals(hostAndPort(new URL("http://a.example/x")), "a.example:80");
  assertEquals(hostAndPort(new URL("https://a.example:443/")), "a.example:443");
  assertEquals(hostAndPort(new URL("http://[::1]:8080/")), "[::1]:8080");
});
