import {
  parseLockInfo,
  SUPPORTED_LOCK_XML,
  writeLockDiscovery,
} from "../../../lib/dav/locks/lock_xml.ts";
import { parseXml } from "../../../lib/dav/xml/xml_reader.ts";
import { Problem } from "../../../lib/http/problem.ts";
import { MAX_LOCK_OWNER_CHARS } from "../../../lib/dav_limits.ts";
import { assertEquals, assertMatch, assertThrows } from "../../support/assert.ts";

function parse(children: string, root = "lockinfo") {
  const text = `<D:${root} xmlns:D="DAV:">${children}</D:${root}>`;
  return parseLockInfo(parseXml(new TextEncoder().encode(text)));
}

const EXCLUSIVE = "<D:lockscope><D:exclusive/></D:lockscope>";
const SHARED = "<D:lockscope><D:shared/></D:lockscope>";
const WRITE = "<D:locktype><D:write/></D:locktype>";

Deno.test("parseLockInfo() returns the scope, and the owner as XML", () => {
  assertEquals(parse(EXCLUSIVE + WRITE), { exclusive: true, owner: "" });
  const { exclusive, owner } = parse(`${WRITE}${SHARED}<D:owner>A &amp; B</D:owner>`);
  assertEquals(exclusive, false);
  assertEquals(owner, '<n0:owner xmlns:n0="DAV:">A &amp; B</n0:owner>');
});

Deno.test("parseLockInfo() throws bad-body unless there is one scope and the type write", () => {
  const invalid: readonly (readonly [children: string, root?: string])[] = [
    [""],
    [EXCLUSIVE],
    [WRITE],
    ["<D:lockscope><D:exclusive/><D:shared/></D:lockscope>" + WRITE],
    [EXCLUSIVE + "<D:locktype><D:read/></D:locktype>"],
    [EXCLUSIVE + WRITE, "lock"],
  ];
  for (const [children, root] of invalid) {
    assertThrows(
      () => parse(children, root),
      (error) => error instanceof Problem && error.type === "bad-body",
      children,
    );
  }
});

Deno.test(`parseLockInfo() accepts an owner of ${MAX_LOCK_OWNER_CHARS} characters, and not one more`, () => {
  const empty = parse(`${EXCLUSIVE}${WRITE}<D:owner>x</D:owner>`).owner.length - 1;
  const owner = (length: number) => `<D:owner>${"x".repeat(length - empty)}</D:owner>`;
  const longest = parse(EXCLUSIVE + WRITE + owner(MAX_LOCK_OWNER_CHARS));
  assertEquals(longest.owner.length, MAX_LOCK_OWNER_CHARS);
  assertThrows(
    () => parse(EXCLUSIVE + WRITE + owner(MAX_LOCK_OWNER_CHARS + 1)),
    (error) => error instanceof Problem && error.type === "bad-body",
  );
});

Deno.test("writeLockDiscovery() writes an activelock for each lock", () => {
  assertEquals(writeLockDiscovery([]), "<D:lockdiscovery/>");
  const lock = {
    path: "/home/a b",
    depth: "infinity",
    exclusive: true,
    owner: "<D:owner>me</D:owner>",
    seconds: 60,
    token: "urn:uuid:1",
    holder: { tier: "T2", by: "T2" },
    expires: 0,
  } as const;
  const text = writeLockDiscovery([lock]);
  assertEquals(
    text,
    "<D:lockdiscovery><D:activelock><D:locktype><D:write/></D:locktype>" +
      "<D:lockscope><D:exclusive/></D:lockscope><D:depth>infinity</D:depth>" +
      "<D:owner>me</D:owner><D:timeout>Second-60</D:timeout>" +
      "<D:locktoken><D:href>urn:uuid:1</D:href></D:locktoken>" +
      "<D:lockroot><D:href>/dav/home/a%20b</D:href></D:lockroot></D:activelock></D:lockdiscovery>",
  );
});

Deno.test("SUPPORTED_LOCK_XML names exclusive and shared write locks", () => {
  assertEquals(SUPPORTED_LOCK_XML.match(/<D:lockentry>/g)?.length, 2);
  assertMatch(SUPPORTED_LOCK_XML, /<D:exclusive\/>.*<D:shared\/>/);
});
