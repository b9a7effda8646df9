/** The dialogs about the caller and about capabilities; no packages. */

export { openAgentAccess } from "../agent_dialog.js";
export { openMint } from "../mint_dialog.js";
export { openSession } from "../session_dialog.js";
