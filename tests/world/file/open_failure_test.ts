import { assertEquals, assertStrictEquals } from "../../support/assert.ts";
import {
  handlesFailure,
  isOnReadOnlyDisk,
  openFailure,
} from "../../../lib/world/file/open_failure.ts";
import { withTempFolder } from "../../support/temp_folder.ts";

// A read-only disk is in tests/faults/data_folder_replaced_test.ts, which can mount one.
Deno.test("openFailure() returns the error of SQLite if the system has no other reason", () =>
  withTempFolder((folder) => {
    const path = `${folder}/universe.db`;
    Deno.writeTextFileSync(path, "");
    const before = Deno.statSync(path).mode;
    for (const errcode of [10, 14, 26]) {
      const error = Object.assign(new Error("SQLite"), { errcode });
      assertStrictEquals(openFailure(path, error), error);
      assertStrictEquals(openFailure(`${folder}/none`, error), error);
    }
    assertEquals([isOnReadOnlyDisk(path), Deno.statSync(path).mode], [false, before]);
    return Promise.resolve();
  }));

Deno.test("handlesFailure() returns an error unchanged if it has another reason, or handles are free", () =>
  withTempFolder((folder) => {
    for (const message of ["unable to open database file", "disk I/O error", "no such table: x"]) {
      const error = new Error(message);
      assertStrictEquals(handlesFailure(folder, error), error);
    }
    return Promise.resolve();
  }));
