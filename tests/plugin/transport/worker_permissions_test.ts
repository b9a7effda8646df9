import { assertEquals } from "../../support/assert.ts";
import { toWorkerPermissions } from "../../../lib/plugin/transport/worker_permissions.ts";

Deno.test("toWorkerPermissions() denies explicitly each permission that is not listed", () => {
  const none = toWorkerPermissions({ net: [], read: [], write: [] });
  assertEquals(none, {
    net: false,
    read: false,
    write: false,
    env: false,
    run: false,
    ffi: false,
    sys: false,
    import: false,
  });
  const some = toWorkerPermissions({ net: ["a:1"], read: ["/x"], write: [] });
  assertEquals(some, { ...none, net: ["a:1"], read: ["/x"] });
});
