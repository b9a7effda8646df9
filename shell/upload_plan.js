/** What an upload sends: the name of each file on the server, and what is left out. Pure. */

import { allowedName, nameFault, numberedName } from "./world_name.js";

/** Files that an operating system adds to folders. */
const IGNORED = new Set([".DS_Store", "Thumbs.db", "desktop.ini"]);

/**
 * @typedef {{ path: string, file: { size: number } }} Found `path` is relative to the chosen folder
 * @typedef {object} Plan
 * @property {{ name: string, file: any }[]} ready
 * @property {{ path: string, name: string }[]} renamed the name of these differs from their path
 * @property {string[]} tooLarge
 * @property {{ path: string, fault: string }[]} refused
 * @property {number} bytes of what is sent
 */

/**
 * Plans an upload.
 *
 * @param {readonly Found[]} files
 * @param {string} folder name of the collection
 * @param {number} maxBytes the largest request body of the server
 * @returns {Plan}
 */
export function planUpload(files, folder, maxBytes) {
  const plan = { ready: [], renamed: [], tooLarge: [], refused: [], bytes: 0 };
  const names = new Set();
  for (const { path, file } of files) {
    if (IGNORED.has(path.slice(path.lastIndexOf("/") + 1))) continue;
    if (file.size > maxBytes) {
      plan.tooLarge.push(path);
      continue;
    }
    const name = freeName(`${folder}/${allowedName(path)}`, names);
    const fault = nameFault(name);
    if (fault !== undefined) {
      plan.refused.push({ path, fault });
      continue;
    }
    names.add(name);
    plan.ready.push({ name, file });
    plan.bytes += file.size;
    const shown = name.slice(folder.length + 1);
    if (shown !== path.normalize("NFC")) plan.renamed.push({ path, name: shown });
  }
  return plan;
}

/** Two files of one folder can have the same name on the server, such as `a:b` and `a-b`. */
function freeName(name, names) {
  let free = name;
  for (let number = 2; names.has(free); number++) free = numberedName(name, number);
  return free;
}
