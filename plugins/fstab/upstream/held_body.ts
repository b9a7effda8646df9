/**
 * The content of a response that is read completely before it is sent. The plugin holds several at a
 * time, so their total is counted.
 */

import { Problem } from "../../kit/problem.ts";
import { joinPieces, readPieces } from "../../kit/read_body.ts";

const MIB = 1024 * 1024;
/** Longest content of a response, in bytes, after it is decompressed. */
const MAX_CONTENT_BYTES = 5 * MIB;
/** Most bytes that all responses together hold. */
const MAX_HELD_BYTES = 128 * MIB;
/** Encodings that the runtime requests and decodes. */
const DECODED = ["identity", "gzip", "br"];

/** Content in memory. Its bytes count in the total until they are sent or released. */
export class HeldBody {
  static #total = 0;
  #pieces: Uint8Array<ArrayBuffer>[] = [];
  #length = 0;
  #counted = 0;

  /** Bytes that all bodies hold now. */
  static get total(): number {
    return HeldBody.#total;
  }

  /** Length of the content in bytes. */
  get length(): number {
    return this.#length;
  }

  /** Counts bytes that are about to be kept. */
  count(bytes: number): void {
    this.#counted += bytes;
    HeldBody.#total += bytes;
  }

  /** Sets the content, whose bytes were counted. */
  fill(pieces: Uint8Array<ArrayBuffer>[]): void {
    this.#pieces = pieces;
    this.#length = this.#counted;
  }

  /** The first piece of the content. */
  start(): Uint8Array {
    return this.#pieces[0] ?? new Uint8Array();
  }

  /** A copy of the content. */
  bytes(): Uint8Array<ArrayBuffer> {
    return joinPieces(this.#pieces);
  }

  /** The content as a stream, to be called once; bytes that were read no longer count. */
  stream(): ReadableStream<Uint8Array> {
    const pieces = this.#pieces.reverse();
    this.#pieces = [];
    return new ReadableStream({
      pull: (controller) => {
        const piece = pieces.pop();
        if (piece === undefined) return controller.close();
        this.count(-piece.length);
        controller.enqueue(piece);
      },
      cancel: () => {
        pieces.length = 0;
        this.release();
      },
    }, { highWaterMark: 0 });
  }

  /** Drops the content. Idempotent. */
  release(): void {
    this.#pieces = [];
    this.count(-this.#counted);
  }
}

/**
 * Reads the content of a response within the limits.
 *
 * @param path of the request, for messages
 * @throws {Problem} `body-too-large`, `bad-gateway`, `unavailable`
 */
export async function readHeldBody(response: Response, path: string): Promise<HeldBody> {
  const encoding = (response.headers.get("content-encoding") ?? "identity").toLowerCase();
  if (!DECODED.includes(encoding)) {
    await response.body?.cancel();
    const detail = `Cannot read ${path}: its server used a content encoding that was not requested`;
    throw new Problem("bad-gateway", detail);
  }
  const detail = `Cannot read ${path}: its server sent more than ${MAX_CONTENT_BYTES} bytes`;
  const tooLong = () => new Problem("body-too-large", detail);
  const body = new HeldBody();
  const onPiece = (bytes: number): void => {
    body.count(bytes);
    if (HeldBody.total > MAX_HELD_BYTES) throw tooBusy(path);
  };
  try {
    body.fill(await readPieces(response, { maxBytes: MAX_CONTENT_BYTES, tooLong, onPiece }));
    return body;
  } catch (error) {
    body.release();
    throw error;
  }
}

function tooBusy(path: string): Problem {
  const detail = `Cannot read ${path}: too many responses of web servers are in memory; try again`;
  return new Problem("unavailable", detail, { "retry-after": "1" });
}
