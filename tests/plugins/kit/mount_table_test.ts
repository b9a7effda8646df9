import { assertEquals, assertMatch } from "../../support/assert.ts";
import {
  type Mount,
  mountedFolders,
  mountTableFault,
  readMountTable,
} from "../../../plugins/kit/mount_table.ts";

/** The only mount of a line that must be valid. */
function mountOf(line: string): Mount | undefined {
  const { mounts, faults } = readMountTable(line);
  assertEquals(faults, []);
  const [mount] = mounts.values();
  return mount;
}

Deno.test("readMountTable() reads a folder, with spaces and a slash at its end", () => {
  assertEquals(mountOf("  /srv/my docs/ \t /mnt/docs/  rw "), {
    name: "docs",
    line: 1,
    mode: "rw",
    kind: "file",
    folder: "/srv/my docs",
    timeoutMs: 15_000,
  });
});

Deno.test("readMountTable() reads file URLs and folders of Windows", () => {
  assertEquals(mountOf("file:///srv/a%20b?# /mnt/a ro")?.folder, "/srv/a b?#");
  assertEquals(mountOf("file://localhost/srv /mnt/a ro")?.folder, "/srv");
  assertEquals(mountOf("file:///C:/docs /mnt/a ro")?.folder, "C:/docs");
  assertEquals(mountOf("C:/docs /mnt/a ro")?.folder, "C:/docs");
});

Deno.test("readMountTable() reads a web server with its options", () => {
  const mount = mountOf("https://api.example.org:8443/v1/ /mnt/api ro,timeout=2.5,bearer=a=b");
  assertEquals(mount?.base?.href, "https://api.example.org:8443/v1");
  assertEquals([mount?.kind, mount?.bearer, mount?.timeoutMs], ["https", "a=b", 2500]);
});

Deno.test("readMountTable() keeps a line with a scheme that has no adapter", () => {
  assertEquals(mountOf("sftp://host/x /mnt/x ro"), {
    name: "x",
    line: 1,
    mode: "ro",
    kind: "sftp",
    timeoutMs: 15_000,
  });
});

Deno.test("readMountTable() converts mount names to NFC", () => {
  assertEquals(mountOf("/srv /mnt/u\u0308 ro")?.name, "\u00fc");
});

const FAULTS: readonly (readonly [line: string, words: RegExp])[] = [
  ["/mnt/a ro", /^it is not `source \/mnt\/name ro\|rw\[,options\]`$/],
  ["/srv /media/a ro", /^the field before the last is not \/mnt\/<name>/],
  ["/srv /mnt/.a ro", /^the field before the last is not \/mnt\/<name>/],
  ["/srv /mnt/a ro # docs", /comments have lines of their own/],
  ["/srv /mnt/a readonly", /^the mode of \/mnt\/a is neither ro nor rw$/],
  ["srv /mnt/a ro", /^\/mnt\/a: its source is neither an absolute path nor scheme:\/\/…$/],
  ["/ /mnt/a ro", /^\/mnt\/a: a whole disk cannot be mounted/],
  ["C:/ /mnt/a ro", /^\/mnt\/a: a whole disk cannot be mounted/],
  ["/srv/../etc /mnt/a ro", /^\/mnt\/a: the folder contains a control character, a backslash,/],
  ["/srv//x /mnt/a ro", /^\/mnt\/a: the folder contains/],
  [`/${"x".repeat(1000)} /mnt/a ro`, /^\/mnt\/a: the path of the folder is longer than 1000/],
  ["/srv/a,b /mnt/a ro", /^\/mnt\/a: the path of the folder contains a comma$/],
  ["/proc/1 /mnt/a ro", /^\/mnt\/a: \/proc, \/sys and \/dev cannot be mounted$/],
  ["/srv /mnt/a ro,x", /^\/mnt\/a: it has an unknown option/],
  ["/srv /mnt/a ro,timeout=1", /^\/mnt\/a: it has an unknown option/],
  ["file://other/srv /mnt/a ro", /^\/mnt\/a: its file:\/\/ URL names another computer$/],
  ["file:///%zz /mnt/a ro", /^\/mnt\/a: its file:\/\/ URL contains a percent escape/],
  ["http:// /mnt/a ro", /^\/mnt\/a: its URL is not valid$/],
  ["/srv;bearer=x /mnt/a ro", /^\/mnt\/a: the option bearer=… is in the field of the source$/],
  ["http://u:12/p@h/ /mnt/a ro", /^\/mnt\/a: its URL contains @; write %40/],
  ["http://u:p@h/ /mnt/a ro", /^\/mnt\/a: its URL contains a user or a password/],
  ["http://h/?q /mnt/a ro", /^\/mnt\/a: its URL contains a query or a fragment$/],
  ["http://h_x/ /mnt/a ro", /^\/mnt\/a: its host cannot be named in a permission$/],
  ["http://h/ /mnt/a ro,timeout=26", /^\/mnt\/a: its timeout is not 0\.1 to 25 seconds$/],
  ["http://h/ /mnt/a ro,timeout=x", /^\/mnt\/a: its timeout is not/],
  ["http://h/ /mnt/a ro,bearer=", /^\/mnt\/a: its bearer is not a token$/],
];

for (const [line, words] of FAULTS) {
  Deno.test(`readMountTable() reports \`${line.slice(0, 60)}\` and mounts the next line`, () => {
    const { mounts, faults } = readMountTable(`${line}\n/srv /mnt/next ro`);
    assertEquals(faults[0]?.line, 1);
    assertMatch(faults[0]?.reason ?? "", words);
    assertEquals([[...mounts.keys()], faults.length], [["next"], 1]);
  });
}

Deno.test("readMountTable() keeps the first of two lines with one mount point", () => {
  const { mounts, faults } = readMountTable("/a /mnt/x ro\n/b /mnt/x rw\n");
  assertEquals(mounts.get("x")?.folder, "/a");
  assertEquals(faults, [{ line: 2, reason: "/mnt/x is already mounted by line 1" }]);
});

Deno.test("readMountTable() accepts 64 mounts and reports the rest", () => {
  const lines = Array.from({ length: 66 }, (_, i) => `/srv/${i} /mnt/m${i} ro`);
  const { mounts, faults } = readMountTable(lines.join("\n"));
  assertEquals(mounts.size, 64);
  assertEquals(faults.map(({ line }) => line), [65, 66]);
});

Deno.test("mountTableFault() names every line and nothing of its source", () => {
  const table = readMountTable("http://h/ /mnt/a ro,bearer=sec ret\n/srv/a,b /mnt/b ro\n");
  const fault = mountTableFault(table) ?? "";
  assertMatch(
    fault,
    /^\/etc\/fstab line 1: .*; line 2: \/mnt\/b: the path of the folder contains a comma$/,
  );
  assertEquals(fault.includes("sec"), false);
});

Deno.test("mountTableFault() is at most 1000 characters long", () => {
  const table = readMountTable("x\n".repeat(100));
  assertEquals(mountTableFault(table)?.length, 1000);
});

Deno.test("mountedFolders() lists each folder once, the longest path first", () => {
  const table = readMountTable(
    "/a /mnt/a rw\n/a/bb /mnt/b ro\n/a /mnt/c ro\nhttp://h/ /mnt/d ro\nx\n",
  );
  assertEquals(mountedFolders(table, "ro"), ["/a/bb", "/a"]);
  assertEquals(mountedFolders(table, "rw"), ["/a"]);
});
