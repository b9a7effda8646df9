/** Responses that are a tar.gz. It is made while it is sent, so memory does not grow with its size. */

import { type ArchiveEntry, discardEntry, tar } from "./tar.ts";

/** Entries that are requested ahead of the one that is sent. */
const ENTRIES_AHEAD = 6;

/**
 * Makes entries in the order of their names, a few of them ahead of time.
 *
 * @param make makes an entry; undefined leaves it out
 */
export async function* inOrder(
  names: readonly string[],
  make: (name: string) => Promise<ArchiveEntry | undefined>,
): AsyncGenerator<ArchiveEntry> {
  const ahead: Promise<ArchiveEntry | undefined>[] = [];
  try {
    for (let next = 0; next < names.length || ahead.length > 0;) {
      while (ahead.length < ENTRIES_AHEAD && next < names.length) {
        const entry = make(names[next++] ?? "");
        entry.catch(() => {}); // an error is thrown by the await below, when the entry is due
        ahead.push(entry);
      }
      const entry = await ahead.shift();
      if (entry !== undefined) yield entry;
    }
  } finally {
    // After a client disconnects, the server must not keep copies that are never read.
    for (const entry of ahead) entry.then(discardEntry, () => {});
  }
}

/**
 * Makes the response. If an entry fails, the response is aborted, which gzip reports as an error.
 *
 * @param name file name of the archive
 */
export function archiveResponse(
  request: Request,
  name: string,
  entries: () => AsyncGenerator<ArchiveEntry>,
): Response {
  const headers = new Headers({
    "content-type": "application/gzip",
    "content-disposition": `attachment; filename="${name}"`,
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
  });
  if (request.method === "HEAD") return new Response(null, { headers });
  const bytes = tar(entries(), Math.floor(Date.now() / 1000));
  const plain = new ReadableStream<Uint8Array<ArrayBuffer>>({
    async pull(controller) {
      try {
        const { done, value } = await bytes.next();
        if (done) controller.close();
        else controller.enqueue(value);
      } catch (error) {
        const reason = error instanceof Error ? error.message : error;
        console.error(`Cannot complete ${name}: ${reason}`);
        throw error;
      }
    },
    async cancel() {
      await bytes.return(undefined);
    },
  }, { highWaterMark: 1 });
  return new Response(plain.pipeThrough(new CompressionStream("gzip")), { headers });
}
