import { assertEquals } from "../../support/assert.ts";
import {
  ancestors,
  locksBelow,
  locksCovering,
  parentOf,
} from "../../../lib/dav/locks/lock_paths.ts";
import type { Lock } from "../../../lib/dav/locks/locks.ts";

Deno.test("ancestors() and parentOf() return the paths above a path up to the root", () => {
  assertEquals(ancestors("/home/a/b"), ["/home/a", "/home", "/"]);
  assertEquals(ancestors("/"), []);
  assertEquals(parentOf("/home"), "/");
});

Deno.test("locksCovering() and locksBelow() find the locks of a path and of its tree", () => {
  const lock = (path: string, depth: Lock["depth"]): Lock => ({
    path,
    depth,
    token: `urn:uuid:${path}`,
    exclusive: true,
    owner: "",
    holder: { tier: "T2", by: "T2" },
    seconds: 60,
    expires: 1,
  });
  const [deep, flat, leaf] = [lock("/a", "infinity"), lock("/a/b", "0"), lock("/a/b/c", "0")];
  const roots = new Map([deep, flat, leaf].map((found) => [found.path, [found]]));
  assertEquals(locksCovering(roots, "/a/b/c"), [leaf, deep]);
  assertEquals(locksCovering(roots, "/ab"), []);
  assertEquals(locksBelow(roots, "/a"), [flat, leaf]);
  assertEquals(locksBelow(roots, "/"), [deep, flat, leaf]);
  assertEquals(locksBelow(roots, "/a/b/c"), []);
});
