/**
 * Reads a request's body whole, within a cap. What is too long is refused as early as it shows: by
 * its declared length before a byte is read, else at the byte that is one too many.
 */

import { joinBytes } from "../base/concat_bytes.ts";
import { Problem } from "./problem.ts";

/**
 * The body's bytes; none when there is no body.
 *
 * @param most cap in bytes
 * @throws {Problem} `body-too-large` (413), `bad-body` when it ends before it should
 */
export async function readBody(request: Request, most: number): Promise<Uint8Array<ArrayBuffer>> {
  const declared = request.headers.get("content-length");
  if (declared !== null) {
    if (Number(declared) > most) throw tooLarge(most, `${declared} bytes were announced`);
    // The server has checked the length against the framing (RFC 9112 §6.3).
    const bytes = await request.bytes().catch(cutShort);
    if (bytes.length > most) throw tooLarge(most, `${bytes.length} bytes came`);
    return bytes;
  }
  if (request.body === null) return new Uint8Array();
  return await gather(request.body, most);
}

async function gather(body: ReadableStream<Uint8Array>, most: number) {
  const chunks: Uint8Array[] = [];
  let length = 0;
  const reader = body.getReader();
  for (;;) {
    const { done, value } = await reader.read().catch(cutShort);
    if (done) break;
    length += value.length;
    if (length > most) {
      const refused = tooLarge(most, `more than ${most} bytes came`);
      await reader.cancel(refused).catch(() => {}); // the caller may be gone already
      throw refused;
    }
    chunks.push(value);
  }
  return joinBytes(chunks, length);
}

function tooLarge(most: number, found: string): Problem {
  return new Problem(
    "body-too-large",
    `Cannot take the content: ${found} and ${most} is the most; nothing was stored`,
  );
}

function cutShort(): never {
  throw new Problem("bad-body", "Cannot take the content: it ended early; nothing was stored");
}
