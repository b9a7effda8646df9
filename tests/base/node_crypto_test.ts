import { assert, assertEquals } from "../support/assert.ts";
import { nodeCrypto } from "../../lib/base/node_crypto.ts";
import * as imported from "node:crypto";

Deno.test("nodeCrypto() returns the functions of node:crypto", () => {
  for (const name of ["createHash", "createHmac", "hash", "timingSafeEqual"] as const) {
    assert(nodeCrypto()[name] === imported[name], name);
  }
  assertEquals(nodeCrypto(), nodeCrypto());
});
