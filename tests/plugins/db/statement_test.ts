import { rejects, strictEqual } from "node:assert/strict";
import { readStatement } from "../../../plugins/db/statement.ts";

function post(body: string | Uint8Array<ArrayBuffer>): Request {
  return new Request("http://server/dev/db", { method: "POST", body });
}
const GET = new Request("http://server/dev/db");

Deno.test("readStatement() takes the body of a POST or ?sql=", async () => {
  strictEqual(await readStatement(post("SELECT 1"), []), "SELECT 1");
  strictEqual(await readStatement(post(" \n"), ["SELECT 2"]), "SELECT 2");
  strictEqual(await readStatement(GET, ["SELECT 3"]), "SELECT 3");
});

Deno.test("readStatement() refuses none and more than one", async () => {
  await rejects(readStatement(GET, []), {
    status: 400,
    type: "/usr/share/doc/problems/bad-query.md",
    message: "Cannot query: there is no statement; POST it as the body, or GET with ?sql=",
  });
  await rejects(readStatement(GET, [""]), { status: 400 });
  await rejects(readStatement(post("SELECT 1"), ["SELECT 2"]), {
    type: "/usr/share/doc/problems/bad-body.md",
    message:
      "Cannot query: there is more than one statement; POST it as the body, or GET with ?sql=",
  });
});

Deno.test("readStatement() takes 256 KiB and refuses one byte more", async () => {
  const long = "x".repeat(256 * 1024);
  strictEqual(await readStatement(post(long), []), long);
  await rejects(readStatement(post(`${long}x`), []), { status: 413 });
});

Deno.test("readStatement() refuses bytes that are not UTF-8", async () => {
  await rejects(readStatement(post(new Uint8Array([0xff])), []), {
    status: 400,
    message: "Cannot query: the statement is not UTF-8 text",
  });
});
