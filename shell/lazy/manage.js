/** Moving, deleting, uploading and downloading of several worlds; no packages. */

export { connect } from "../connected.js";
export { downloadEntries } from "../download_entries.js";
export { openMove } from "../move.js";
export { removeEntries } from "../remove.js";
export { uploadContent, uploadFiles } from "../upload_files.js";
