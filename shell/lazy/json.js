/** The tree of JSON. */

export { jsonView } from "../json_view.js";
