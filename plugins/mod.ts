/**
 * The shipped plugins, as text by name. Made by `deno task plugins`; edit the files beside it,
 * never this one.
 */

// deno-fmt-ignore-file
import p0 from "./db.ts" with { type: "text" };
import p1 from "./example.ts" with { type: "text" };
import p2 from "./fanout.ts" with { type: "text" };
import p3 from "./fstab.ts" with { type: "text" };
import p4 from "./gpu.ts" with { type: "text" };
import p5 from "./reality.ts" with { type: "text" };
import p6 from "./router.ts" with { type: "text" };
import p7 from "./semantic.ts" with { type: "text" };

/** Sources of the files in `plugins/` by their names. */
export const pluginSources: Readonly<Record<string, string>> = {
  "db": p0,
  "example": p1,
  "fanout": p2,
  "fstab": p3,
  "gpu": p4,
  "reality": p5,
  "router": p6,
  "semantic": p7,
};

/** Names that stand for several plugins. */
export const pluginSets: Readonly<Record<string, readonly string[]>> = {
  "primitives": ["gpu","fstab","db","fanout"],
};
