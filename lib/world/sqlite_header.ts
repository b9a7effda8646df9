/**
 * The two bytes of a SQLite file that record whether it uses a write-ahead log (SQLite file format §1.3).
 * A database in memory has no write-ahead log, so files are changed to the rollback format before they
 * are loaded, and back before they are written.
 */

/** Offsets of the write and read format versions. */
const FORMAT_OFFSETS = [18, 19] as const;
const FORMAT_VERSIONS = { rollback: 1, wal: 2 } as const;

/**
 * Sets the journal format in the header of a database image.
 *
 * @param image bytes of a database file, changed in place; an empty or cut off image stays as it is
 * @param format `wal` for a file that a server opens, `rollback` for a database in memory
 */
export function setJournalFormat(image: Uint8Array, format: keyof typeof FORMAT_VERSIONS): void {
  for (const offset of FORMAT_OFFSETS) {
    if (offset < image.length) image[offset] = FORMAT_VERSIONS[format];
  }
}
