import assert from "node:assert/strict";
import { missingPermissions } from "../../../lib/plugin/manifest/missing_permissions.ts";

Deno.test("missingPermissions() returns the Deno flags that the server lacks", async () => {
  const permissions = { net: ["a.example"], read: ["/srv"], write: ["/srv"], env: ["LANG"] };
  const lacking = await missingPermissions(
    permissions,
    ({ name }) => Promise.resolve({ state: name === "read" ? "granted" : "denied" }),
  );
  assert.equal(lacking, "--allow-net=a.example --allow-write=/srv --allow-env=LANG");
  assert.equal(
    await missingPermissions(permissions, () => Promise.resolve({ state: "granted" })),
    undefined,
  );
});
