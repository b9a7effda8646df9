import { assertEquals } from "../../support/assert.ts";
import { missingPermissions } from "../../../lib/plugin/manifest/missing_permissions.ts";

Deno.test("missingPermissions() returns the Deno flags that the server lacks", async () => {
  const permissions = { net: ["a.example"], read: ["/srv"], write: ["/srv"], env: ["LANG"] };
  const lacking = await missingPermissions(
    permissions,
    ({ name }) => Promise.resolve({ state: name === "read" ? "granted" : "denied" }),
  );
  assertEquals(lacking, "--allow-net=a.example --allow-write=/srv --allow-env=LANG");
  assertEquals(
    await missingPermissions(permissions, () => Promise.resolve({ state: "granted" })),
    undefined,
  );
});
