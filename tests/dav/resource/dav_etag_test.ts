import { assertEquals, assertStrictEquals, assertThrows } from "../../support/assert.ts";
import {
  davEtag,
  davEtagFor,
  parseDavPrecondition,
  writtenEtag,
} from "../../../lib/dav/resource/dav_etag.ts";
import { ANONYMOUS } from "../../../lib/auth/authenticate.ts";

const ENTRY = { version: 3, updatedAt: "2026-01-02T03:04:05.678Z" };

Deno.test("davEtag() contains version and time, with another tag for redacted bytes", () => {
  assertEquals(davEtag(ENTRY), '"3-019b7ca98f2e.dav"');
  assertEquals(davEtag(ENTRY, true), '"3-019b7ca98f2e.dav-seen"');
  assertEquals(davEtag({ version: 0, updatedAt: "" }), '"0-000000000000.dav"');
  assertStrictEquals(davEtagFor(ANONYMOUS, { ...ENTRY, name: "etc/fstab" }), davEtag(ENTRY, true));
  assertStrictEquals(davEtagFor(ANONYMOUS, { ...ENTRY, name: "home/a" }), davEtag(ENTRY));
  const written = { ...ENTRY, ext: "txt", sha256: "", state: "", created: true };
  assertStrictEquals(writtenEtag(written), davEtag(ENTRY));
});

Deno.test("parseDavPrecondition() converts only a current tag to its version", () => {
  const of = (headers: Record<string, string>, entry: typeof ENTRY | undefined = ENTRY) =>
    parseDavPrecondition(new Headers(headers), entry);
  assertEquals(of({}), undefined);
  assertEquals(of({ "if-match": davEtag(ENTRY) }), { match: [{ version: 3 }] });
  assertEquals(of({ "if-match": '"3-000000000000.dav"' }), { match: [] });
  assertEquals(of({ "if-match": `W/${davEtag(ENTRY)}` }), { match: [] });
  assertEquals(of({ "if-none-match": `W/${davEtag(ENTRY)}` }), { noneMatch: [{ version: 3 }] });
  assertEquals(of({ "if-match": '"3"' }), { match: [{ version: 3 }] });
  assertEquals(of({ "if-none-match": "*" }), { noneMatch: "*" });
  assertEquals(parseDavPrecondition(new Headers({ "if-match": '"x"' }), undefined), {
    match: [],
  });
  assertThrows(() => of({ "if-match": "x" }));
});

Deno.test("parseDavPrecondition() uses If-Unmodified-Since only without If-Match", () => {
  const date = "Fri, 02 Jan 2026 03:04:05 GMT";
  const headers = new Headers({ "if-unmodified-since": date });
  assertEquals(parseDavPrecondition(headers, ENTRY), {
    unmodifiedSince: Date.parse(date) + 999,
  });
});
