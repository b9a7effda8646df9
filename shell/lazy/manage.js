/** Creating, moving, deleting, uploading and downloading worlds; no packages. */

export { connect } from "../connected.js";
export { createWorld, openNew } from "../create_world.js";
export { downloadEntries } from "../download_entries.js";
export { openMove } from "../move.js";
export { removeEntries } from "../remove.js";
export { showTrash } from "../trash_page.js";
export { restoreAll } from "../undo_delete.js";
export { uploadContent, uploadFiles } from "../upload_files.js";
