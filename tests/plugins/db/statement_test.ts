import { assertEquals, assertRejects, assertStrictEquals } from "../../support/assert.ts";
import { readStatement } from "../../../plugins/db/statement.ts";

function post(body: string | Uint8Array<ArrayBuffer>): Request {
  return new Request("http://server/dev/db", { method: "POST", body });
}
const GET = new Request("http://server/dev/db");

Deno.test("readStatement() returns the body of a POST or ?sql=", async () => {
  assertEquals(await readStatement(post("SELECT 1"), []), "SELECT 1");
  assertEquals(await readStatement(post(" \n"), ["SELECT 2"]), "SELECT 2");
  assertEquals(await readStatement(GET, ["SELECT 3"]), "SELECT 3");
});

Deno.test("readStatement() refuses a request without a statement or with two", async () => {
  await assertRejects(readStatement(GET, []), {
    status: 400,
    type: "/usr/share/doc/problems/bad-query.md",
    message: "Cannot query: there is no statement; POST it as the body, or GET with ?sql=",
  });
  await assertRejects(readStatement(GET, [""]), { status: 400 });
  await assertRejects(readStatement(post("SELECT 1"), ["SELECT 2"]), {
    type: "/usr/share/doc/problems/bad-body.md",
    message:
      "Cannot query: there is more than one statement; POST it as the body, or GET with ?sql=",
  });
});

Deno.test("readStatement() accepts 256 KiB and refuses one byte more", async () => {
  const long = "x".repeat(256 * 1024);
  assertStrictEquals(await readStatement(post(long), []), long);
  await assertRejects(readStatement(post(`${long}x`), []), { status: 413 });
});

Deno.test("readStatement() refuses bytes that are not UTF-8", async () => {
  await assertRejects(readStatement(post(new Uint8Array([0xff])), []), {
    status: 400,
    message: "Cannot query: the statement is not UTF-8 text",
  });
});

Deno.test("readStatement() refuses a NUL character, where SQLite would end the statement", async () => {
  const message = "Cannot query: the statement contains a NUL character, where SQLite would end it";
  await assertRejects(readStatement(post("SELECT 1\0; x"), []), { status: 400, message });
  await assertRejects(readStatement(GET, ["SELECT 1\0"]), { status: 400, message });
});
