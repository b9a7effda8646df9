import { throws } from "node:assert/strict";
import { type RouteClaim, RouteClaims } from "../../../lib/plugin/host/route_claims.ts";

const claim = (...routes: string[]): RouteClaim => ({ routes, fallback: false });
const LAST: RouteClaim = { routes: [], fallback: true };

Deno.test("RouteClaims.claim() refuses what lies in, above or at another's route", () => {
  const claims = new RouteClaims();
  const up = [["lib/a", claim("/a/b")]] as const;
  for (const route of ["/a/b", "/a", "/a/b/c"]) {
    throws(
      () => claims.claim("lib/x", claim("/free", route), up),
      /`routes`: \/a.* lib\/a holds \/a\/b/,
    );
  }
  claims.claim("lib/x", claim("/a/bc", "/b"), up);
  // A refused claim left nothing behind, and an accepted one is held before its plugin is up.
  claims.claim("lib/y", claim("/free"), up);
  throws(() => claims.claim("lib/z", claim("/b/c"), up), /lib\/x holds \/b/);
});

Deno.test("RouteClaims lets a plugin claim anew what is its own, and forgets what is released", () => {
  const claims = new RouteClaims();
  const up = [["lib/a", claim("/a")]] as const;
  claims.claim("lib/a", claim("/a", "/a2"), up);
  claims.claim("lib/a", claim("/a3"), up);
  claims.claim("lib/b", claim("/a2"), up);
  throws(() => claims.claim("lib/c", claim("/a3"), up));
  claims.release("lib/a");
  claims.claim("lib/c", claim("/a3"), up);
});

Deno.test("RouteClaims has one fallback, up or on its way", () => {
  const claims = new RouteClaims();
  claims.claim("lib/a", LAST, []);
  throws(() => claims.claim("lib/b", LAST, []), /`fallback`: it is taken: lib\/a holds it/);
  claims.release("lib/a");
  throws(() => claims.claim("lib/b", LAST, [["lib/c", LAST]]), /lib\/c/);
  claims.claim("lib/c", LAST, [["lib/c", LAST]]);
});
