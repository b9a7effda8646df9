/**
 * The worlds every machine is born with, as text by path. Made by `deno task worlds`; edit the
 * files beside it, never this one.
 */

// deno-fmt-ignore-file
import w0 from "./home/boot.ts" with { type: "text" };
import w1 from "./usr/lib/shell/api.js" with { type: "text" };
import w2 from "./usr/lib/shell/app.js" with { type: "text" };
import w3 from "./usr/lib/shell/chrome.js" with { type: "text" };
import w4 from "./usr/lib/shell/code_view.js" with { type: "text" };
import w5 from "./usr/lib/shell/collection.js" with { type: "text" };
import w6 from "./usr/lib/shell/dom.js" with { type: "text" };
import w7 from "./usr/lib/shell/format.js" with { type: "text" };
import w8 from "./usr/lib/shell/home.js" with { type: "text" };
import w9 from "./usr/lib/shell/icon.svg" with { type: "text" };
import w10 from "./usr/lib/shell/index.html" with { type: "text" };
import w11 from "./usr/lib/shell/place.js" with { type: "text" };
import w12 from "./usr/lib/shell/route.js" with { type: "text" };
import w13 from "./usr/lib/shell/row_list.js" with { type: "text" };
import w14 from "./usr/lib/shell/session.js" with { type: "text" };
import w15 from "./usr/lib/shell/shell.css" with { type: "text" };
import w16 from "./usr/lib/shell/shell.webmanifest" with { type: "text" };
import w17 from "./usr/lib/shell/sign_in.js" with { type: "text" };
import w18 from "./usr/lib/shell/sse.js" with { type: "text" };
import w19 from "./usr/lib/shell/stage.html" with { type: "text" };
import w20 from "./usr/lib/shell/stage.js" with { type: "text" };
import w21 from "./usr/lib/shell/stream.js" with { type: "text" };
import w22 from "./usr/lib/shell/tree.js" with { type: "text" };
import w23 from "./usr/lib/shell/viewers.js" with { type: "text" };
import w24 from "./usr/lib/shell/world.js" with { type: "text" };
import w25 from "./usr/lib/skills/elastik.md" with { type: "text" };
import w26 from "./usr/share/doc/auth.md" with { type: "text" };
import w27 from "./usr/share/doc/configuration.md" with { type: "text" };
import w28 from "./usr/share/doc/events.md" with { type: "text" };
import w29 from "./usr/share/doc/http.md" with { type: "text" };
import w30 from "./usr/share/doc/problems/bad-body.md" with { type: "text" };
import w31 from "./usr/share/doc/problems/bad-gateway.md" with { type: "text" };
import w32 from "./usr/share/doc/problems/bad-header.md" with { type: "text" };
import w33 from "./usr/share/doc/problems/bad-metadata.md" with { type: "text" };
import w34 from "./usr/share/doc/problems/bad-name.md" with { type: "text" };
import w35 from "./usr/share/doc/problems/bad-path.md" with { type: "text" };
import w36 from "./usr/share/doc/problems/bad-query.md" with { type: "text" };
import w37 from "./usr/share/doc/problems/body-too-large.md" with { type: "text" };
import w38 from "./usr/share/doc/problems/conflict.md" with { type: "text" };
import w39 from "./usr/share/doc/problems/forbidden.md" with { type: "text" };
import w40 from "./usr/share/doc/problems/foreign-origin.md" with { type: "text" };
import w41 from "./usr/share/doc/problems/gateway-timeout.md" with { type: "text" };
import w42 from "./usr/share/doc/problems/gone.md" with { type: "text" };
import w43 from "./usr/share/doc/problems/insufficient-storage.md" with { type: "text" };
import w44 from "./usr/share/doc/problems/internal.md" with { type: "text" };
import w45 from "./usr/share/doc/problems/locked.md" with { type: "text" };
import w46 from "./usr/share/doc/problems/loop-detected.md" with { type: "text" };
import w47 from "./usr/share/doc/problems/lower-layer.md" with { type: "text" };
import w48 from "./usr/share/doc/problems/method-not-allowed.md" with { type: "text" };
import w49 from "./usr/share/doc/problems/not-acceptable.md" with { type: "text" };
import w50 from "./usr/share/doc/problems/not-found.md" with { type: "text" };
import w51 from "./usr/share/doc/problems/not-implemented.md" with { type: "text" };
import w52 from "./usr/share/doc/problems/precondition-failed.md" with { type: "text" };
import w53 from "./usr/share/doc/problems/range-not-satisfiable.md" with { type: "text" };
import w54 from "./usr/share/doc/problems/request-timeout.md" with { type: "text" };
import w55 from "./usr/share/doc/problems/too-many-requests.md" with { type: "text" };
import w56 from "./usr/share/doc/problems/unauthorized.md" with { type: "text" };
import w57 from "./usr/share/doc/problems/unavailable.md" with { type: "text" };
import w58 from "./usr/share/doc/problems/unknown-host.md" with { type: "text" };
import w59 from "./usr/share/doc/problems/unprocessable.md" with { type: "text" };
import w60 from "./usr/share/doc/problems/unsupported-media-type.md" with { type: "text" };
import w61 from "./usr/share/doc/problems/uri-too-long.md" with { type: "text" };
import w62 from "./usr/share/doc/problems/world-damaged.md" with { type: "text" };
import w63 from "./usr/share/doc/running.md" with { type: "text" };

/** Contents of the files below `worlds/` by their paths. */
export const birthWorlds: Readonly<Record<string, string>> = {
  "home/boot.ts": w0,
  "usr/lib/shell/api.js": w1,
  "usr/lib/shell/app.js": w2,
  "usr/lib/shell/chrome.js": w3,
  "usr/lib/shell/code_view.js": w4,
  "usr/lib/shell/collection.js": w5,
  "usr/lib/shell/dom.js": w6,
  "usr/lib/shell/format.js": w7,
  "usr/lib/shell/home.js": w8,
  "usr/lib/shell/icon.svg": w9,
  "usr/lib/shell/index.html": w10,
  "usr/lib/shell/place.js": w11,
  "usr/lib/shell/route.js": w12,
  "usr/lib/shell/row_list.js": w13,
  "usr/lib/shell/session.js": w14,
  "usr/lib/shell/shell.css": w15,
  "usr/lib/shell/shell.webmanifest": w16,
  "usr/lib/shell/sign_in.js": w17,
  "usr/lib/shell/sse.js": w18,
  "usr/lib/shell/stage.html": w19,
  "usr/lib/shell/stage.js": w20,
  "usr/lib/shell/stream.js": w21,
  "usr/lib/shell/tree.js": w22,
  "usr/lib/shell/viewers.js": w23,
  "usr/lib/shell/world.js": w24,
  "usr/lib/skills/elastik.md": w25,
  "usr/share/doc/auth.md": w26,
  "usr/share/doc/configuration.md": w27,
  "usr/share/doc/events.md": w28,
  "usr/share/doc/http.md": w29,
  "usr/share/doc/problems/bad-body.md": w30,
  "usr/share/doc/problems/bad-gateway.md": w31,
  "usr/share/doc/problems/bad-header.md": w32,
  "usr/share/doc/problems/bad-metadata.md": w33,
  "usr/share/doc/problems/bad-name.md": w34,
  "usr/share/doc/problems/bad-path.md": w35,
  "usr/share/doc/problems/bad-query.md": w36,
  "usr/share/doc/problems/body-too-large.md": w37,
  "usr/share/doc/problems/conflict.md": w38,
  "usr/share/doc/problems/forbidden.md": w39,
  "usr/share/doc/problems/foreign-origin.md": w40,
  "usr/share/doc/problems/gateway-timeout.md": w41,
  "usr/share/doc/problems/gone.md": w42,
  "usr/share/doc/problems/insufficient-storage.md": w43,
  "usr/share/doc/problems/internal.md": w44,
  "usr/share/doc/problems/locked.md": w45,
  "usr/share/doc/problems/loop-detected.md": w46,
  "usr/share/doc/problems/lower-layer.md": w47,
  "usr/share/doc/problems/method-not-allowed.md": w48,
  "usr/share/doc/problems/not-acceptable.md": w49,
  "usr/share/doc/problems/not-found.md": w50,
  "usr/share/doc/problems/not-implemented.md": w51,
  "usr/share/doc/problems/precondition-failed.md": w52,
  "usr/share/doc/problems/range-not-satisfiable.md": w53,
  "usr/share/doc/problems/request-timeout.md": w54,
  "usr/share/doc/problems/too-many-requests.md": w55,
  "usr/share/doc/problems/unauthorized.md": w56,
  "usr/share/doc/problems/unavailable.md": w57,
  "usr/share/doc/problems/unknown-host.md": w58,
  "usr/share/doc/problems/unprocessable.md": w59,
  "usr/share/doc/problems/unsupported-media-type.md": w60,
  "usr/share/doc/problems/uri-too-long.md": w61,
  "usr/share/doc/problems/world-damaged.md": w62,
  "usr/share/doc/running.md": w63,
};
