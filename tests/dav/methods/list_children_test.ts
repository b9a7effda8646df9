import { assert, assertEquals } from "../../support/assert.ts";
import { bearer, CLOSED, TOKEN, withServer } from "../../support/test_server.ts";
import { LISTING_STEP_WORLDS } from "../../../lib/limits.ts";

const T2 = bearer(TOKEN);

Deno.test("WebDAV lists a collection of several steps in slices, each member once", async () => {
  const lowerTexts: Record<string, string> = {};
  const names = Array.from({ length: 20 * LISTING_STEP_WORLDS }, (_, at) => `w${10_000 + at}`);
  for (const name of names) lowerTexts[`usr/many/${name}`] = "x";
  await withServer({ env: CLOSED, lowerTexts }, async (server) => {
    const target = "/dav/usr/many/";
    const listed = async (method: string) => {
      let turns = 0;
      let isListed = false;
      const count = () => {
        turns++;
        if (!isListed) setImmediate(count);
      };
      setImmediate(count);
      const { text } = await server.send({ method, target, headers: { ...T2, depth: "1" } });
      isListed = true;
      assert(turns > 8, `${method}: ${turns} turns`);
      return text;
    };
    assertEquals((await listed("GET")).split("\n").slice(0, -1), names);
    const found = [...(await listed("PROPFIND")).matchAll(/<D:href>\/dav\/usr\/many\/(\w+)</gi)];
    assertEquals(found.map(([, name]) => name), names);
  });
});
