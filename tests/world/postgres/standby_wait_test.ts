import { assert, assertEquals, assertMatch, assertRejects } from "../../support/assert.ts";
import { openDatabase } from "../../support/database_session.ts";
import { serversTest } from "../../support/postgres_servers.ts";
import { initStore } from "../../../lib/world/postgres/manage_store.ts";
import { findPrimary } from "../../../lib/world/postgres/primary.ts";
import { SessionError } from "../../../lib/world/postgres/session.ts";
import {
  COMMIT_WAITS,
  describeStandbyWait,
  readStandbyWait,
  watchStandby,
} from "../../../lib/world/postgres/standby_wait.ts";
import { parseStoreUrl } from "../../../lib/world/postgres/store_url.ts";

/** Milliseconds between two looks of a test. */
const LOOK_MS = 50;
const REASON = /^commits wait for a synchronous standby \(synchronous_standby_names is b\); /;

Deno.test("describeStandbyWait() names the setting and the remedy", () => {
  assertMatch(describeStandbyWait("b"), REASON);
  assertMatch(describeStandbyWait("b"), /start the standby, or change this setting$/);
});

serversTest("a command whose commit waits for a standby ends with the reason", {
  servers: 2,
  synchronous: "b",
}, async (servers) => {
  const open = () => openDatabase(servers, "postgres");
  const session = watchStandby(await open(), open, LOOK_MS);
  const other = await open();
  // What takes long for another reason has its answer.
  await session.query(`SELECT pg_sleep(${4 * LOOK_MS / 1000})`);
  assertEquals(await readStandbyWait(other, 0), undefined);

  await servers.kill("b");
  await assertRejects(initStore(session, { key: "own" }), (error: unknown) => {
    assert(error instanceof SessionError, `${error}`);
    assertEquals([error.code, error.isUnknown], [COMMIT_WAITS, false]);
    assertMatch(error.message, REASON);
    return true;
  });
  assert(!session.isOpen, "its session has ended");

  // A deadline of the query has the same reason.
  const late = watchStandby(await open(), open);
  const together = [late.query("CREATE TABLE public.other (n int)", undefined, 5_000)];
  together.push(late.query("SELECT 1"));
  for (const query of together) {
    await assertRejects(
      () => query,
      (error: unknown) => error instanceof SessionError && REASON.test(error.message),
    );
  }

  // The commit still waits, and the search for the primary says so to every other session.
  assertMatch(await readStandbyWait(other, 0) ?? "", REASON);
  const store = parseStoreUrl(servers.url());
  let found = await findPrimary(store);
  while (found.standbyWait === undefined) found = await findPrimary(store);
  assertMatch(found.standbyWait, REASON);

  await servers.restart("b");
  while (await readStandbyWait(other, 0) !== undefined);
  const { isNew } = await initStore(await open(), { key: "own" });
  assertEquals(isNew, false, "it took effect then");
  assertEquals((await findPrimary(store)).standbyWait, undefined);
  other.drop();
});
