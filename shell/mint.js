/** Opens the dialog that mints a capability. */

export { openMint } from "./account.js";
