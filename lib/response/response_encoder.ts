/**
 * Sends text with a content coding to clients that accept one (RFC 9110 §8.4). Worlds of the program
 * that were compressed when it was built are sent as Brotli or gzip; everything else is compressed with
 * gzip when it is requested, in steps, and kept as long as it is requested often. Only bytes and
 * headers pass here: which content a caller gets is decided before. If there is too much to compress,
 * content is sent as it is; a request never fails or waits for that reason.
 */

import { TimeSlices } from "../base/time_slices.ts";
import {
  type ContentCoding,
  createCodingChooser,
  isCompressible,
  type Precompressed,
} from "../http/content_coding.ts";
import { toCodedTag, toUncodedTag } from "../http/etag.ts";
import { streamPart } from "../http/pieces.ts";
import {
  COMPRESSED_CACHE_BYTES,
  COMPRESSED_PER_SECOND_BYTES,
  COMPRESSION_SLICE_MS,
  MAX_CACHED_COMPRESSED_BYTES,
  MIN_COMPRESSED_BYTES,
  STREAM_PIECE_BYTES,
} from "../limits.ts";

/** What the encoder needs to know about a request. */
export interface EncodedRequest {
  readonly headers: Pick<Headers, "get">;
  /** Path and query, which identify the resource. */
  readonly resource: string;
  /** Says that the content of the response is in memory for this client only. */
  readonly ownContent?: () => void;
}

const chooseStored = createCodingChooser(["br", "gzip"]);
const choose = createCodingChooser(["gzip"]);
const VARY = "Accept-Encoding";
/** A tag of the bytes of a world: version, first half of the hash, representation. */
const BYTES_TAG = /^"\d+-([0-9a-f]{16})\.(?:raw|text)"$/;

/** Figures for the metrics, since the start. */
export interface EncoderCounts {
  /** Bytes of content that were compressed. */
  readonly compressedBytes: number;
  /** Responses that were sent as they are because too much was compressed in the last second. */
  readonly skipped: number;
}

/** The encoder of one server. */
export class ResponseEncoder implements EncoderCounts {
  /** Precompressed content by the part of its hash that entity tags contain. */
  readonly #stored: Precompressed;
  readonly #now: () => number;
  readonly #slices: TimeSlices;
  /** Compressed content by resource and tag, the one that was used last at the end. */
  readonly #cache = new Map<string, Uint8Array<ArrayBuffer>>();
  readonly #running = new Map<string, Promise<Uint8Array<ArrayBuffer>>>();
  #cachedBytes = 0;
  /** Bytes that may be compressed at once; refilled with time. */
  #allowance = COMPRESSED_PER_SECOND_BYTES;
  #refilledAt: number;
  #compressedBytes = 0;
  #skipped = 0;

  /**
   * @param precompressed content that was compressed at build time
   * @param now monotonic time in milliseconds
   */
  constructor(precompressed: Precompressed = new Map(), now = () => performance.now()) {
    this.#stored = new Map(
      [...precompressed].map(([hash, codings]) => [hash.slice(0, 16), codings]),
    );
    this.#now = now;
    this.#slices = new TimeSlices(COMPRESSION_SLICE_MS, now);
    this.#refilledAt = now();
  }

  get compressedBytes(): number {
    return this.#compressedBytes;
  }

  get skipped(): number {
    return this.#skipped;
  }

  /**
   * Returns the response with a coding, or as it is. Without a promise unless content must be
   * compressed.
   *
   * @param response a response of the server's own; one of a plugin has its own coding
   */
  encode(request: EncodedRequest, response: Response): Response | Promise<Response> {
    const { status, headers } = response;
    if (status === 304) return withSentTag(request, response);
    if (status !== 200 || response.body === null || headers.has("content-encoding")) {
      return response;
    }
    if (!isCompressible(headers.get("content-type"))) return response;
    const length = Number(headers.get("content-length") ?? 0);
    if (length < MIN_COMPRESSED_BYTES) return response;
    addVary(headers);
    const accepted = request.headers.get("accept-encoding");
    if (accepted === null) return response;
    const etag = headers.get("etag");
    const stored = this.#stored.get(BYTES_TAG.exec(etag ?? "")?.[1] ?? "");
    if (stored !== undefined) {
      const coding = chooseStored(accepted);
      return coding === undefined ? response : encoded(response, coding, stored[coding]);
    }
    if (choose(accepted) === undefined) return response;
    const key = etag === null ? undefined : `${etag} ${request.resource}`;
    const known = key === undefined ? undefined : this.#recall(key);
    if (known !== undefined) return encoded(response, "gzip", known);
    const running = key === undefined ? undefined : this.#running.get(key);
    if (running === undefined && !this.#spend(length)) return response;
    return this.#compress(request, response, key, running);
  }

  async #compress(
    { ownContent }: EncodedRequest,
    response: Response,
    key: string | undefined,
    running: Promise<Uint8Array<ArrayBuffer>> | undefined,
  ): Promise<Response> {
    const result = running ?? this.#start(response, key);
    if (running !== undefined) await response.body?.cancel();
    const bytes = await result;
    if (key === undefined || bytes.length > MAX_CACHED_COMPRESSED_BYTES) ownContent?.();
    return encoded(response, "gzip", bytes);
  }

  #start(response: Response, key: string | undefined): Promise<Uint8Array<ArrayBuffer>> {
    const result = this.#gzip(response);
    if (key === undefined) return result;
    this.#running.set(key, result);
    return result.then((bytes) => {
      this.#remember(key, bytes);
      return bytes;
    }).finally(() => this.#running.delete(key));
  }

  /** Compresses in pieces, so that other requests run in between. */
  async #gzip(response: Response): Promise<Uint8Array<ArrayBuffer>> {
    const content = await response.bytes();
    this.#compressedBytes += content.length;
    const { readable, writable } = new CompressionStream("gzip");
    const result = new Response(readable).bytes();
    const writer = writable.getWriter();
    for (let at = 0; at < content.length; at += STREAM_PIECE_BYTES) {
      if (this.#slices.isOver) await this.#slices.next();
      await writer.write(content.subarray(at, at + STREAM_PIECE_BYTES));
    }
    await writer.close();
    return await result;
  }

  /** Returns whether so many bytes may be compressed now. */
  #spend(bytes: number): boolean {
    const now = this.#now();
    const refill = (now - this.#refilledAt) / 1000 * COMPRESSED_PER_SECOND_BYTES;
    this.#refilledAt = now;
    this.#allowance = Math.min(COMPRESSED_PER_SECOND_BYTES, this.#allowance + refill);
    if (bytes > this.#allowance) {
      this.#skipped += 1;
      return false;
    }
    this.#allowance -= bytes;
    return true;
  }

  #recall(key: string): Uint8Array<ArrayBuffer> | undefined {
    const found = this.#cache.get(key);
    if (found === undefined) return undefined;
    this.#cache.delete(key);
    this.#cache.set(key, found);
    return found;
  }

  #remember(key: string, bytes: Uint8Array<ArrayBuffer>): void {
    if (bytes.length > MAX_CACHED_COMPRESSED_BYTES) return;
    this.#cache.set(key, bytes);
    this.#cachedBytes += bytes.length + key.length;
    for (const [oldest, old] of this.#cache) {
      if (this.#cachedBytes <= COMPRESSED_CACHE_BYTES) return;
      this.#cache.delete(oldest);
      this.#cachedBytes -= old.length + oldest.length;
    }
  }
}

function encoded(
  response: Response,
  coding: ContentCoding,
  bytes: Uint8Array<ArrayBuffer>,
): Response {
  const headers = new Headers(response.headers);
  headers.set("content-encoding", coding);
  headers.set("content-length", String(bytes.length));
  // A range would be one of the encoded bytes.
  headers.delete("accept-ranges");
  const etag = headers.get("etag");
  if (etag !== null) headers.set("etag", toCodedTag(etag, coding));
  return new Response(bytes.length > STREAM_PIECE_BYTES ? streamPart(bytes) : bytes, { headers });
}

/** Gives a 304 the tag that the client sent, because that is the one of its 200 (RFC 9110 §15.4.5). */
function withSentTag({ headers }: EncodedRequest, response: Response): Response {
  const etag = response.headers.get("etag");
  const sent = headers.get("if-none-match")?.trim() ?? "";
  if (etag === null || sent === etag || toUncodedTag(sent) !== etag) return response;
  response.headers.set("etag", sent);
  addVary(response.headers);
  return response;
}

function addVary(headers: Headers): void {
  const vary = headers.get("vary");
  if (vary?.includes(VARY)) return;
  headers.set("vary", vary === null ? VARY : `${vary}, ${VARY}`);
}
