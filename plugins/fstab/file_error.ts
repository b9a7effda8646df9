/**
 * What an error of the file system means to a client. The text never contains a path of the disk.
 */

import { Problem, type ProblemType } from "../kit/problem.ts";

/** A file error in the terms of HTTP. */
export interface FileFailure {
  readonly type: ProblemType;
  /** The class of the runtime's error, such as `NotADirectory`. */
  readonly name: string;
  /** Why, as the end of a sentence. */
  readonly reason: string;
}

/** Classifies an error that `env.files` threw. */
export function classifyFileError(error: unknown): FileFailure {
  const name = error instanceof Error ? error.name : "Error";
  const code: unknown = error instanceof Error ? Reflect.get(error, "code") : undefined;
  switch (name) {
    case "NotFound":
      return { type: "not-found", name, reason: "it does not exist" };
    case "NotADirectory":
      return { type: "not-found", name, reason: "a part of the path is not a folder" };
    case "TypeError":
      return { type: "forbidden", name, reason: "it leads out of the mounted folder" };
    case "PermissionDenied":
    case "NotCapable":
    case "ReadOnlyFilesystem":
      return { type: "forbidden", name, reason: "the server has no permission for it" };
    case "FilesystemLoop":
      return { type: "forbidden", name, reason: "its symlinks form a loop" };
  }
  if (code === "ENOSPC" || code === "EDQUOT") {
    return { type: "insufficient-storage", name, reason: "the disk is full" };
  }
  if (code === "ENAMETOOLONG") {
    return { type: "bad-path", name, reason: "its name is longer than the disk allows" };
  }
  return { type: "bad-gateway", name, reason: "the disk reported an error" };
}

/** The problem for an error of `env.files`. */
export function fileProblem(error: unknown, verb: string, path: string): Problem {
  const { type, reason } = classifyFileError(error);
  return new Problem(type, `Cannot ${verb} ${path}: ${reason}`);
}
