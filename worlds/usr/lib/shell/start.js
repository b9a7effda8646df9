/** Preloads the modules that this path needs while the shell loads. It has no imports itself. */

/** Modules of the viewers, by the extension of a name. */
const VIEWERS = {
  html: ["stage"],
  md: ["markdown_view", "markdown"],
  json: ["json_view", "json_text"],
  csv: ["table_view", "csv"],
  ts: ["code_view", "highlight"],
  js: ["code_view", "highlight"],
  txt: ["code_view", "highlight"],
  png: ["media_view"],
  bin: ["hex_view"],
};

function modulesOf(path) {
  if (path === "/") return ["home", "tree", "plugins_part", "stream"];
  if (!/^\/(?:home|etc|usr|var|boot|lib)\//.test(path)) return ["route"];
  if (path.endsWith("/")) return ["collection", "row_list", "stream"];
  const suffix = /(?:\.([a-z]+))?$/.exec(path)[1];
  const kind = path.startsWith("/lib/") ? "ts" : suffix ?? "html";
  return ["world", "viewers", "stream", "world_actions", ...(VIEWERS[kind] ?? [])];
}

for (const module of modulesOf(location.pathname)) import(`./${module}.js?raw`);
