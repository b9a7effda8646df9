import { assertEquals, assertMatch } from "../support/assert.ts";
import { LOCAL } from "../../lib/auth/authenticate.ts";
import { parseTarget } from "../../lib/http/path.ts";
import { respondRows } from "../../lib/response/row_listing.ts";
import { withApp } from "../support/app.ts";

Deno.test("respondRows() sends lines, an array for JSON, and the shell for a browser", async () => {
  await withApp({}, async ({ store }) => {
    const ask = async (accept: string) => {
      const request = new Request("http://localhost/dev/", { headers: { accept } });
      const exchange = { request, target: parseTarget(request.url), caller: LOCAL };
      const rows = [{ name: "gpu", dir: true }, {
        name: "null",
        dir: false,
        description: "nothing",
      }];
      return await respondRows(store, exchange, rows);
    };
    assertEquals(await (await ask("*/*")).text(), "gpu/\nnull\n");
    assertEquals(
      await (await ask("application/json")).text(),
      '[{"name":"gpu","dir":true},{"name":"null","dir":false,"description":"nothing"}]',
    );
    assertMatch(await (await ask("text/html")).text(), /the shell/);
  });
});
