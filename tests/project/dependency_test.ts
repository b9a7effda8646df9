/**
 * The layers of `lib`: which folder may import which, no cycles between files, and no exported name
 * with two meanings. `lib/README.md` shows the same table.
 */
import { assert, assertEquals } from "../support/assert.ts";
import { listImports, splitSource } from "../support/source_text.ts";
import { readSources } from "../support/read_sources.ts";

/**
 * Folders and files of `lib`, each with what it may import besides itself and the modules of the
 * runtime. What precedes `(types)` back to the semicolon may be imported as types only.
 */
const LAYERS: readonly (readonly [units: string, mayImport: string])[] = [
  ["version.ts, limits.ts, settings.ts", "nothing"],
  ["cell_limits.ts", "limits"],
  ["dav_limits.ts", "nothing"],
  ["search_limits.ts", "nothing"],
  ["log_limits.ts", "nothing"],
  ["usage_limits.ts", "nothing"],
  ["cluster_limits.ts", "nothing"],
  ["base", "nothing"],
  ["deps", "npm"],
  ["world", "base, deps, limits, search_limits, usage_limits"],
  ["world/edit", "base, deps, limits, world"],
  ["world/change", "base, limits, world, world/edit"],
  ["world/file", "base, limits, world, world/change"],
  ["world/store", "base, limits, search_limits, usage_limits, world, world/change, world/file"],
  [
    "world/worker",
    "base, limits, search_limits, world, world/change, world/edit, world/file; world/store (types)",
  ],
  [
    "world/postgres",
    "base, cluster_limits, deps, limits, search_limits, usage_limits, world, world/change, world/edit, world/file, world/store, world/worker",
  ],
  ["http", "base, deps, limits; world (types)"],
  ["cluster_config.ts", "settings"],
  [
    "config.ts",
    "base, cell_limits, cluster_config, dav_limits, http, limits, search_limits, settings",
  ],
  ["auth", "base, http, limits, world"],
  ["source", "deps"],
  ["archive", "base, deps, limits, world, world/change, world/file"],
  ["request", "auth, http, limits, log_limits, search_limits, world; config, source (types)"],
  ["response", "base, http, limits, world; request (types)"],
  ["observe", "base, http, limits, request"],
  ["dav/xml", "dav_limits, deps, http, limits"],
  ["dav/resource", "dav/xml, auth, base, dav_limits, http, limits, world; request (types)"],
  ["dav/locks", "dav/xml, dav/resource, auth, dav_limits, http, limits, world; request (types)"],
  [
    "dav/properties",
    "dav/xml, dav/resource, dav/locks, auth, base, dav_limits, http, limits, world",
  ],
  [
    "dav/methods",
    "all of dav except the router, auth, base, dav_limits, http, limits, request, response, world",
  ],
  ["dav/router.ts", "all of dav, http, request, response"],
  ["plugin/wire", "base, cell_limits"],
  ["plugin/realm", "wire, base, cell_limits, limits"],
  ["plugin/transport", "wire, realm, base, cell_limits, limits"],
  ["plugin/manifest", "auth, base, cell_limits, deps, http, limits"],
  ["plugin/cell", "wire, realm, manifest, cell_limits, http, limits; transport, request (types)"],
  [
    "plugin/host",
    "all of plugin, auth, base, cell_limits, http, limits, log_limits, request, response, world",
  ],
  [
    "routes",
    "auth, base, dav/locks, dav/resource, http, limits, log_limits, observe, request, response, search_limits, source, usage_limits, world; deps (types)",
  ],
  ["server", "everything above except archive"],
  [
    "cli",
    "archive, auth, base, config, deps, http, limits, log_limits, observe, plugin/transport, server, version, world/file, world/postgres; plugins/mod.ts, worlds/mod.ts, worlds/precompressed.ts",
  ],
  ["testing", "main.ts"],
  ["tools", "base, http, limits, version, world; cli/progress_bar"],
];

/** What the entry point may name: the command line, and the Worker whose address it passes on. */
const MAIN_IMPORTS: readonly string[] = ["lib/cli/main.ts", "lib/world/worker/worker_main.ts"];

/** Names that several files of `lib` export, each with a reason. */
const SHARED_NAMES: Readonly<Record<string, string>> = {
  run: "each command of lib/cli/commands exports it",
};

/** What a row allows, as names of rows and files. */
interface Layer {
  readonly values: ReadonlySet<string>;
  readonly types: ReadonlySet<string>;
}

const UNITS = LAYERS.flatMap(([units]) => units.split(", "));

/** Resolves the text of a row to names of rows and files. */
function layerOf(unit: string, mayImport: string): Layer {
  const values = new Set<string>();
  const types = new Set<string>();
  for (const list of mayImport.split("; ")) {
    const typesOnly = list.endsWith(" (types)");
    for (const token of list.replace(/ \(types\)$/, "").split(", ")) {
      for (const name of unitsOf(unit, token)) (typesOnly ? types : values).add(name);
    }
  }
  return { values, types };
}

function unitsOf(unit: string, token: string): string[] {
  if (/^nothing\b/.test(token)) return [];
  const [, group, exception] = /^all of (\w+)(?: except the (\w+))?$/.exec(token) ?? [];
  if (group !== undefined) {
    const left = `${group}/${exception}.ts`;
    return UNITS.filter((name) => name.startsWith(`${group}/`) && name !== left);
  }
  const [, without] = /^everything above except (\w+)$/.exec(token) ?? [];
  if (without !== undefined) {
    return UNITS.slice(0, UNITS.indexOf(unit)).filter((name) => name !== without);
  }
  const names = [token, `${token}.ts`, `${unit.split("/")[0]}/${token}`];
  return [names.find((name) => UNITS.includes(name)) ?? token.replace(/^(?!npm$)[^.]*$/, "$&.ts")];
}

const TABLE = new Map(
  LAYERS.flatMap(([units, mayImport]) =>
    units.split(", ").map((unit) => [unit, layerOf(unit, mayImport)] as const)
  ),
);

/** The row of a file of `lib`, or undefined if no row covers it. */
function unitOf(file: string): string | undefined {
  const path = file.replace(/^lib\//, "");
  return UNITS.filter((unit) => path === unit || path.startsWith(`${unit}/`))
    .sort((a, b) => b.length - a.length)[0];
}

/** An import of a file of the project by another, or of an npm package. */
interface Arrow {
  readonly from: string;
  readonly to: string;
  readonly typeOnly: boolean;
  readonly line: number;
}

const ROOT = new URL("../../", import.meta.url);

/** Imports of modules of the project and of packages; the runtime's own modules are left out. */
function arrowsOf(file: string, source: string): Arrow[] {
  return listImports(source).flatMap(({ specifier, typeOnly, line }) => {
    if (/^(?:npm|jsr|https?):/.test(specifier)) return [{ from: file, to: "npm", typeOnly, line }];
    const to = new URL(specifier, `file:///${file}`);
    const isModule = to.protocol === "file:" && to.pathname.endsWith(".ts");
    return isModule ? [{ from: file, to: to.pathname.slice(1), typeOnly, line }] : [];
  });
}

/** Why an import is not allowed, or undefined if it is. */
function faultOf({ from, to, typeOnly }: Arrow): string | undefined {
  if (from === "main.ts") {
    return MAIN_IMPORTS.includes(to) ? undefined : `main.ts may import ${MAIN_IMPORTS.join(", ")}`;
  }
  const [, plugin] = /^plugins\/(\w+)\//.exec(from) ?? [];
  if (from.startsWith("plugins/")) {
    const own = plugin !== undefined && /^plugins\/(\w+)\//.exec(to)?.[1] === plugin;
    const kit = plugin !== undefined && to.startsWith("plugins/kit/");
    const types = typeOnly && to.startsWith("lib/");
    // The linker writes the sources of this package into the plugin.
    const linked = to === "lib/deps/eventsource_parser.ts" && from.startsWith("plugins/kit/");
    return own || kit || types || linked
      ? undefined
      : "a plugin may import itself, the kit and types of lib";
  }
  const unit = unitOf(from);
  const { values, types } = TABLE.get(unit ?? "") ?? { values: new Set(), types: new Set() };
  const target = unitOf(to) ?? to;
  const names = [target, to.replace(/^lib\//, "")];
  if (target === unit || names.some((name) => values.has(name))) return undefined;
  if (!names.some((name) => types.has(name))) return `${unit} may not import ${target}`;
  return typeOnly ? undefined : `${unit} may import types of ${target} only`;
}

/** Files that import each other, each cycle as the list of its files; a cycle is listed once. */
function cyclesOf(arrows: readonly Arrow[]): string[][] {
  const next = Map.groupBy(arrows, ({ from }) => from);
  const done = new Set<string>();
  const path: string[] = [];
  const cycles: string[][] = [];
  const visit = (file: string): void => {
    const at = path.indexOf(file);
    if (at !== -1) return void cycles.push(path.slice(at));
    if (done.has(file)) return;
    path.push(file);
    for (const { to } of next.get(file) ?? []) visit(to);
    path.pop();
    done.add(file);
  };
  for (const file of next.keys()) visit(file);
  return cycles;
}

const main = await Deno.readTextFile(new URL("main.ts", ROOT));
const lib = await readSources("lib/");
const plugins = await readSources("plugins/");
plugins.delete("plugins/mod.ts"); // generated: carries the plugins as text
const arrows = [["main.ts", main] as const, ...lib, ...plugins]
  .flatMap(([file, text]) => arrowsOf(file, text));

Deno.test("every import of lib, main.ts and the plugins is in the table of layers", () => {
  assert(arrows.length > 100, "it found no imports");
  const faults = arrows.flatMap((arrow) => {
    const fault = faultOf(arrow);
    return fault === undefined ? [] : [`${arrow.from}:${arrow.line}: ${arrow.to}: ${fault}`];
  });
  assertEquals(faults, []);
});

Deno.test("every file of lib belongs to a row of the table of layers", () => {
  assertEquals([...lib.keys()].filter((file) => unitOf(file) === undefined), []);
});

Deno.test("the PostgreSQL driver is loaded by a dynamic import only", async () => {
  const importers = [...await readSources("lib/")].flatMap(([path, text]) =>
    text.split("\n").filter((line) => line.includes('/deps/pg.ts"'))
      .map((line) => `${path}: ${/^import type |\bawait import\(/.exec(line)?.[0]}`)
  );
  assertEquals(importers, [
    "lib/world/postgres/session.ts: import type ",
    "lib/world/postgres/session.ts: await import(",
  ]);
});

Deno.test("no files of lib import each other in a cycle", () => {
  const inLib = arrows.filter(({ from, to }) => from.startsWith("lib/") && to.startsWith("lib/"));
  assertEquals(cyclesOf(inLib).map((cycle) => cycle.join(" → ")), []);
});

Deno.test("the table in lib/README.md is the table of layers", async () => {
  const page = await Deno.readTextFile(new URL("lib/README.md", ROOT));
  const shown = [...page.matchAll(/^\| (`lib\/[^|]*) \|.*\| ([^|]*) \|$/gm)]
    .map(([, units = "", mayImport = ""]) => [
      units.replaceAll("`", "").replace(/ \(.*\)/, "").replaceAll("lib/", "").trim(),
      mayImport.replaceAll("`", "").trim(),
    ]);
  assertEquals(shown, LAYERS.map((row) => [...row]));
});

Deno.test("no name is exported by two files of lib, except those with a reason", () => {
  const owners = new Map<string, string[]>();
  for (const [file, text] of lib) {
    const code = splitSource(text).filter(({ kind }) => kind === "code")
      .map(({ start, end }) => text.slice(start, end)).join(" ");
    const declared =
      /^export (?:declare )?(?:async |abstract )?(?:function\*?|class|const|let|interface|type|enum) (\w+)/gm;
    for (const name of new Set([...code.matchAll(declared)].map(([, name = ""]) => name))) {
      owners.set(name, [...owners.get(name) ?? [], file]);
    }
  }
  const doubles = [...owners].filter(([name, files]) =>
    files.length > 1 && !(name in SHARED_NAMES)
  );
  assertEquals(doubles.map(([name, files]) => `${name}: ${files.join(", ")}`), []);
  const unused = Object.keys(SHARED_NAMES).filter((name) => (owners.get(name)?.length ?? 0) < 2);
  assertEquals(unused, [], "remove the names that one file exports");
});

Deno.test("cyclesOf() finds files that import each other", () => {
  const arrow = (from: string, to: string) => ({ from, to, typeOnly: false, line: 1 });
  const found = cyclesOf([arrow("a", "b"), arrow("b", "c"), arrow("c", "b"), arrow("a", "c")]);
  assertEquals(found, [["b", "c"]]);
});
