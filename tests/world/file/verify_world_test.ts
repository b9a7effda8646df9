import { deepStrictEqual as equal } from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { createChainSigner } from "../../../lib/world/event_chain.ts";
import { Reader } from "../../../lib/world/worker/reader.ts";
import { verifyWorld, type WorldFault } from "../../../lib/world/file/verify_world.ts";
import {
  breakPiece,
  exhibits,
  makePiece,
  MUSEUM_KEY,
  museumSetup,
  PIECE,
  PIECE_FILE,
} from "../../testdata/museum.ts";
import { withTempData } from "../../testdata/temp_data.ts";

function faultsOf(data: string, key = MUSEUM_KEY): readonly WorldFault[] {
  const db = new DatabaseSync(`${data}/${PIECE_FILE}`);
  try {
    return verifyWorld(db, PIECE, createChainSigner(key)).faults;
  } catch (error) {
    return [{ check: "unreadable", reason: error instanceof Error ? error.message : "" }];
  } finally {
    db.close();
  }
}

Deno.test("verifyWorld() finds nothing wrong with a world that is whole", () =>
  withTempData((data) => {
    makePiece(data);
    equal(faultsOf(data), []);
  }));

for (const room of ["chains", "rows", "history"]) {
  for (const exhibit of exhibits(room)) {
    Deno.test(`checkWorld() finds ${exhibit.title}`, () =>
      withTempData((data) => {
        makePiece(data);
        breakPiece(data, exhibit);
        equal(faultsOf(data), exhibit.findings);
      }));
  }
}

for (const room of ["chains", "rows"]) {
  for (const exhibit of exhibits(room)) {
    const [first] = exhibit.findings;
    if (first === undefined || first.check === "unreadable") continue;
    Deno.test(`Reader.audit() finds ${exhibit.title}`, () =>
      withTempData(async (data) => {
        makePiece(data);
        breakPiece(data, exhibit);
        const verdict = await new Reader(museumSetup(data)).audit(PIECE);
        equal(verdict?.ok, false);
        const chain = exhibit.findings.find(({ check }) => check === "chain");
        equal(verdict?.chain.ok, chain === undefined);
        equal(verdict?.chain.broken_at, chain?.event);
        equal(verdict?.chain.reason, chain?.reason);
        if (first.check === "body") equal(verdict?.body.reason, first.reason);
      }));
  }
}

Deno.test("verifyWorld() finds the first event of a chain that another key signed", () =>
  withTempData((data) => {
    makePiece(data);
    const reason = "hmac does not match the event's content under this machine's key";
    equal(faultsOf(data, "another key"), [{ check: "chain", event: 1, reason }]);
  }));

Deno.test("verifyWorld() takes a whole older file for whole: nothing inside it tells", () =>
  withTempData((data) => {
    // The limit of a chain per world: it proves what is there, not that nothing newer ever was.
    makePiece(data);
    const db = new DatabaseSync(`${data}/${PIECE_FILE}`);
    db.exec(`DELETE FROM events WHERE id > 4;
      UPDATE stage_meta SET stage_html = (SELECT bytes FROM content JOIN history USING (sha256)
        WHERE version = 4), version = 4;
      DELETE FROM content WHERE sha256 = (SELECT sha256 FROM history WHERE version = 4);
      DELETE FROM history WHERE version = 4;`);
    db.close();
    equal(faultsOf(data), []);
  }));
