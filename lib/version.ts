/** The version of the server (Semantic Versioning). The module contains nothing else. */

/** Version of this program. */
export const VERSION = "6.0.0";
