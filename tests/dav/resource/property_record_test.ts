import { PROPERTY_RECORDS, recordWorldName } from "../../../lib/dav/resource/property_record.ts";
import { assert, assertEquals } from "../../support/assert.ts";

const { isAttached, ownerOf } = PROPERTY_RECORDS;

function read(name: string, text: string) {
  return ownerOf({ name, body: new TextEncoder().encode(text) });
}

Deno.test("PROPERTY_RECORDS names the owner of a record, and of nothing else", () => {
  const [own, other] = [recordWorldName("/home/x"), recordWorldName("/home/y")];
  const record = JSON.stringify({ of: "/home/x", by: "user:ada", properties: [] });
  assertEquals(read(own, record), { name: "home/x", by: "user:ada" });
  // Of an earlier version.
  assertEquals(read(own, '{"of":"/home/x"}'), { name: "home/x", by: "" });
  // Content that names another resource would count for the quota of its owner.
  assertEquals(read(other, record), undefined);
  for (const text of ["", "[", "null", "7", "{}", '{"of":1}', '{"of":"/home/x","by":1}']) {
    assertEquals(read(own, text), undefined, text);
  }
});

Deno.test("PROPERTY_RECORDS takes worlds only that the server wrote", () => {
  assert(isAttached({ name: recordWorldName("/home/x"), by: "dav" }));
  assert(isAttached({ name: recordWorldName("/etc/shadow"), by: "dav" }));
  // Not read yet.
  assert(isAttached({ name: recordWorldName("/home/x"), by: "" }));
  assert(!isAttached({ name: recordWorldName("/home/x"), by: "T3" }));
  assert(!isAttached({ name: "home/x", by: "dav" }));
  assert(!isAttached({ name: "var/lib/davos/x", by: "dav" }));
});
