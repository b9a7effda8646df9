/**
 * Occurrences of listed words from before the list. Numbers may only fall:
 * `deno run -A tests/project/word_list_test.ts --update`.
 */
export const BASELINE: Readonly<Record<string, number>> = {
  "plugins/example.ts: who may": 2,
  "tests/project/house_test.ts: alone": 1,
  "tests/project/proxy_test.ts: nobody": 1,
  "tests/world/store/catalog_writer_test.ts: by itself": 1,
  "tests/world/store/catalog_writer_test.ts: goes on": 1,
  "tests/world/store/change_hub_test.ts: nobody": 2,
  "tests/world/store/empty_collections_test.ts: goes on": 1,
  "tests/world/store/read_through_test.ts: meanwhile": 2,
  "tests/world/store/read_through_test.ts: nobody": 1,
  "tests/world/store/read_through_test.ts: whoever": 1,
  "tests/world/store/records_test.ts: stands": 1,
  "tests/world/store/snapshot_files_test.ts: nobody": 1,
  "tests/world/store/sqlite_store_test.ts: alone": 1,
  "tests/world/store/world_cache_test.ts: room": 1,
};
