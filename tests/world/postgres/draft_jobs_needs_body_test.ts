import { assertEquals } from "../../support/assert.ts";
import { MAX_CACHE_ENTRY_BYTES } from "../../../lib/limits.ts";
import { needsBody } from "../../../lib/world/postgres/draft_jobs.ts";
import type {
  AppendJob,
  PatchJob,
  RenameJob,
  RestoreJob,
} from "../../../lib/world/change/write_job.ts";

const BASE = { name: "home/x", by: "T2", ext: "txt", state: "", meta: [], eventFields: {} };
const body = new Uint8Array(1);
const append: AppendJob = { ...BASE, kind: "append", body };
const patch: PatchJob = { ...BASE, kind: "patch", edit: { format: "application/json", body } };
const rename: RenameJob = {
  ...BASE,
  kind: "rename",
  from: "home/y",
  replace: true,
  contentOnly: false,
};
const restore: RestoreJob = { ...BASE, kind: "restore", trash: "t", from: "home/y", floor: 0 };
const KNOWN = { len: 10, hasHash: true };

Deno.test("needsBody() is false for a put, a state, a note and a removal", () => {
  const jobs = [
    { ...BASE, kind: "put" as const, body },
    { ...BASE, kind: "transition" as const, to: "active" },
    { ...BASE, kind: "note" as const, type: "x", payload: {} },
    { ...BASE, kind: "remove" as const },
  ];
  for (const job of jobs) {
    assertEquals(needsBody(job, { len: 10, hasHash: false }), false, job.kind);
  }
});

Deno.test("needsBody() is true for an append without the hash, or with a rule for the content", () => {
  assertEquals(needsBody(append, KNOWN), false);
  assertEquals(needsBody(append, { len: 10, hasHash: false }), true);
  assertEquals(needsBody(append, { len: 0, hasHash: false }), false);
  assertEquals(needsBody({ ...append, name: "etc/revoked" }, KNOWN), true);
  assertEquals(needsBody(patch, KNOWN), true);
});

Deno.test("needsBody() is true for a move of the content only", () => {
  assertEquals(needsBody(rename, KNOWN), false);
  assertEquals(needsBody(rename, KNOWN, true), true);
  assertEquals(needsBody({ ...rename, contentOnly: true }, KNOWN), true);
  assertEquals(needsBody({ ...rename, name: "etc/revoked" }, KNOWN), true);
});

Deno.test("needsBody() is true for a restored world that the cache can have", () => {
  assertEquals(needsBody(restore, KNOWN), true);
  const long = { len: MAX_CACHE_ENTRY_BYTES + 1, hasHash: false };
  assertEquals(needsBody(restore, long), false);
  assertEquals(needsBody({ ...restore, name: "etc/revoked" }, long), true);
});
