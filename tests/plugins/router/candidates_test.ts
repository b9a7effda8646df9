import { assertEquals } from "../../support/assert.ts";
import {
  candidatesFor,
  certainPath,
  nearPaths,
  questionNames,
  readCandidates,
  similarPaths,
} from "../../../plugins/router/candidates.ts";
import { readRequestedPath } from "../../../plugins/router/requested_path.ts";

function requested(path: string) {
  return readRequestedPath(new URL(`http://server${encodeURI(path)}`));
}

/** Candidates of worlds with these names. */
function candidatesOf(...names: string[]) {
  return readCandidates(names.map((name) => ({ name })));
}

Deno.test("readCandidates() lists worlds and collections, recent first, without hidden ones", () => {
  const row = (name: string, at: string) => ({ name, updated_at: at });
  const candidates = readCandidates([
    row("home/old", "2026-01-01T00:00:00Z"),
    row("home/a/new", "2026-02-01T00:00:00Z"),
    row("home/a", "2025-02-01T00:00:00Z"),
    ...["usr/x", "var/x", "lib/x", "boot/x", "etc/shadow", "etc/Shadow", "etc/shadow/x"].map((
      name,
    ) => row(name, "2027")),
    row("etc/x.conf", ""),
    null,
    7,
    { name: 7 },
  ]);
  assertEquals(candidates.map(({ path }) => path), [
    "/home/a/new",
    "/home/a/",
    "/home/old",
    "/home/a",
    "/etc/x.conf",
  ]);
  assertEquals(candidates.filter(({ isWorldToo }) => isWorldToo).map(({ path }) => path), [
    "/home/a/",
  ]);
  assertEquals(readCandidates({}), []);
  const many = Array.from(
    { length: 6000 },
    (_, i) => row(`home/w${i}`, String(i).padStart(5, "0")),
  );
  assertEquals(readCandidates(many).length, 5000);
  assertEquals(readCandidates(many)[0]?.path, "/home/w5999");
});

Deno.test("candidatesFor() keeps to the namespace, the tier and the kind of the path", () => {
  const all = candidatesOf("home/a/b", "home/a", "etc/c");
  const paths = (path: string, tier = "T2") =>
    candidatesFor(all, requested(path), tier).map(({ path }) => path);
  assertEquals(paths("/x"), ["/home/a/b", "/home/a", "/etc/c"]);
  assertEquals(paths("/x", "T1"), ["/home/a/b", "/home/a"]);
  assertEquals(paths("/etc/x"), ["/etc/c"]);
  assertEquals(paths("/x/"), ["/home/a/"]);
});

Deno.test("nearPaths() compares the end of a name, the whole of one in a namespace", () => {
  const candidates = candidatesOf("home/deep/sales-report", "home/sales-report.md", "home/other");
  assertEquals(nearPaths(requested("/salse-report"), candidates), [
    { path: "/home/deep/sales-report", edits: 1 },
    { path: "/home/sales-report.md", edits: 1 },
  ]);
  assertEquals(nearPaths(requested("/home/sales_report"), candidates), [
    { path: "/home/sales-report.md", edits: 0 },
  ]);
});

Deno.test("certainPath() returns a path only if no other one is near", () => {
  const certain = (...edits: number[]) =>
    certainPath(edits.map((edits, i) => ({ path: String(i), edits })));
  assertEquals(certain(), undefined);
  assertEquals(certain(2), "0");
  assertEquals(certain(0, 1), "0");
  assertEquals(certain(0, 2), "0");
  assertEquals(certain(0, 0), undefined);
  assertEquals(certain(1, 2), undefined);
});

Deno.test("similarPaths() ranks names, and demands more within a namespace", () => {
  const candidates = candidatesOf("home/weather", "home/sales-report", "home/sales-plan");
  assertEquals(similarPaths(requested("/my sales report"), candidates), [
    "/home/sales-report",
    "/home/sales-plan",
  ]);
  assertEquals(similarPaths(requested("/home/sales-reports"), candidates), [
    "/home/sales-report",
  ]);
  assertEquals(similarPaths(requested("/home/sales-report-2"), candidates), []);
});

Deno.test("questionNames() adds recent names outside the namespaces only", () => {
  const candidates = candidatesOf("home/a/b", "home/c");
  const names = (path: string, most: number) =>
    questionNames(
      requested(path),
      [{ path: "/home/near", edits: 1 }],
      ["/home/c"],
      candidates,
      most,
    );
  assertEquals(names("/x", 9), ["/home/near", "/home/c", "/home/a/b"]);
  assertEquals(names("/x/", 9), ["/home/near", "/home/c", "/home/a/b", "/home/a/"]);
  assertEquals(names("/home/x", 9), ["/home/near", "/home/c"]);
  assertEquals(names("/x", 1), ["/home/near"]);
});

Deno.test("questionNames() limits the length of all names together", () => {
  const candidates = candidatesOf(
    ...Array.from({ length: 50 }, (_, i) => `home/${"n".repeat(300)}${i}`),
  );
  const names = questionNames(requested("/x"), [], [], candidates, 50);
  assertEquals(names.join("").length <= 8192, true);
  assertEquals(names.length, 26);
});
