/**
 * Reads the body of a broadcast. Every target gets the whole body, so it is kept in memory until all
 * targets are written; a limit on all broadcasts together protects the process.
 */

import { Problem } from "../kit/problem.ts";
import { readBody } from "../kit/read_body.ts";

/** Longest body in bytes. The limit for a world is usually lower, and the server checks it. */
const MAX_BODY_BYTES = 16 * 1024 * 1024;
/** Most bytes of all bodies in memory. */
const MAX_HELD_BYTES = 64 * 1024 * 1024;

/** Bytes of all bodies in memory. */
let heldBytes = 0;

/**
 * Reads the body of a request, and keeps it until `use` is done.
 *
 * @throws {Problem} `body-too-large`; `unavailable` if the broadcasts hold too much together
 */
export async function readShared(
  request: Request,
  use: (body: Uint8Array<ArrayBuffer>) => Promise<Response>,
): Promise<Response> {
  let length = 0;
  try {
    const body = await readBody(request, {
      maxBytes: MAX_BODY_BYTES,
      tooLong: () =>
        new Problem(
          "body-too-large",
          `Cannot write to the targets: the body is longer than ${MAX_BODY_BYTES} bytes; ` +
            "nothing was written",
        ),
      onPiece: (bytes) => {
        length += bytes;
        heldBytes += bytes;
        if (heldBytes <= MAX_HELD_BYTES) return;
        throw new Problem(
          "unavailable",
          "Cannot write to the targets: other broadcasts use the memory; nothing was written",
          { "retry-after": "1" },
        );
      },
    });
    return await use(body);
  } finally {
    heldBytes -= length;
  }
}
