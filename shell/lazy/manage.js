/** Moving, deleting, uploading and downloading of several worlds; no packages. */

export { connect } from "../connected.js";
export { downloadEntries } from "../download_entries.js";
export { openMove } from "../move.js";
export { removeEntries } from "../remove.js";
export { showTrash } from "../trash_page.js";
export { restoreAll } from "../undo_delete.js";
export { uploadContent, uploadFiles } from "../upload_files.js";
