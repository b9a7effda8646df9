/** The search by name and text, its page, and the list of keys; no packages. */

export { connect } from "../connected.js";
export { attachFinder } from "../finder_list.js";
export { openHelp } from "../help.js";
export { showSearch } from "../search_page.js";
