import assert from "node:assert/strict";
import { escalation } from "../../../lib/plugin/manifest/missing_permissions.ts";

Deno.test("escalation() names the flags the server would have needed", async () => {
  const permissions = { net: ["a.example"], read: ["/srv"], write: ["/srv"], env: ["LANG"] };
  const lacking = await escalation(
    permissions,
    ({ name }) => Promise.resolve({ state: name === "read" ? "granted" : "denied" }),
  );
  assert.equal(lacking, "--allow-net=a.example --allow-write=/srv --allow-env=LANG");
  assert.equal(
    await escalation(permissions, () => Promise.resolve({ state: "granted" })),
    undefined,
  );
});
