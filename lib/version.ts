/** The machine's version, in one place. Semantic versioning; nothing else lives here. */

/** Version of this program. */
export const VERSION = "6.0.0";
