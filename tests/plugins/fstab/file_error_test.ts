import { assertEquals } from "../../support/assert.ts";
import { classifyFileError, fileProblem } from "../../../plugins/fstab/file_error.ts";
import { fileError } from "./memory_files.ts";

Deno.test("fileProblem() maps errors of the disk to problems that contain no path of the disk", () => {
  const rows: readonly (readonly [error: unknown, status: number, reason: string])[] = [
    [fileError("NotFound"), 404, "it does not exist"],
    [fileError("NotADirectory"), 404, "a part of the path is not a folder"],
    [fileError("TypeError"), 403, "it leads out of the mounted folder"],
    [fileError("PermissionDenied"), 403, "the server has no permission for it"],
    [fileError("ReadOnlyFilesystem"), 403, "the server has no permission for it"],
    [fileError("FilesystemLoop"), 403, "its symlinks form a loop"],
    [fileError("Error", "ENOSPC"), 507, "the disk is full"],
    [fileError("Error", "EDQUOT"), 507, "the disk is full"],
    [fileError("Error", "ENAMETOOLONG"), 400, "its name is longer than the disk allows"],
    [fileError("Error", "EIO"), 502, "the disk reported an error"],
    ["not an error", 502, "the disk reported an error"],
  ];
  for (const [error, status, reason] of rows) {
    const problem = fileProblem(error, "read", "/mnt/x");
    assertEquals(
      [problem.status, problem.message],
      [status, `Cannot read /mnt/x: ${reason}`],
    );
  }
});

Deno.test("classifyFileError() keeps the class of the error", () => {
  assertEquals(classifyFileError(fileError("NotADirectory")).name, "NotADirectory");
});
