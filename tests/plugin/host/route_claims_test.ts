import { assertThrows } from "../../support/assert.ts";
import { type RouteClaim, RouteClaims } from "../../../lib/plugin/host/route_claims.ts";

const claim = (...routes: string[]): RouteClaim => ({ routes, fallback: false });
const LAST: RouteClaim = { routes: [], fallback: true };

Deno.test("RouteClaims.claim() refuses a route that equals, contains or is below another's", () => {
  const claims = new RouteClaims();
  const up = [["lib/a", claim("/a/b")]] as const;
  for (const route of ["/a/b", "/a", "/a/b/c"]) {
    assertThrows(
      () => claims.claim("lib/x", claim("/free", route), up),
      /`routes`: \/a.* \/lib\/a has the route \/a\/b/,
    );
  }
  claims.claim("lib/x", claim("/a/bc", "/b"), up);
  // A refused claim reserves nothing; an accepted one is reserved before its plugin is active.
  claims.claim("lib/y", claim("/free"), up);
  assertThrows(() => claims.claim("lib/z", claim("/b/c"), up), /\/lib\/x has the route \/b/);
});

Deno.test("RouteClaims.claim() accepts a second claim of the same plugin, and release() removes it", () => {
  const claims = new RouteClaims();
  const up = [["lib/a", claim("/a")]] as const;
  claims.claim("lib/a", claim("/a", "/a2"), up);
  claims.claim("lib/a", claim("/a3"), up);
  claims.claim("lib/b", claim("/a2"), up);
  assertThrows(() => claims.claim("lib/c", claim("/a3"), up));
  claims.release("lib/a");
  claims.claim("lib/c", claim("/a3"), up);
});

Deno.test("RouteClaims.claim() refuses a second fallback, active or starting", () => {
  const claims = new RouteClaims();
  claims.claim("lib/a", LAST, []);
  assertThrows(
    () => claims.claim("lib/b", LAST, []),
    /`fallback`: it is taken: \/lib\/a is the fallback/,
  );
  claims.release("lib/a");
  assertThrows(() => claims.claim("lib/b", LAST, [["lib/c", LAST]]), /lib\/c/);
  claims.claim("lib/c", LAST, [["lib/c", LAST]]);
});
