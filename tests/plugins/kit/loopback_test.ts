import { assertEquals } from "../../support/assert.ts";
import { isLoopback } from "../../../plugins/kit/loopback.ts";

Deno.test("isLoopback() accepts names and addresses of this computer", () => {
  for (const host of ["localhost", "127.0.0.1", "127.1.2.3", "[::1]"]) {
    assertEquals(isLoopback(host), true, host);
  }
});

Deno.test("isLoopback() refuses what can mean another computer", () => {
  for (
    const host of ["x.localhost", "127.0.0.1.example.org", "128.0.0.1", "[::2]", "0.0.0.0", ""]
  ) {
    assertEquals(isLoopback(host), false, host);
  }
});
