/**
 * The worlds every machine is born with, as text by path. Made by `deno task worlds`; edit the
 * files beside it, never this one.
 */

// deno-fmt-ignore-file
import w0 from "./home/boot.ts" with { type: "text" };
import w1 from "./usr/bin/introspect.sh" with { type: "text" };
import w2 from "./usr/lib/shell/api.js" with { type: "text" };
import w3 from "./usr/lib/shell/app.js" with { type: "text" };
import w4 from "./usr/lib/shell/boxes.css" with { type: "text" };
import w5 from "./usr/lib/shell/child_count.js" with { type: "text" };
import w6 from "./usr/lib/shell/chrome.js" with { type: "text" };
import w7 from "./usr/lib/shell/code.css" with { type: "text" };
import w8 from "./usr/lib/shell/code_view.js" with { type: "text" };
import w9 from "./usr/lib/shell/collection.js" with { type: "text" };
import w10 from "./usr/lib/shell/commands.js" with { type: "text" };
import w11 from "./usr/lib/shell/csv.js" with { type: "text" };
import w12 from "./usr/lib/shell/data.css" with { type: "text" };
import w13 from "./usr/lib/shell/dialog.js" with { type: "text" };
import w14 from "./usr/lib/shell/dom.js" with { type: "text" };
import w15 from "./usr/lib/shell/earlier_version.js" with { type: "text" };
import w16 from "./usr/lib/shell/editor.js" with { type: "text" };
import w17 from "./usr/lib/shell/finder.js" with { type: "text" };
import w18 from "./usr/lib/shell/format.js" with { type: "text" };
import w19 from "./usr/lib/shell/hex_view.js" with { type: "text" };
import w20 from "./usr/lib/shell/highlight.js" with { type: "text" };
import w21 from "./usr/lib/shell/home.js" with { type: "text" };
import w22 from "./usr/lib/shell/icon.svg" with { type: "text" };
import w23 from "./usr/lib/shell/index.html" with { type: "text" };
import w24 from "./usr/lib/shell/json_view.js" with { type: "text" };
import w25 from "./usr/lib/shell/lists.css" with { type: "text" };
import w26 from "./usr/lib/shell/markdown.css" with { type: "text" };
import w27 from "./usr/lib/shell/markdown.js" with { type: "text" };
import w28 from "./usr/lib/shell/markdown_view.js" with { type: "text" };
import w29 from "./usr/lib/shell/media_view.js" with { type: "text" };
import w30 from "./usr/lib/shell/mint.js" with { type: "text" };
import w31 from "./usr/lib/shell/missing_world.css" with { type: "text" };
import w32 from "./usr/lib/shell/missing_world.js" with { type: "text" };
import w33 from "./usr/lib/shell/notes.css" with { type: "text" };
import w34 from "./usr/lib/shell/notes.js" with { type: "text" };
import w35 from "./usr/lib/shell/permission_list.js" with { type: "text" };
import w36 from "./usr/lib/shell/place.js" with { type: "text" };
import w37 from "./usr/lib/shell/plugin.css" with { type: "text" };
import w38 from "./usr/lib/shell/plugin.js" with { type: "text" };
import w39 from "./usr/lib/shell/plugins_part.js" with { type: "text" };
import w40 from "./usr/lib/shell/rank.js" with { type: "text" };
import w41 from "./usr/lib/shell/route.js" with { type: "text" };
import w42 from "./usr/lib/shell/row_list.js" with { type: "text" };
import w43 from "./usr/lib/shell/send_file.js" with { type: "text" };
import w44 from "./usr/lib/shell/session.js" with { type: "text" };
import w45 from "./usr/lib/shell/session_menu.js" with { type: "text" };
import w46 from "./usr/lib/shell/shape_view.js" with { type: "text" };
import w47 from "./usr/lib/shell/shaped.css" with { type: "text" };
import w48 from "./usr/lib/shell/shaped.js" with { type: "text" };
import w49 from "./usr/lib/shell/shell.css" with { type: "text" };
import w50 from "./usr/lib/shell/shell.webmanifest" with { type: "text" };
import w51 from "./usr/lib/shell/side.js" with { type: "text" };
import w52 from "./usr/lib/shell/sign_in.js" with { type: "text" };
import w53 from "./usr/lib/shell/site/llms.txt" with { type: "text" };
import w54 from "./usr/lib/shell/site/robots.txt" with { type: "text" };
import w55 from "./usr/lib/shell/sse.js" with { type: "text" };
import w56 from "./usr/lib/shell/stage.html" with { type: "text" };
import w57 from "./usr/lib/shell/stage.js" with { type: "text" };
import w58 from "./usr/lib/shell/start.js" with { type: "text" };
import w59 from "./usr/lib/shell/stream.js" with { type: "text" };
import w60 from "./usr/lib/shell/streamed_stage.js" with { type: "text" };
import w61 from "./usr/lib/shell/table_view.js" with { type: "text" };
import w62 from "./usr/lib/shell/tree.js" with { type: "text" };
import w63 from "./usr/lib/shell/upload.js" with { type: "text" };
import w64 from "./usr/lib/shell/viewers.js" with { type: "text" };
import w65 from "./usr/lib/shell/world.js" with { type: "text" };
import w66 from "./usr/lib/shell/world_actions.js" with { type: "text" };
import w67 from "./usr/lib/shell/world_commands.js" with { type: "text" };
import w68 from "./usr/lib/skills/elastik.md" with { type: "text" };
import w69 from "./usr/share/doc/auth.md" with { type: "text" };
import w70 from "./usr/share/doc/commands.md" with { type: "text" };
import w71 from "./usr/share/doc/configuration.md" with { type: "text" };
import w72 from "./usr/share/doc/db.md" with { type: "text" };
import w73 from "./usr/share/doc/elastik.service" with { type: "text" };
import w74 from "./usr/share/doc/events.md" with { type: "text" };
import w75 from "./usr/share/doc/fanout.md" with { type: "text" };
import w76 from "./usr/share/doc/gpu.md" with { type: "text" };
import w77 from "./usr/share/doc/http.md" with { type: "text" };
import w78 from "./usr/share/doc/index.md" with { type: "text" };
import w79 from "./usr/share/doc/mounts.md" with { type: "text" };
import w80 from "./usr/share/doc/observing.md" with { type: "text" };
import w81 from "./usr/share/doc/openapi.json" with { type: "text" };
import w82 from "./usr/share/doc/plugins.md" with { type: "text" };
import w83 from "./usr/share/doc/problems/bad-body.md" with { type: "text" };
import w84 from "./usr/share/doc/problems/bad-gateway.md" with { type: "text" };
import w85 from "./usr/share/doc/problems/bad-header.md" with { type: "text" };
import w86 from "./usr/share/doc/problems/bad-metadata.md" with { type: "text" };
import w87 from "./usr/share/doc/problems/bad-name.md" with { type: "text" };
import w88 from "./usr/share/doc/problems/bad-path.md" with { type: "text" };
import w89 from "./usr/share/doc/problems/bad-query.md" with { type: "text" };
import w90 from "./usr/share/doc/problems/body-too-large.md" with { type: "text" };
import w91 from "./usr/share/doc/problems/conflict.md" with { type: "text" };
import w92 from "./usr/share/doc/problems/forbidden.md" with { type: "text" };
import w93 from "./usr/share/doc/problems/foreign-origin.md" with { type: "text" };
import w94 from "./usr/share/doc/problems/gateway-timeout.md" with { type: "text" };
import w95 from "./usr/share/doc/problems/gone.md" with { type: "text" };
import w96 from "./usr/share/doc/problems/insufficient-storage.md" with { type: "text" };
import w97 from "./usr/share/doc/problems/internal.md" with { type: "text" };
import w98 from "./usr/share/doc/problems/locked.md" with { type: "text" };
import w99 from "./usr/share/doc/problems/loop-detected.md" with { type: "text" };
import w100 from "./usr/share/doc/problems/lower-layer.md" with { type: "text" };
import w101 from "./usr/share/doc/problems/method-not-allowed.md" with { type: "text" };
import w102 from "./usr/share/doc/problems/not-acceptable.md" with { type: "text" };
import w103 from "./usr/share/doc/problems/not-found.md" with { type: "text" };
import w104 from "./usr/share/doc/problems/not-implemented.md" with { type: "text" };
import w105 from "./usr/share/doc/problems/precondition-failed.md" with { type: "text" };
import w106 from "./usr/share/doc/problems/range-not-satisfiable.md" with { type: "text" };
import w107 from "./usr/share/doc/problems/request-timeout.md" with { type: "text" };
import w108 from "./usr/share/doc/problems/too-many-requests.md" with { type: "text" };
import w109 from "./usr/share/doc/problems/unauthorized.md" with { type: "text" };
import w110 from "./usr/share/doc/problems/unavailable.md" with { type: "text" };
import w111 from "./usr/share/doc/problems/unknown-host.md" with { type: "text" };
import w112 from "./usr/share/doc/problems/unprocessable.md" with { type: "text" };
import w113 from "./usr/share/doc/problems/unsupported-media-type.md" with { type: "text" };
import w114 from "./usr/share/doc/problems/uri-too-long.md" with { type: "text" };
import w115 from "./usr/share/doc/problems/world-damaged.md" with { type: "text" };
import w116 from "./usr/share/doc/proxy.md" with { type: "text" };
import w117 from "./usr/share/doc/reality.md" with { type: "text" };
import w118 from "./usr/share/doc/router.md" with { type: "text" };
import w119 from "./usr/share/doc/running.md" with { type: "text" };
import w120 from "./usr/share/doc/service.md" with { type: "text" };
import w121 from "./usr/share/doc/shaped.md" with { type: "text" };
import w122 from "./usr/share/doc/shell.md" with { type: "text" };
import w123 from "./usr/share/doc/webdav.md" with { type: "text" };

/** Contents of the files below `worlds/` by their paths. */
export const birthWorlds: Readonly<Record<string, string>> = {
  "home/boot.ts": w0,
  "usr/bin/introspect.sh": w1,
  "usr/lib/shell/api.js": w2,
  "usr/lib/shell/app.js": w3,
  "usr/lib/shell/boxes.css": w4,
  "usr/lib/shell/child_count.js": w5,
  "usr/lib/shell/chrome.js": w6,
  "usr/lib/shell/code.css": w7,
  "usr/lib/shell/code_view.js": w8,
  "usr/lib/shell/collection.js": w9,
  "usr/lib/shell/commands.js": w10,
  "usr/lib/shell/csv.js": w11,
  "usr/lib/shell/data.css": w12,
  "usr/lib/shell/dialog.js": w13,
  "usr/lib/shell/dom.js": w14,
  "usr/lib/shell/earlier_version.js": w15,
  "usr/lib/shell/editor.js": w16,
  "usr/lib/shell/finder.js": w17,
  "usr/lib/shell/format.js": w18,
  "usr/lib/shell/hex_view.js": w19,
  "usr/lib/shell/highlight.js": w20,
  "usr/lib/shell/home.js": w21,
  "usr/lib/shell/icon.svg": w22,
  "usr/lib/shell/index.html": w23,
  "usr/lib/shell/json_view.js": w24,
  "usr/lib/shell/lists.css": w25,
  "usr/lib/shell/markdown.css": w26,
  "usr/lib/shell/markdown.js": w27,
  "usr/lib/shell/markdown_view.js": w28,
  "usr/lib/shell/media_view.js": w29,
  "usr/lib/shell/mint.js": w30,
  "usr/lib/shell/missing_world.css": w31,
  "usr/lib/shell/missing_world.js": w32,
  "usr/lib/shell/notes.css": w33,
  "usr/lib/shell/notes.js": w34,
  "usr/lib/shell/permission_list.js": w35,
  "usr/lib/shell/place.js": w36,
  "usr/lib/shell/plugin.css": w37,
  "usr/lib/shell/plugin.js": w38,
  "usr/lib/shell/plugins_part.js": w39,
  "usr/lib/shell/rank.js": w40,
  "usr/lib/shell/route.js": w41,
  "usr/lib/shell/row_list.js": w42,
  "usr/lib/shell/send_file.js": w43,
  "usr/lib/shell/session.js": w44,
  "usr/lib/shell/session_menu.js": w45,
  "usr/lib/shell/shape_view.js": w46,
  "usr/lib/shell/shaped.css": w47,
  "usr/lib/shell/shaped.js": w48,
  "usr/lib/shell/shell.css": w49,
  "usr/lib/shell/shell.webmanifest": w50,
  "usr/lib/shell/side.js": w51,
  "usr/lib/shell/sign_in.js": w52,
  "usr/lib/shell/site/llms.txt": w53,
  "usr/lib/shell/site/robots.txt": w54,
  "usr/lib/shell/sse.js": w55,
  "usr/lib/shell/stage.html": w56,
  "usr/lib/shell/stage.js": w57,
  "usr/lib/shell/start.js": w58,
  "usr/lib/shell/stream.js": w59,
  "usr/lib/shell/streamed_stage.js": w60,
  "usr/lib/shell/table_view.js": w61,
  "usr/lib/shell/tree.js": w62,
  "usr/lib/shell/upload.js": w63,
  "usr/lib/shell/viewers.js": w64,
  "usr/lib/shell/world.js": w65,
  "usr/lib/shell/world_actions.js": w66,
  "usr/lib/shell/world_commands.js": w67,
  "usr/lib/skills/elastik.md": w68,
  "usr/share/doc/auth.md": w69,
  "usr/share/doc/commands.md": w70,
  "usr/share/doc/configuration.md": w71,
  "usr/share/doc/db.md": w72,
  "usr/share/doc/elastik.service": w73,
  "usr/share/doc/events.md": w74,
  "usr/share/doc/fanout.md": w75,
  "usr/share/doc/gpu.md": w76,
  "usr/share/doc/http.md": w77,
  "usr/share/doc/index.md": w78,
  "usr/share/doc/mounts.md": w79,
  "usr/share/doc/observing.md": w80,
  "usr/share/doc/openapi.json": w81,
  "usr/share/doc/plugins.md": w82,
  "usr/share/doc/problems/bad-body.md": w83,
  "usr/share/doc/problems/bad-gateway.md": w84,
  "usr/share/doc/problems/bad-header.md": w85,
  "usr/share/doc/problems/bad-metadata.md": w86,
  "usr/share/doc/problems/bad-name.md": w87,
  "usr/share/doc/problems/bad-path.md": w88,
  "usr/share/doc/problems/bad-query.md": w89,
  "usr/share/doc/problems/body-too-large.md": w90,
  "usr/share/doc/problems/conflict.md": w91,
  "usr/share/doc/problems/forbidden.md": w92,
  "usr/share/doc/problems/foreign-origin.md": w93,
  "usr/share/doc/problems/gateway-timeout.md": w94,
  "usr/share/doc/problems/gone.md": w95,
  "usr/share/doc/problems/insufficient-storage.md": w96,
  "usr/share/doc/problems/internal.md": w97,
  "usr/share/doc/problems/locked.md": w98,
  "usr/share/doc/problems/loop-detected.md": w99,
  "usr/share/doc/problems/lower-layer.md": w100,
  "usr/share/doc/problems/method-not-allowed.md": w101,
  "usr/share/doc/problems/not-acceptable.md": w102,
  "usr/share/doc/problems/not-found.md": w103,
  "usr/share/doc/problems/not-implemented.md": w104,
  "usr/share/doc/problems/precondition-failed.md": w105,
  "usr/share/doc/problems/range-not-satisfiable.md": w106,
  "usr/share/doc/problems/request-timeout.md": w107,
  "usr/share/doc/problems/too-many-requests.md": w108,
  "usr/share/doc/problems/unauthorized.md": w109,
  "usr/share/doc/problems/unavailable.md": w110,
  "usr/share/doc/problems/unknown-host.md": w111,
  "usr/share/doc/problems/unprocessable.md": w112,
  "usr/share/doc/problems/unsupported-media-type.md": w113,
  "usr/share/doc/problems/uri-too-long.md": w114,
  "usr/share/doc/problems/world-damaged.md": w115,
  "usr/share/doc/proxy.md": w116,
  "usr/share/doc/reality.md": w117,
  "usr/share/doc/router.md": w118,
  "usr/share/doc/running.md": w119,
  "usr/share/doc/service.md": w120,
  "usr/share/doc/shaped.md": w121,
  "usr/share/doc/shell.md": w122,
  "usr/share/doc/webdav.md": w123,
};
