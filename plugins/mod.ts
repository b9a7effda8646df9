/**
 * The shipped plugins, as text by name. Made by `deno task plugins`; edit the files beside it,
 * never this one.
 */

// deno-fmt-ignore-file
import p0 from "./db.ts" with { type: "text" };
import p1 from "./example.ts" with { type: "text" };
import p2 from "./fstab.ts" with { type: "text" };
import p3 from "./gpu.ts" with { type: "text" };
import p4 from "./router.ts" with { type: "text" };
import p5 from "./semantic.ts" with { type: "text" };

/** Sources of the files in `plugins/` by their names. */
export const pluginSources: Readonly<Record<string, string>> = {
  "db": p0,
  "example": p1,
  "fstab": p2,
  "gpu": p3,
  "router": p4,
  "semantic": p5,
};

/** Names that stand for several plugins. */
export const pluginSets: Readonly<Record<string, readonly string[]>> = {
  "primitives": ["gpu","fstab","db","fanout"],
};
