/**
 * `tests` mirrors `lib` and `plugins`: the tests of `lib/a/b.ts` are in `tests/a/b_test.ts` or in
 * `tests/a/b_<topic>_test.ts`.
 */
import { assertEquals } from "../support/assert.ts";
import { listImports } from "../support/source_text.ts";
import { readSources } from "../support/read_sources.ts";

/** Files without a test of that name, each with a test that covers it. */
const COVERED_BY: Readonly<Record<string, string>> = {
  "lib/world/postgres/load_worlds.ts": "tests/world/postgres/write_queue_test.ts",
  "lib/world/postgres/coordination_sql.ts": "tests/world/postgres/database_coordination_test.ts",
  "lib/world/postgres/schema.ts": "tests/world/postgres/apply_sql_test.ts",
  "lib/world/change/change_events.ts": "tests/world/postgres/draft_jobs_test.ts",
  "lib/world/change/change_world.ts": "tests/world/postgres/draft_jobs_test.ts",
  "lib/world/change/create_world.ts": "tests/world/postgres/draft_jobs_test.ts",
  "lib/world/change/move_world.ts": "tests/world/postgres/draft_jobs_test.ts",
  "lib/world/change/written_world.ts": "tests/world/postgres/draft_jobs_test.ts",
  "lib/world/postgres/draft_set.ts": "tests/world/postgres/draft_jobs_test.ts",
  "lib/world/file/version_columns.ts": "tests/world/worker/reader_test.ts",
  "lib/world/store/growing_changes.ts": "tests/world/store/sqlite_store_test.ts",
  "lib/world/file/copy_target.ts": "tests/world/worker/reader_test.ts",
  "lib/world/file/world_copy.ts": "tests/world/file/copy_world_test.ts",
  "lib/world/postgres/content_reader.ts": "tests/world/postgres/reads_test.ts",
  "lib/world/postgres/export_store.ts": "tests/world/postgres/import_store_test.ts",
  "lib/world/postgres/folder_facts.ts": "tests/world/postgres/import_store_test.ts",
  "lib/world/postgres/import_order.ts": "tests/world/postgres/import_store_test.ts",
  "lib/world/postgres/import_rows.ts": "tests/world/postgres/import_store_test.ts",
  "lib/world/postgres/import_world.ts": "tests/world/postgres/import_store_test.ts",
  "lib/world/postgres/query_schema.ts": "tests/world/postgres/trash_query_test.ts",
  "lib/world/postgres/query_sessions.ts": "tests/world/postgres/reads_test.ts",
  "lib/world/postgres/search_query.ts": "tests/world/postgres/search_store_test.ts",
  "lib/world/postgres/search_tables.ts": "tests/world/postgres/search_store_test.ts",
  "lib/world/postgres/stored_copy.ts": "tests/world/postgres/snapshot_test.ts",
  "lib/world/postgres/trash_rows.ts": "tests/world/postgres/trash_query_test.ts",
  "lib/world/postgres/world_facts.ts": "tests/world/postgres/chain_test.ts",
  "lib/world/search_form.ts": "tests/world/worker/search_file_test.ts",
  "lib/routes/restore_world.ts": "tests/routes/proc/trash_test.ts",
  "lib/routes/proc/collection_prefix.ts": "tests/routes/proc/changes_test.ts",
  "lib/world/file/trash_sql.ts": "tests/world/worker/trash_bin_test.ts",
  "lib/world/file/trash_table.ts": "tests/world/worker/trash_bin_test.ts",
  "lib/world/store/recover_names.ts": "tests/world/store/sqlite_store_test.ts",
  "lib/world/trash.ts": "tests/world/trash_suite.ts",
  "lib/world/worker/moves.ts": "tests/world/worker/writer_test.ts",
  "lib/dav/methods/transfer.ts": "tests/dav/methods/copy_move_test.ts",
  "lib/dav/methods/move_plain.ts": "tests/routes/move_world_test.ts",
  "lib/cli/command.ts": "tests/cli/main_test.ts",
  "lib/cli/commands/cell.ts": "tests/cli/main_test.ts",
  "lib/routes/stream/missed_changes.ts": "tests/routes/stream/collection_feed_test.ts",
  "lib/routes/stream/waits.ts": "tests/routes/proc/changes_test.ts",
  "lib/world/changes.ts": "tests/world/worker/change_file_test.ts",
  "lib/world/worker/index_server.ts": "tests/world/worker/worker_server_test.ts",
  "lib/world/store/store_moves.ts": "tests/world/store/sqlite_store_test.ts",
  "lib/cluster_limits.ts": "tests/world/postgres/session_test.ts",
  "lib/usage_limits.ts": "tests/routes/proc/usage_test.ts",
  "lib/world/postgres/cluster_writes.ts": "tests/world/postgres/postgres_store_test.ts",
  "lib/world/postgres/database_feed.ts": "tests/world/postgres/postgres_store_test.ts",
  "lib/world/postgres/diff_worker.ts": "tests/world/postgres/postgres_store_test.ts",
  "lib/world/postgres/open_postgres_store.ts": "tests/world/postgres/postgres_store_test.ts",
  "lib/world/postgres/upkeep.ts": "tests/world/postgres/postgres_store_test.ts",
  "lib/world/postgres/feed_row.ts": "tests/world/postgres/cluster_state_test.ts",
  "lib/log_limits.ts": "tests/plugin/host/plugin_logs_test.ts",
  "lib/search_limits.ts": "tests/world/search_text_test.ts",
  "lib/world/store/sqlite_store_options.ts": "tests/world/store/search_index_test.ts",
  "lib/world/worker/search_run.ts": "tests/world/worker/search_file_test.ts",
  "lib/world/worker/search_server.ts": "tests/world/worker/worker_server_test.ts",
  "lib/world/worker/search_set.ts": "tests/world/worker/search_file_test.ts",
  "lib/world/worker/search_sql.ts": "tests/world/worker/search_file_test.ts",
  "lib/world/worker/diff_texts.ts": "tests/routes/text_parts_test.ts",
  "lib/world/worker/change_sql.ts": "tests/world/worker/change_file_test.ts",
  "lib/dav/locks/lock_guard.ts": "tests/dav/methods/lock_test.ts",
  "lib/dav/methods/dav_context.ts": "tests/dav/methods/propfind_test.ts",
  "lib/dav/methods/delete.ts": "tests/dav/methods/put_test.ts",
  "lib/dav/methods/get.ts": "tests/dav/methods/put_test.ts",
  "lib/dav/methods/mkcol.ts": "tests/dav/methods/put_test.ts",
  "lib/dav/methods/target_checks.ts": "tests/dav/methods/put_test.ts",
  "lib/dav/properties/creation_info.ts": "tests/dav/methods/proppatch_test.ts",
  "lib/dav/properties/dead_properties.ts": "tests/dav/methods/proppatch_test.ts",
  "lib/dav/properties/live_properties.ts": "tests/dav/methods/propfind_test.ts",
  "lib/dav/properties/multistatus.ts": "tests/dav/methods/propfind_test.ts",
  "lib/dav/resource/disk_space.ts": "tests/dav/methods/propfind_test.ts",
  "lib/dav/resource/mount_client.ts": "tests/dav/methods/mount_methods_test.ts",
  "lib/dav/resource/resource.ts": "tests/dav/methods/propfind_test.ts",
  "lib/cell_limits.ts": "tests/config_test.ts",
  "lib/dav_limits.ts": "tests/config_test.ts",
  "lib/limits.ts": "tests/config_test.ts",
  "lib/plugin/host/loaded_plugin.ts": "tests/plugin/host/plugin_loader_test.ts",
  "lib/plugin/host/plugin_events.ts": "tests/plugin/cron_test.ts",
  "lib/plugin/wire/plugin_event.ts": "tests/plugin/cron_test.ts",
  "lib/plugin/transport/transport.ts": "tests/plugin/cell/cell_limits_test.ts",
  "lib/request/core_routes.ts": "tests/server/app_test.ts",
  "lib/request/request_context.ts": "tests/request/gate_test.ts",
  "lib/routes/world_responses.ts": "tests/routes/read_world_test.ts",
  "lib/server/create_locks.ts": "tests/server/app_test.ts",
  "lib/server/exchange.ts": "tests/server/connection_server_test.ts",
  "lib/server/reload_result.ts": "tests/cli/commands/reload_test.ts",
  "lib/server/reloader.ts": "tests/cli/commands/reload_test.ts",
  "lib/server/start.ts": "tests/http/agent_loop_test.ts",
  "lib/settings.ts": "tests/config_test.ts",
  "lib/source/program_source.ts": "tests/source/find_program_source_test.ts",
  "lib/source/single_file.ts": "tests/source/find_program_source_test.ts",
  "lib/tools/generate_plugins_module.ts": "tests/plugins/mod_test.ts",
  "lib/version.ts": "tests/cli/main_test.ts",
  "lib/world/worker/change_heads.ts": "tests/world/worker/change_file_test.ts",
  "lib/world/worker/change_pages.ts": "tests/world/worker/change_file_test.ts",
  "lib/world/worker/index_database.ts": "tests/world/worker/change_file_test.ts",
  "lib/world/store.ts": "tests/world/store/sqlite_store_test.ts",
};

/** Sources that are generated from a package or for the program, and have their tests there. */
const GENERATED = ["plugins/kit/eventsource_parser.ts"];

const lib = await readSources("lib/");
const plugins = await readSources("plugins/");
const tests = await readSources("tests/");
const sources = new Map([...lib, ...plugins, ...tests]);

/** Whether a module has code that runs: not only types, and not only the name of a package. */
function hasCode(path: string, text: string): boolean {
  return /^export (?:default )?(?:async )?(?:function|class|const)\b/m.test(text) &&
    !path.startsWith("lib/deps/");
}

function hasOwnTest(path: string): boolean {
  const mirror = path.replace(/^lib\//, "tests/").replace(/^plugins\//, "tests/plugins/")
    .replace(/\.ts$/, "_");
  return [...tests.keys()].some((test) => test.startsWith(mirror) && test.endsWith("_test.ts"));
}

/** Every module that a test imports, directly or through others. */
function importsOf(test: string): Set<string> {
  const found = new Set([test]);
  for (const path of found) {
    for (const { specifier } of listImports(sources.get(path) ?? "")) {
      if (!specifier.startsWith(".")) continue;
      const imported = new URL(specifier, `file:///${path}`).pathname.slice(1);
      if (sources.has(imported)) found.add(imported);
    }
  }
  return found;
}

Deno.test("every module of lib has a test of its name, or a test that covers it", () => {
  const without = [...lib].filter(([path, text]) => hasCode(path, text) && !hasOwnTest(path))
    .map(([path]) => path);
  const uncovered = without.filter((path) => !Object.hasOwn(COVERED_BY, path));
  assertEquals(uncovered, [], "write a test, or name the test that covers the module");
  const unused = Object.keys(COVERED_BY).filter((path) => !without.includes(path));
  assertEquals(unused, [], "remove the entries of modules that have a test, or are gone");
});

Deno.test("a test that covers a module imports it", () => {
  const faults = Object.entries(COVERED_BY).filter(([path, test]) => !importsOf(test).has(path));
  assertEquals(faults, []);
});

Deno.test("every plugin and each of its modules has a test", () => {
  const without = [...plugins].filter(([path, text]) => {
    // The tests of the whole plugin cover its entry; the documents run the example.
    const named = path.replace(/^(plugins\/\w+)\/mod\.ts$/, "$1.ts");
    return hasCode(path, text) && named !== "plugins/example.ts" &&
      !GENERATED.includes(path) && !hasOwnTest(named);
  });
  assertEquals(without.map(([path]) => path), []);
});
