/** The dialogs about the caller and about capabilities; no packages. */

export { openMint } from "../mint_dialog.js";
export { openSession } from "../session_dialog.js";
