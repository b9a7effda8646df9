/** The parser of `/etc/quota`, and which rules a world counts for. */

import { assert, assertEquals, assertMatch } from "../support/assert.ts";
import { MAX_QUOTA_LINES } from "../../lib/usage_limits.ts";
import {
  parseQuotaList,
  QuotaError,
  type QuotaList,
  quotaListFault,
  rulesFor,
  subjectOfCaller,
} from "../../lib/world/quota_list.ts";

const encode = (text: string) => new TextEncoder().encode(text);

function parse(text: string): QuotaList {
  const parsed = parseQuotaList(encode(text));
  assert(!("fault" in parsed), JSON.stringify(parsed));
  return parsed;
}

Deno.test("parseQuotaList() reads subjects, limits and units", () => {
  const list = parse(
    "# limits\n\nprefix:/home/team bytes:10GiB worlds:1000\r\n name:kestrel\tbytes:1KiB \n" +
      "user:ada worlds:0\nplugin:gpu bytes:1 trash:2MiB\nprefix:/home/two words/ bytes:5\nprefix:/ worlds:9",
  );
  assertEquals([...list.values()], [
    { subject: "prefix:/home/team", bytes: 10 * 2 ** 30, worlds: 1000, trash: Infinity },
    { subject: "name:kestrel", bytes: 1024, worlds: Infinity, trash: Infinity },
    { subject: "user:ada", bytes: Infinity, worlds: 0, trash: Infinity },
    { subject: "plugin:gpu", bytes: 1, worlds: Infinity, trash: 2 ** 21 },
    { subject: "prefix:/home/two words", bytes: 5, worlds: Infinity, trash: Infinity },
    { subject: "prefix:/", bytes: Infinity, worlds: 9, trash: Infinity },
  ]);
});

Deno.test("parseQuotaList() refuses a malformed line with its number", () => {
  for (
    const line of [
      "prefix:/home/team",
      "prefix:home/team bytes:1",
      "prefix:/home/../etc bytes:1",
      "prefix:/home//x bytes:1",
      "prefix:/home/%41 bytes:1",
      "prefix:/home/a bytes:-1",
      "prefix:/home/a bytes:1.5",
      "prefix:/home/a bytes:1e9",
      "prefix:/home/a bytes:01",
      "prefix:/home/a bytes:1GB",
      "prefix:/home/a worlds:1KiB",
      "prefix:/home/a bytes:9007199254740992",
      "prefix:/home/a bytes:9007199254740991TiB",
      "prefix:/home/a bytes:1 bytes:2",
      "prefix:/home/a bytes:1 files:2",
      "prefix:/home/a bytes:1 worlds:x",
      "prefix:/home/a trash:x",
      "prefix:/home/a trash:1 trash:1",
      "name:a/b bytes:1",
      "name:~id bytes:1",
      "name: bytes:1",
      "tier:T2 bytes:1",
      `user:${"x".repeat(2000)} bytes:1`,
      "kestrel 10",
    ]
  ) {
    const fault = quotaListFault(encode(`# first\n${line}\n`));
    assertMatch(fault ?? "", /^line 2 /, line);
  }
  assertMatch(quotaListFault(new Uint8Array([0xff, 0xfe, 0xfd])) ?? "", /is not text/);
});

Deno.test("parseQuotaList() refuses two lines for one subject, however the path is spelled", () => {
  for (const again of ["prefix:/home/caf\u00e9", "prefix:/home/cafe\u0301/", "prefix:/home/café"]) {
    const fault = quotaListFault(encode(`prefix:/home/café bytes:1\n${again} bytes:9\n`));
    assertMatch(fault ?? "", /^line 2 is about the same subject/);
  }
  assertEquals(parse("prefix:/home/Team bytes:1\nprefix:/home/team bytes:1").size, 2);
});

Deno.test("parseQuotaList() allows a number of lines and not one more", () => {
  const atLimit = "#\n".repeat(MAX_QUOTA_LINES - 1);
  assertEquals(quotaListFault(encode(atLimit)), undefined);
  assertMatch(quotaListFault(encode(`${atLimit}#\n#\n`)) ?? "", /at most/);
});

Deno.test("rulesFor() returns the rules of the path, of what is above it, and of the caller", () => {
  const list = parse(
    "prefix:/ bytes:1\nprefix:/home/a bytes:2\nprefix:/home/a/b bytes:3\nuser:ada bytes:4\nname:k bytes:5",
  );
  const subjects = (name: string, by: string) =>
    rulesFor(list, name, by).map(({ subject }) => subject);
  assertEquals(subjects("home/a/b", "T2"), ["prefix:/", "prefix:/home/a", "prefix:/home/a/b"]);
  assertEquals(subjects("home/ab", "user:ada"), ["prefix:/", "user:ada"]);
  assertEquals(subjects("var/x", "cap:/home/x#k/j"), ["prefix:/", "name:k"]);
});

Deno.test("subjectOfCaller() is the first name, which the holder cannot choose", () => {
  assertEquals(subjectOfCaller("cap:/home/a#k"), "name:k");
  assertEquals(subjectOfCaller("cap:/home/a/b#k/j"), "name:k");
  assertEquals(subjectOfCaller("cap:/home/a#j/k"), "name:j");
  assertEquals(subjectOfCaller("cap:/home/a#~176-9f/k"), undefined);
  assertEquals(subjectOfCaller("cap:/home/a"), undefined);
  assertEquals(subjectOfCaller("user:ada"), "user:ada");
  assertEquals(subjectOfCaller("plugin:gpu"), "plugin:gpu");
  for (const by of ["T1", "T2", "T2:local", "T3", "boot", ""]) {
    assertEquals(subjectOfCaller(by), undefined);
  }
});

Deno.test("QuotaError is too-large only if the world would exceed the whole quota", () => {
  const found = { subject: "prefix:/home", unit: "bytes", limit: 10, used: 7 } as const;
  const fault = { ...found, needed: 4, length: 9 };
  const error = new QuotaError(fault, "home/x");
  assertEquals(error.code, "quota");
  assertEquals(
    error.message,
    "the quota of prefix:/home is 10 bytes, and the change needs 4 more; delete or shorten worlds " +
      "below /home, or ask the operator to raise it in /etc/quota",
  );
  assertEquals(new QuotaError({ ...fault, length: 10 }, "home/x").code, "quota");
  assertEquals(new QuotaError({ ...fault, length: 11 }, "home/x").code, "too-large");
});
