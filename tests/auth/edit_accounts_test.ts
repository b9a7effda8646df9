import { assert, assertEquals } from "../support/assert.ts";
import {
  hasAccountLine,
  listAccounts,
  removeAccountLine,
  setAccountLine,
} from "../../lib/auth/edit_accounts.ts";

Deno.test("setAccountLine() adds a line, replaces all lines of the name, and keeps the others", () => {
  assertEquals(setAccountLine("", "ada", "T2"), "ada:T2\n");
  assertEquals(setAccountLine("# team\nbob:T1", "ada", "T2"), "# team\nbob:T1\nada:T2\n");
  assertEquals(
    setAccountLine("ada:T9\r\nadam:T1\n ada:T3\n#ada:T1\n", "ada", "T2"),
    "adam:T1\n#ada:T1\nada:T2\n",
  );
});

Deno.test("removeAccountLine() compares names in NFC and keeps all other lines", () => {
  const text = "# ada:T2\nzoe\u0308:T2\nada:T2\nmalformed\n\n";
  assertEquals(removeAccountLine(text, "zo\u00eb"), "# ada:T2\nada:T2\nmalformed\n\n");
  assertEquals(removeAccountLine("ada:T2\n", "ada"), "");
  assert(hasAccountLine(text, "ada") && !hasAccountLine(text, "malformed"));
});

Deno.test("listAccounts() says which accounts have no usable password", () => {
  const shadow = `ada:${"a".repeat(64)}\nbob:x\n`;
  assertEquals(listAccounts("ada:T3\nbob:T1\nada:T1\neve:T9\n", shadow), [
    { name: "ada", tier: "T3", hasPassword: true },
    { name: "bob", tier: "T1", hasPassword: false },
  ]);
});
