/**
 * Reads a whole request body with a length limit. A body that is too long is rejected as early as
 * possible: by Content-Length before any byte is read, otherwise at the first byte beyond the
 * limit.
 */

import { concatBytes } from "../base/concat_bytes.ts";
import { Problem } from "./problem.ts";

/**
 * Reads the body of a request.
 *
 * @param request the request; its body must not have been read
 * @param maxBytes maximum length in bytes
 * @returns the bytes; empty if the request has no body
 * @throws {Problem} `body-too-large` (413) if it is longer than `maxBytes`; `bad-body` (400) if it ends
 * early
 *
 * @example
 * ```ts
 * import { rejects, strictEqual } from "node:assert/strict";
 * import { readBody } from "./read_body.ts";
 *
 * const request = new Request("https://example.org/x", { method: "PUT", body: "text" });
 * strictEqual((await readBody(request, 4)).length, 4);
 * const long = new Request("https://example.org/x", { method: "PUT", body: "longer" });
 * await rejects(readBody(long, 4), { type: "body-too-large" });
 * ```
 */
export async function readBody(
  request: Request,
  maxBytes: number,
): Promise<Uint8Array<ArrayBuffer>> {
  const declared = request.headers.get("content-length");
  if (declared !== null) {
    if (Number(declared) > maxBytes) {
      throw tooLarge(maxBytes, `Content-Length is ${declared} bytes`);
    }
    // Deno checks Content-Length against the framing (RFC 9112 §6.3).
    const bytes = await request.bytes().catch(throwEndedEarly);
    if (bytes.length > maxBytes) throw tooLarge(maxBytes, `it has ${bytes.length} bytes`);
    return bytes;
  }
  if (request.body === null) return new Uint8Array();
  return await readStream(request.body, maxBytes);
}

async function readStream(body: ReadableStream<Uint8Array>, maxBytes: number) {
  const chunks: Uint8Array[] = [];
  let length = 0;
  const reader = body.getReader();
  for (;;) {
    const { done, value } = await reader.read().catch(throwEndedEarly);
    if (done) break;
    length += value.length;
    if (length > maxBytes) {
      const problem = tooLarge(maxBytes, `it has more than ${maxBytes} bytes`);
      await reader.cancel(problem).catch(() => {}); // fails if the client has disconnected, which has no effect here
      throw problem;
    }
    chunks.push(value);
  }
  return concatBytes(chunks, length);
}

function tooLarge(maxBytes: number, found: string): Problem {
  return new Problem(
    "body-too-large",
    `Cannot read the content: ${found}; at most ${maxBytes} are allowed, nothing was stored`,
  );
}

function throwEndedEarly(): never {
  throw new Problem("bad-body", "Cannot read the content: it ended early; nothing was stored");
}
