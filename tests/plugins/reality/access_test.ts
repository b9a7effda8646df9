import { assertEquals } from "../../support/assert.ts";
import { refusalUnlessAllowed } from "../../../plugins/reality/access.ts";

/** Status of the refusal of a caller whose capability has these prefixes; 0 if it may continue. */
async function statusFor(tier: string, prefixes: unknown, allowed: string[]): Promise<number> {
  const fetch = (path: string): Promise<Response> =>
    Promise.resolve(
      path === "/auth/whoami" ? Response.json({ prefixes }) : new Response(null, { status: 403 }),
    );
  const refusal = await refusalUnlessAllowed(
    { caller: { tier, fetch }, machine: { fetch } },
    allowed,
  );
  return refusal?.status ?? 0;
}

Deno.test("refusalUnlessAllowed() lets T3 continue", async () => {
  assertEquals(await statusFor("T3", undefined, []), 0);
});

Deno.test("refusalUnlessAllowed() checks the prefix that a capability was minted with", async () => {
  assertEquals(await statusFor("T2", ["/self"], ["/self"]), 0);
  assertEquals(await statusFor("T2", ["/self/lib", "/self/lib/x"], ["/self"]), 0);
  assertEquals(await statusFor("T2", ["/", "/self"], ["/self"]), 403);
  assertEquals(await statusFor("T2", ["/selfish"], ["/self"]), 403);
  assertEquals(await statusFor("T2", ["/self"], []), 403);
});

Deno.test("refusalUnlessAllowed() refuses a caller without a capability", async () => {
  for (const prefixes of [undefined, null, [], [1], "x"]) {
    assertEquals(await statusFor("T2", prefixes, ["/self"]), 403);
  }
});
