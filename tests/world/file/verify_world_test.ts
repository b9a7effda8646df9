import { assertEquals } from "../../support/assert.ts";
import { DatabaseSync } from "node:sqlite";
import { createChainSigner } from "../../../lib/world/event_chain.ts";
import { Reader } from "../../../lib/world/worker/reader.ts";
import { verifyWorld, type WorldFault } from "../../../lib/world/file/verify_world.ts";
import {
  createSample,
  damages,
  damageSample,
  SAMPLE_FILE,
  SAMPLE_KEY,
  SAMPLE_NAME,
  sampleSetup,
} from "../../testdata/sample_world.ts";
import { withTempFolder } from "../../support/temp_folder.ts";

function faultsOf(data: string, key = SAMPLE_KEY): readonly WorldFault[] {
  const db = new DatabaseSync(`${data}/${SAMPLE_FILE}`);
  try {
    return verifyWorld(db, SAMPLE_NAME, createChainSigner(key)).faults;
  } catch (error) {
    return [{ check: "unreadable", reason: error instanceof Error ? error.message : "" }];
  } finally {
    db.close();
  }
}

Deno.test("verifyWorld() returns no fault for a valid world", () =>
  withTempFolder((data) => {
    createSample(data);
    assertEquals(faultsOf(data), []);
  }));

for (const room of ["chains", "rows", "history"]) {
  for (const damage of damages(room)) {
    Deno.test(`verifyWorld() finds ${damage.title}`, () =>
      withTempFolder((data) => {
        createSample(data);
        damageSample(data, damage);
        assertEquals(faultsOf(data), damage.findings);
      }));
  }
}

for (const room of ["chains", "rows"]) {
  for (const damage of damages(room)) {
    const [first] = damage.findings;
    if (first === undefined || first.check === "unreadable") continue;
    Deno.test(`Reader.audit() finds ${damage.title}`, () =>
      withTempFolder(async (data) => {
        createSample(data);
        damageSample(data, damage);
        const verdict = await new Reader(sampleSetup(data)).audit(SAMPLE_NAME);
        assertEquals(verdict?.ok, false);
        const chain = damage.findings.find(({ check }) => check === "chain");
        assertEquals(verdict?.chain.ok, chain === undefined);
        assertEquals(verdict?.chain.broken_at, chain?.event);
        assertEquals(verdict?.chain.reason, chain?.reason);
        if (first.check === "body") assertEquals(verdict?.body.reason, first.reason);
      }));
  }
}

Deno.test("verifyWorld() reports the first event of a chain that another key signed", () =>
  withTempFolder((data) => {
    createSample(data);
    const reason = "hmac does not match the event and the signing key";
    assertEquals(faultsOf(data, "another key"), [{ check: "chain", event: 1, reason }]);
  }));

Deno.test("verifyWorld() cannot detect that a file was replaced by an older valid copy", () =>
  withTempFolder((data) => {
    // A limit of one chain per world: it does not prove that no newer events existed.
    createSample(data);
    const db = new DatabaseSync(`${data}/${SAMPLE_FILE}`);
    db.exec(`DELETE FROM events WHERE id > 4;
      UPDATE stage_meta SET stage_html = (SELECT bytes FROM content JOIN history USING (sha256)
        WHERE version = 4), version = 4;
      DELETE FROM content WHERE sha256 = (SELECT sha256 FROM history WHERE version = 4);
      DELETE FROM history WHERE version = 4;`);
    db.close();
    assertEquals(faultsOf(data), []);
  }));
