/**
 * The worlds every machine is born with, as text by path. Made by `deno task worlds`; edit the
 * files beside it, never this one.
 */

// deno-fmt-ignore-file
import w0 from "./usr/lib/shell/index.html" with { type: "text" };
import w1 from "./usr/share/doc/auth.md" with { type: "text" };
import w2 from "./usr/share/doc/events.md" with { type: "text" };
import w3 from "./usr/share/doc/http.md" with { type: "text" };
import w4 from "./usr/share/doc/problems/bad-body.md" with { type: "text" };
import w5 from "./usr/share/doc/problems/bad-gateway.md" with { type: "text" };
import w6 from "./usr/share/doc/problems/bad-header.md" with { type: "text" };
import w7 from "./usr/share/doc/problems/bad-metadata.md" with { type: "text" };
import w8 from "./usr/share/doc/problems/bad-name.md" with { type: "text" };
import w9 from "./usr/share/doc/problems/bad-path.md" with { type: "text" };
import w10 from "./usr/share/doc/problems/bad-query.md" with { type: "text" };
import w11 from "./usr/share/doc/problems/body-too-large.md" with { type: "text" };
import w12 from "./usr/share/doc/problems/conflict.md" with { type: "text" };
import w13 from "./usr/share/doc/problems/forbidden.md" with { type: "text" };
import w14 from "./usr/share/doc/problems/foreign-origin.md" with { type: "text" };
import w15 from "./usr/share/doc/problems/gateway-timeout.md" with { type: "text" };
import w16 from "./usr/share/doc/problems/gone.md" with { type: "text" };
import w17 from "./usr/share/doc/problems/insufficient-storage.md" with { type: "text" };
import w18 from "./usr/share/doc/problems/internal.md" with { type: "text" };
import w19 from "./usr/share/doc/problems/locked.md" with { type: "text" };
import w20 from "./usr/share/doc/problems/loop-detected.md" with { type: "text" };
import w21 from "./usr/share/doc/problems/lower-layer.md" with { type: "text" };
import w22 from "./usr/share/doc/problems/method-not-allowed.md" with { type: "text" };
import w23 from "./usr/share/doc/problems/not-acceptable.md" with { type: "text" };
import w24 from "./usr/share/doc/problems/not-found.md" with { type: "text" };
import w25 from "./usr/share/doc/problems/not-implemented.md" with { type: "text" };
import w26 from "./usr/share/doc/problems/precondition-failed.md" with { type: "text" };
import w27 from "./usr/share/doc/problems/range-not-satisfiable.md" with { type: "text" };
import w28 from "./usr/share/doc/problems/request-timeout.md" with { type: "text" };
import w29 from "./usr/share/doc/problems/too-many-requests.md" with { type: "text" };
import w30 from "./usr/share/doc/problems/unauthorized.md" with { type: "text" };
import w31 from "./usr/share/doc/problems/unavailable.md" with { type: "text" };
import w32 from "./usr/share/doc/problems/unknown-host.md" with { type: "text" };
import w33 from "./usr/share/doc/problems/unprocessable.md" with { type: "text" };
import w34 from "./usr/share/doc/problems/unsupported-media-type.md" with { type: "text" };
import w35 from "./usr/share/doc/problems/uri-too-long.md" with { type: "text" };
import w36 from "./usr/share/doc/problems/world-damaged.md" with { type: "text" };

/** Contents of the files below `worlds/` by their paths. */
export const birthWorlds: Readonly<Record<string, string>> = {
  "usr/lib/shell/index.html": w0,
  "usr/share/doc/auth.md": w1,
  "usr/share/doc/events.md": w2,
  "usr/share/doc/http.md": w3,
  "usr/share/doc/problems/bad-body.md": w4,
  "usr/share/doc/problems/bad-gateway.md": w5,
  "usr/share/doc/problems/bad-header.md": w6,
  "usr/share/doc/problems/bad-metadata.md": w7,
  "usr/share/doc/problems/bad-name.md": w8,
  "usr/share/doc/problems/bad-path.md": w9,
  "usr/share/doc/problems/bad-query.md": w10,
  "usr/share/doc/problems/body-too-large.md": w11,
  "usr/share/doc/problems/conflict.md": w12,
  "usr/share/doc/problems/forbidden.md": w13,
  "usr/share/doc/problems/foreign-origin.md": w14,
  "usr/share/doc/problems/gateway-timeout.md": w15,
  "usr/share/doc/problems/gone.md": w16,
  "usr/share/doc/problems/insufficient-storage.md": w17,
  "usr/share/doc/problems/internal.md": w18,
  "usr/share/doc/problems/locked.md": w19,
  "usr/share/doc/problems/loop-detected.md": w20,
  "usr/share/doc/problems/lower-layer.md": w21,
  "usr/share/doc/problems/method-not-allowed.md": w22,
  "usr/share/doc/problems/not-acceptable.md": w23,
  "usr/share/doc/problems/not-found.md": w24,
  "usr/share/doc/problems/not-implemented.md": w25,
  "usr/share/doc/problems/precondition-failed.md": w26,
  "usr/share/doc/problems/range-not-satisfiable.md": w27,
  "usr/share/doc/problems/request-timeout.md": w28,
  "usr/share/doc/problems/too-many-requests.md": w29,
  "usr/share/doc/problems/unauthorized.md": w30,
  "usr/share/doc/problems/unavailable.md": w31,
  "usr/share/doc/problems/unknown-host.md": w32,
  "usr/share/doc/problems/unprocessable.md": w33,
  "usr/share/doc/problems/unsupported-media-type.md": w34,
  "usr/share/doc/problems/uri-too-long.md": w35,
  "usr/share/doc/problems/world-damaged.md": w36,
};
