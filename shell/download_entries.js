/** Downloads worlds and collections as one zip archive. */

import { note, noteError, requestRows, send, showDialog } from "./connected.js";
import { namesList } from "./conflicts.js";
import { h } from "./dom.js";
import { count, grouped, size } from "./format.js";
import { startJob } from "./job.js";
import { lazyUrl } from "./lazy_url.js";
import { pathOf } from "./place.js";
import { zipNames } from "./zip_names.js";

/** Largest content of an archive, in bytes. The browser holds the archive until it is saved. */
const MAX_BYTES = 1024 * 1024 * 1024;
/** Most entries of an archive; the format ends at 65,535. */
const MAX_WORLDS = 60_000;
/** Worlds of one page of a listing. */
const PAGE_ROWS = 10_000;
/** Requests that are sent before their content is needed. */
const AHEAD = 3;
/** Types whose content does not become smaller. */
const COMPRESSED = new Set(
  "7z avif br docx epub flac gif gz jar jpeg jpg m4a mp3 mp4 ogg opus pdf png pptx rar tgz webm webp woff woff2 xlsx xz zip zst"
    .split(" "),
);

/**
 * Downloads entries of one collection.
 *
 * @param {readonly import("./targets.js").Entry[]} entries
 * @param {string} base name of the collection; the paths in the archive are relative to it
 * @param {string} file name of the archive, without its suffix
 */
export async function downloadEntries(entries, base, file) {
  const job = startJob("Downloading");
  try {
    job.show(0, "reading the list");
    const worlds = await listWorlds(entries, job.signal);
    const total = worlds.reduce((sum, { len = 0 }) => sum + len, 0);
    assertSize(worlds, total);
    const { Archive } = await import(lazyUrl("zip"));
    const archive = new Archive();
    const failed = await addAll(archive, worlds, zipNames(worlds, base), total, job);
    if (job.signal.aborted) return;
    save(archive.end(), `${file}.zip`);
    note(`${count(worlds.length - failed.length, "world")} in ${file}.zip`);
    if (failed.length > 0) showDialog("Not in the archive", namesList(failed));
  } catch (error) {
    if (!job.signal.aborted) noteError(error);
  } finally {
    job.end();
  }
}

function assertSize(worlds, total) {
  if (worlds.length === 0) throw new Error("There is nothing to download");
  if (worlds.length > MAX_WORLDS) {
    throw new Error(`An archive can have ${count(MAX_WORLDS, "world")}; select fewer`);
  }
  if (total > MAX_BYTES) {
    throw new Error(`${size(total)} is too much for one archive (${size(MAX_BYTES)}); select less`);
  }
}

/** The entries and all worlds below them. */
async function listWorlds(entries, signal) {
  const worlds = [];
  for (const entry of entries) {
    if (entry.version !== undefined) worlds.push(entry);
    if (entry.version !== undefined && !entry.dir) continue;
    const path = `${pathOf(entry.name)}/?deep&limit=${PAGE_ROWS}`;
    let after = "";
    do {
      const rows = await requestRows(path + after, { signal });
      worlds.push(...rows.map((row) => ({ ...row, name: fullName(row.name, entry.name) })));
      const last = rows.length === PAGE_ROWS ? rows.at(-1)?.name : undefined;
      after = last === undefined ? "" : `&after=${encodeURIComponent(last)}`;
    } while (after !== "" && worlds.length <= MAX_WORLDS);
  }
  return worlds;
}

function fullName(name, folder) {
  return name.startsWith(`${folder}/`) ? name : `${folder}/${name}`;
}

/** Adds the worlds in order. Returns what could not be read, with the reasons. */
async function addAll(archive, worlds, names, total, job) {
  const failed = [];
  const { signal } = job;
  const waiting = [];
  let next = 0;
  let bytes = 0;
  for (const [at, world] of worlds.entries()) {
    if (signal.aborted) break;
    for (; waiting.length < AHEAD && next < worlds.length; next++) {
      waiting.push(request(worlds[next], signal));
    }
    job.show(
      total === 0 ? at / worlds.length : bytes / total,
      `${grouped(at)} of ${count(worlds.length, "world")}, ${size(bytes)} of ${size(total)}`,
    );
    const { response, error } = await waiting.shift();
    if (response === undefined) failed.push(`/${world.name}: ${error.message}`);
    else {
      const time = new Date(world.updated_at ?? Date.now());
      await archive.add(
        names[at],
        { time, isCompressed: COMPRESSED.has(world.ext) },
        response.body,
      );
    }
    bytes += world.len ?? 0;
  }
  return failed;
}

/** Never rejects, because it may be awaited later. */
async function request({ name }, signal) {
  try {
    return { response: await send(`${pathOf(name)}?raw`, { signal }) };
  } catch (error) {
    return { error };
  }
}

function save(blob, name) {
  const url = URL.createObjectURL(blob);
  h("a", { href: url, download: name }).click();
  // The browser reads a large archive for a while.
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}
