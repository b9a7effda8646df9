import { deepStrictEqual as equal } from "node:assert/strict";
import { workerPermissions } from "../../../lib/plugin/transport/worker_permissions.ts";

Deno.test("workerPermissions() denies by name whatever is not listed", () => {
  const none = workerPermissions({ net: [], read: [], write: [] });
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
  const some = workerPermissions({ net: ["a:1"], read: ["/x"], write: [] });
  equal(some, { ...none, net: ["a:1"], read: ["/x"] });
});
