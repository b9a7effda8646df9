/**
 * Writes zip archives. fflate 0.8.3, MIT: streams, UTF-8 names, 5 KB. The browser can compress
 * (CompressionStream), but cannot write the entries of an archive.
 */

// deno-lint-ignore no-import-prefix -- this file is bundled
import { Zip, ZipDeflate, ZipPassThrough } from "npm:fflate@0.8.3";

/** Bytes that are collected before they become a part of the Blob, which may be on disk. */
const PART_BYTES = 8 * 1024 * 1024;
/** Bytes that are compressed in one step, about 10 ms. */
const STEP_BYTES = 256 * 1024;
/** The times that a zip archive can have begin here. */
const FIRST_YEAR = 1980;

/** An archive that is written entry by entry. */
export class Archive {
  #zip = new Zip((error, chunk) => this.#take(error, chunk));
  #chunks = [];
  #length = 0;
  #parts = [];
  #error;

  /**
   * Adds a file.
   *
   * @param {string} name path in the archive
   * @param {{ time: Date, isCompressed: boolean }} about `isCompressed`: as most images are
   * @param {ReadableStream<Uint8Array>} content
   * @returns {Promise<void>} ends when the content was read
   */
  async add(name, { time, isCompressed }, content) {
    const entry = isCompressed ? new ZipPassThrough(name) : new ZipDeflate(name, { level: 6 });
    entry.mtime = time.getFullYear() < FIRST_YEAR ? new Date(FIRST_YEAR, 0) : time;
    this.#zip.add(entry);
    // Safari cannot iterate over a stream.
    const reader = content.getReader();
    for (;;) {
      const { value: chunk, done } = await reader.read();
      if (done) break;
      for (let at = 0; at < chunk.length; at += STEP_BYTES) {
        entry.push(chunk.subarray(at, at + STEP_BYTES));
        if (chunk.length > STEP_BYTES) await new Promise((resolve) => setTimeout(resolve));
      }
    }
    entry.push(new Uint8Array(), true);
    if (this.#error) throw this.#error;
  }

  /** Ends the archive. */
  end() {
    this.#zip.end();
    this.#flush();
    if (this.#error) throw this.#error;
    return new Blob(this.#parts, { type: "application/zip" });
  }

  #take(error, chunk) {
    if (error) this.#error = error;
    else {
      this.#chunks.push(chunk);
      this.#length += chunk.length;
      if (this.#length >= PART_BYTES) this.#flush();
    }
  }

  #flush() {
    this.#parts.push(new Blob(this.#chunks));
    this.#chunks = [];
    this.#length = 0;
  }
}
