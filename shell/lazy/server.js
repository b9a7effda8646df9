/** The pages of plugins, of their routes, and of all changes; no packages. */

export { connect } from "../connected.js";
export { showLog } from "../log_page.js";
export { pluginPanel } from "../plugin.js";
export { findPlugin, showPluginRoute } from "../plugin_route.js";
