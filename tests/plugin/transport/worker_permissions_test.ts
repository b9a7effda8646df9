import { deepStrictEqual as equal } from "node:assert/strict";
import { toWorkerPermissions } from "../../../lib/plugin/transport/worker_permissions.ts";

Deno.test("toWorkerPermissions() denies explicitly each permission that is not listed", () => {
  const none = toWorkerPermissions({ net: [], read: [], write: [] });
  equal(none, {
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
  equal(some, { ...none, net: ["a:1"], read: ["/x"] });
});
