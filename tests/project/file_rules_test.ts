/** Rules for the files of `lib` and of the plugins: their length, and fragments. */
import { assert, assertEquals } from "../support/assert.ts";
import { listImports } from "../support/source_text.ts";
import { readSources } from "../support/read_sources.ts";

const ROOT = new URL("../../", import.meta.url);
/** Most lines of a source file. */
const MAX_LINES = 600;
/** Most lines of a plugin's source file; built plugins are not counted. */
const MAX_PLUGIN_LINES = 400;
/** Most lines of the entry point. */
const MAX_MAIN_LINES = 60;
/** A file with fewer lines and a single importer is a fragment. */
const FRAGMENT_LINES = 60;

/** Fragments that stay, each with a reason. */
const FRAGMENTS: Readonly<Record<string, string>> = {
  "lib/archive/continue_numbering.ts": "it changes a world, and has its own test",
  "lib/world/postgres/diff_worker.ts": "a Worker that a node starts when it is needed",
  "lib/world/postgres/open_postgres_store.ts":
    "loaded only by a node, and refuses a database before a store is made",
  "lib/archive/same_world.ts": "the comparison of two worlds has its own test",
  "lib/dav/xml/count_nodes.ts": "a scanner with its own test",
  "lib/auth/revocation.ts": "the rule which capabilities are revoked, with its own test",
  "lib/dav/methods/mkcol.ts": "one file for each WebDAV method",
  "lib/http/drain_body.ts": "a workaround for a fault of Deno, to be deleted when it is mended",
  "lib/http/read_ahead.ts": "an estimate with its own test, to be deleted with the fault of Deno",
  "lib/http/head_response.ts": "a workaround for a fault of Deno, to be deleted when it is mended",
  "lib/server/uncaught_errors.ts": "global handlers with their own test, without a server",
  "lib/plugin/cell/own_port_guard.ts": "a check with its own test; the host composes it",
  "lib/plugin/cell/process_memory.ts": "the only code that depends on Linux, with its own test",
  "lib/http/cache_control.ts": "a parser with its own specification",
  "lib/server/create_locks.ts": "when the locks of a holder end",
  "lib/http/idempotency_key.ts": "a parser with its own specification",
  "lib/plugin/cell/rate_limit.ts": "a counter with its own test",
  "lib/plugin/host/strip_types.ts": "starts a cell, so that it is not part of manifest",
  "lib/plugin/manifest/check_imports_worker.ts": "entry point of a Worker",
  "lib/plugin/manifest/missing_permissions.ts": "a function with its own test",
  "lib/plugin/transport/cell_main.ts": "entry point of a process",
  "lib/plugin/transport/choose_transport.ts":
    "the choice between two transports, with its own test",
  "lib/plugin/transport/worker_transport.ts": "one of two implementations of the same interface",
  "lib/plugin/cell/open_verified.ts": "a check against a race, with its own test",
  "lib/server/boot_worlds.ts": "the text of /boot, with its own test",
  "lib/source/find_program_source.ts": "separate, because it imports each kind of source",
  "lib/source/gitignore.ts": "loaded with the first source listing only",
  "lib/source/import_specifiers.ts": "a parser with its own test",
  "lib/source/single_file.ts": "one of three implementations of the same interface",
  "lib/tools/generate_plugins_module.ts": "a developer command",
  "lib/tools/generate_worlds_module.ts": "a developer command",
  "lib/world/edit/find_bytes.ts": "an algorithm with its own test",
  "lib/world/worker/diff_texts.ts": "the limits of a job, with its own test",
  "lib/routes/check_plugin.ts": "the handler of one request, with its own test",
  "lib/routes/patch_world.ts": "the handler of one method",
  "lib/routes/proc/cluster_metrics.ts": "one group of metrics, with its own test",
  "lib/routes/proc/operator_metrics.ts": "one group of metrics, with its own test",
  "lib/routes/proc/nodes_list.ts": "the handler of one route",
  "lib/routes/proc/plugins_list.ts": "the handler of one route",
  "lib/world/postgres/record_text.ts": "a format of the database, with its own test",
  "lib/world/file/probe_folder.ts": "the check of a disk, with its own test",
  "lib/world/file/size_on_disk.ts": "reads sizes only, with its own test",
  "lib/world/store/folder_report.ts": "the lines about what a start cannot use, with its own test",
  "lib/world/store/folder_watch.ts": "the timer of a check, with its own test",
  "lib/world/store/rename.ts": "the two steps of a rename, with their own test",
  "lib/world/worker/step_turns.ts": "the order of the steps of long jobs, with its own test",
  "lib/world/store/recover_names.ts": "what happens before a world is opened, apart from the store",
  "lib/world/worker/worker_main.ts": "entry point of a Worker",
};

function lines(text: string): number {
  return text.trimEnd().split("\n").length;
}

const main = await Deno.readTextFile(new URL("main.ts", ROOT));
const lib = await readSources("lib/");
/** A copy of a package. */
const COPIED = "plugins/kit/eventsource_parser.ts";
const plugins = [...await readSources("plugins/")]
  .filter(([path]) => /\/.+\//.test(path) && path !== COPIED);

Deno.test(`no file of lib is longer than ${MAX_LINES} lines`, () => {
  const long = [...lib].filter(([, text]) => lines(text) > MAX_LINES);
  assertEquals(long.map(([path, text]) => `${path}: ${lines(text)}`), []);
  assert(lines(main) <= MAX_MAIN_LINES, "main.ts only passes the command line on");
});

Deno.test(`no source file of a plugin is longer than ${MAX_PLUGIN_LINES} lines`, () => {
  const long = plugins.filter(([, text]) => lines(text) > MAX_PLUGIN_LINES);
  assertEquals(long.map(([path, text]) => `${path}: ${lines(text)}`), []);
});

Deno.test("a short file with a single importer has a reason", () => {
  const importers = new Map<string, Set<string>>();
  for (const [file, text] of [["main.ts", main] as const, ...lib]) {
    for (const { specifier } of listImports(text)) {
      const path = new URL(specifier, `file:///${file}`).pathname.slice(1);
      importers.set(path, (importers.get(path) ?? new Set()).add(file));
    }
  }
  const fragments = [...lib].filter(([path, text]) =>
    lines(text) < FRAGMENT_LINES && (importers.get(path)?.size ?? 0) < 2 &&
    // One package or one command a file, however short.
    !/^lib\/(?:deps|cli\/commands)\//.test(path)
  ).map(([path]) => path);
  const without = fragments.filter((path) => !Object.hasOwn(FRAGMENTS, path));
  assertEquals(without, [], "merge the file with its importer, or give a reason");
  const unused = Object.keys(FRAGMENTS).filter((path) => !fragments.includes(path));
  assertEquals(unused, [], "remove the reasons that are not needed");
});

Deno.test("every file of lib/deps exports one package, with its version, licence and use", () => {
  for (const [path, text] of lib) {
    if (!path.startsWith("lib/deps/")) continue;
    const [, name = "", version = ""] = /from "npm:([\w-]+)@([\d.]+)/.exec(text) ?? [];
    // A path after the version is a part of the package.
    const packages = new Set(
      [...text.matchAll(/from "npm:([\w-]+@[\d.]+)[^"]*"/g)].map(([, found]) => found),
    );
    assertEquals([...packages], [`${name}@${version}`], path);
    const head = `/**\n * \`${name}\` ${version}, `;
    assert(text.startsWith(head), `${path} does not begin with ${JSON.stringify(head)}`);
    assert(/^.*\n.*\b(?:MIT|ISC|BSD|Apache)\b.* licence/.test(text), `${path} names no licence`);
  }
});
