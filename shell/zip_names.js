/**
 * The names of worlds in a zip archive, which Windows, macOS and Linux can unpack. Pure. Windows ignores
 * case, and refuses device names and a dot or a space at the end; everywhere a file and a folder cannot
 * have the same name.
 */

import { numberedName } from "./world_name.js";

const DEVICE = /^(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])(?=\.|$)/i;

/**
 * @param {readonly { name: string, ext?: string }[]} worlds
 * @param {string} base name of the collection that the paths are relative to; empty for full names
 * @returns {string[]} path of each world
 */
export function zipNames(worlds, base) {
  const start = base === "" ? 0 : base.length + 1;
  const paths = worlds.map(({ name, ext }) => {
    const path = name.slice(start).split("/").map(windowsName).join("/");
    const hasSuffix = /[^/]\.[^./]+$/.test(path);
    return hasSuffix || ext === undefined || ext === "bin" ? path : `${path}.${ext}`;
  });
  const taken = new Set();
  for (const path of paths) {
    for (let at = path.indexOf("/"); at > 0; at = path.indexOf("/", at + 1)) {
      taken.add(path.slice(0, at).toLowerCase());
    }
  }
  return paths.map((path) => {
    let free = path;
    for (let number = 2; taken.has(free.toLowerCase()); number++) free = numberedName(path, number);
    taken.add(free.toLowerCase());
    return free;
  });
}

function windowsName(segment) {
  return segment.replace(DEVICE, "$1_").replace(/[. ]+$/, (end) => "_".repeat(end.length));
}
