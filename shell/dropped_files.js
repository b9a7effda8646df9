/** Reads the files of a drop or of a chooser, with the paths inside their folders. */

/** Most files of one upload. */
export const MAX_FILES = 10_000;

/** @returns {{ path: string, file: File }[]} the files of an `input` */
export function filesOfInput(input) {
  return [...input.files].map((file) => ({ path: file.webkitRelativePath || file.name, file }));
}

/**
 * Must be called while the drop event is handled; later the browser hides the entries.
 *
 * @param {DataTransfer} transfer
 * @returns {Promise<{ path: string, file: File }[]>} at most one more than {@link MAX_FILES}
 */
export async function filesOfDrop(transfer) {
  const items = [...transfer.items].filter(({ kind }) => kind === "file")
    .map((item) => ({ entry: item.webkitGetAsEntry?.() ?? null, file: item.getAsFile() }));
  const found = [];
  for (const { entry, file } of items) {
    if (entry !== null) await collect(entry, "", found);
    else if (file !== null) found.push({ path: file.name, file });
  }
  return found;
}

async function collect(entry, parent, found) {
  if (found.length > MAX_FILES) return;
  const path = parent + entry.name;
  if (entry.isFile) {
    found.push({ path, file: await new Promise((done, fail) => entry.file(done, fail)) });
    return;
  }
  const reader = entry.createReader();
  // A reader answers in parts, until one is empty.
  for (;;) {
    const part = await new Promise((done, fail) => reader.readEntries(done, fail));
    if (part.length === 0) return;
    for (const child of part) await collect(child, `${path}/`, found);
  }
}
