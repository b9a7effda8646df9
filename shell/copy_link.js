/** Copies the addresses of pages. */

import { note } from "./chrome.js";
import { copyable } from "./commands.js";
import { showDialog } from "./dialog.js";
import { count } from "./format.js";

/** @param {readonly string[]} paths */
export async function copyLinks(paths) {
  const text = paths.map((path) => location.origin + path).join("\n");
  try {
    await navigator.clipboard.writeText(text);
    note(paths.length === 1 ? "Link copied" : `${count(paths.length, "link")} copied`);
  } catch {
    // A page without TLS that is not on this computer cannot write to the clipboard.
    showDialog(paths.length === 1 ? "Link" : "Links", copyable("Address", text));
  }
}
