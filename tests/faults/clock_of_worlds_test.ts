/**
 * A step of the clock back never makes the time of a world or of its events decrease, nor its
 * `Last-Modified`.
 */

import { assert, assertEquals } from "../support/assert.ts";
import { APPROVE, bearer, CLOSED, KEY, TOKEN, withServer } from "../support/test_server.ts";
import { sampleSetup } from "../testdata/sample_world.ts";
import { appendJob, outcomeOf, putJob, removeJob } from "../testdata/test_writer.ts";
import { withTempFolder } from "../support/temp_folder.ts";
import { Writer } from "../../lib/world/worker/writer.ts";

/** A time that no clock shows during the tests. */
const FUTURE = "2199-01-01T00:00:00.250Z";
const T2 = bearer(TOKEN);
const T3 = bearer(APPROVE);

/** Writes worlds as a server does whose clock is in the future. */
function writeInFuture(data: string): void {
  for (const folder of [".incoming", ".trash"]) Deno.mkdirSync(`${data}/${folder}`);
  const writer = new Writer({ ...sampleSetup(data), key: KEY }, {
    now: () => FUTURE,
    monotonic: () => 0,
  });
  writer.apply([
    ...["put", "append", "moved", "replaced", "deleted"].map((name) => putJob(`home/${name}`, "1")),
    appendJob("home/append", "2"),
    removeJob("home/deleted"),
  ]);
  writer.close();
}

Deno.test("updated_at, Last-Modified and event times never decrease after the clock stepped back", () =>
  withTempFolder(async (folder) => {
    const data = `${folder}/data`;
    Deno.mkdirSync(data);
    writeInFuture(data);
    await withServer({ data, env: CLOSED }, async (server) => {
      const to = (name: string) => ({ ...T3, destination: `/dav/home/${name}` });
      for (
        const request of [
          { method: "PUT", target: "/home/put", headers: T2, body: "later" },
          { method: "POST", target: "/home/append", headers: T2, body: "later" },
          { method: "MOVE", target: "/dav/home/moved", headers: to("new") },
          { method: "PUT", target: "/home/over", headers: T2, body: "later" },
          { method: "MOVE", target: "/dav/home/over", headers: to("replaced") },
          { method: "PUT", target: "/home/deleted", headers: T2, body: "later" },
          { method: "PUT", target: "/home/moved", headers: T2, body: "later" },
        ]
      ) {
        const { status, text } = await server.send(request);
        assert([200, 201, 204].includes(status), `${request.target} ${status} ${text}`);
      }
      for (const name of ["put", "append", "new", "replaced", "deleted", "moved"]) {
        const read = { method: "GET", target: `/home/${name}`, headers: T2 };
        const { text, headers } = await server.send(read);
        const updated: string = JSON.parse(text).updated_at;
        // A new world of a name is at least one whole second later: Last-Modified has no more.
        const least = name === "deleted" || name === "moved" ? "2199-01-01T00:00:01.000Z" : FUTURE;
        assertEquals([name, updated], [name, least]);
        const modified = Date.parse(headers.get("last-modified") ?? "");
        assert(modified >= Date.parse("2199-01-01T00:00:00Z"), name);
        const log: { timestamp: string }[] = JSON.parse(
          (await server.send({ ...read, target: `/proc/log/home/${name}` })).text,
        );
        const times = log.map(({ timestamp }) => timestamp).reverse();
        assertEquals([name, times], [name, [...times].sort()]);
        const audit = await server.send({ ...read, target: `/proc/audit/home/${name}` });
        assertEquals(JSON.parse(audit.text).ok, true);
      }
      const removed = await server.approve("DELETE", "/home/put");
      assertEquals(removed.status, 200);
    });
  }));

Deno.test("Writer.apply() never decreases a time, for a clock that jumps at random", () =>
  withTempFolder((data) => {
    for (const folder of [".incoming", ".trash"]) Deno.mkdirSync(`${data}/${folder}`);
    const clock = [5, 3, 8, 1, 1, 9, 2, 7, 4, 6];
    let i = 0;
    const writer = new Writer({ ...sampleSetup(data), handles: 1 }, {
      now: () => `2026-01-01T00:0${clock[i++ % clock.length]}:00.000Z`,
      monotonic: () => 0,
    });
    let last = "";
    for (let round = 0; round < 40; round++) {
      const job = round % 7 === 6 ? removeJob("home/x") : putJob("home/x", `${round}`);
      // Another world closes the file, so that its time is read from disk.
      const outcome = outcomeOf(writer.apply([job, putJob("home/y", "1")]), job);
      if (typeof outcome === "string") throw new Error(`round ${round}: ${outcome}`);
      const { updatedAt } = outcome;
      assert(updatedAt >= last, `${updatedAt} after ${last}`);
      last = updatedAt;
    }
    writer.close();
  }));
