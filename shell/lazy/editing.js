/** The editor of a world; no packages. Its text field is `editor.js`. */

export { connect } from "../connected.js";
export { openEditor } from "../editor.js";
