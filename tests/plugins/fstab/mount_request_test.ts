import {
  assert,
  assertEquals,
  assertNotThrows,
  assertStrictEquals,
  assertThrows,
} from "../../support/assert.ts";
import {
  allowedMethods,
  assertAllowed,
  assertNames,
  decodeSegments,
  filesOf,
  isUpload,
} from "../../../plugins/fstab/mount_request.ts";
import type { Mount } from "../../../plugins/kit/mount_table.ts";
import { memoryFiles, RW } from "./memory_files.ts";

const UPLOAD = `.elastik-${"0".repeat(36)}.part`;
const RO: Mount = { ...RW, mode: "ro" };
const WEB: Mount = {
  name: "api",
  line: 1,
  mode: "rw",
  kind: "http",
  base: new URL("http://h/"),
  timeoutMs: 1,
};

Deno.test("decodeSegments() decodes each segment separately", () => {
  assertEquals(decodeSegments("/mnt/a%20b/%C3%BC%2Fx/"), ["mnt", "a b", "ü/x", ""]);
  assertThrows(() => decodeSegments("/mnt/%zz"), { status: 400 });
});

Deno.test("allowedMethods() include writing only for a folder that is rw", () => {
  assertEquals(allowedMethods(RW), "GET, HEAD, OPTIONS, POST, PUT");
  assertEquals(allowedMethods(RO), "GET, HEAD, OPTIONS");
  assertEquals(allowedMethods(WEB), "GET, HEAD, OPTIONS");
});

Deno.test("assertAllowed() checks the method before the tier", () => {
  const anonymous = { tier: "T1", by: "T1" };
  assertThrows(() => assertAllowed("PUT", "/mnt/w/x", RO, anonymous), {
    status: 405,
    message: "Cannot PUT /mnt/w/x: the mount is ro",
    headers: { allow: "GET, HEAD, OPTIONS" },
  });
  assertThrows(() => assertAllowed("PUT", "/mnt/api/x", WEB, anonymous), {
    message: "Cannot PUT /mnt/api/x: http mounts are read-only",
  });
  assertThrows(() => assertAllowed("DELETE", "/mnt/w/x", RW, anonymous), { status: 405 });
});

Deno.test("assertAllowed() requires T2 for writing", () => {
  const write = (tier: string, by: string) => assertAllowed("PUT", "/mnt/w/x", RW, { tier, by });
  assertThrows(
    () => write("T1", "T1"),
    (error: unknown) =>
      Reflect.get(Object(error), "status") === 401 &&
      /^Bearer /.test(Reflect.get(Object(error), "headers")["www-authenticate"]),
  );
  assertThrows(() => write("T1", "ada"), { status: 403 });
  assertNotThrows(() => write("T2", "T2"));
  assertNotThrows(() => assertAllowed("GET", "/mnt/w/x", RW, { tier: "T1", by: "T1" }));
});

Deno.test("assertNames() refuses segments that are not names", () => {
  for (const segment of ["", ".", "..", "..;x", ".;", "a/b", "a\\b", "a\u0000", "a\u007f"]) {
    assertThrows(() => assertNames(["a", segment], "/mnt/w/x", RW), { status: 403 }, segment);
  }
  for (const segment of ["a", "...", "..a", "%2e%2e", "a;b"]) {
    assertNotThrows(() => assertNames([segment], "/mnt/w/x", RW), segment);
  }
});

Deno.test("assertNames() hides a file that is being written, in folders only", () => {
  assertThrows(() => assertNames([UPLOAD], "/mnt/w/x", RW), { status: 404 });
  assertNotThrows(() => assertNames([UPLOAD], "/mnt/api/x", WEB));
  assert(isUpload(UPLOAD));
  assert(!isUpload(`${UPLOAD}x`));
});

Deno.test("filesOf() throws unavailable if no folder is granted", () => {
  const env = { config: {}, caller: { tier: "T1", by: "T1" } };
  assertThrows(() => filesOf(env, "/mnt/w/x"), { status: 503 });
  const files = memoryFiles({});
  assertStrictEquals(filesOf({ ...env, files }, "/mnt/w/x"), files);
});
