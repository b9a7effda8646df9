import { deepStrictEqual, equal } from "node:assert/strict";
import example, { auth, description, routes } from "../../plugins/example.ts";
import { install, withPlugins } from "../plugin/plugin_test_server.ts";

Deno.test("example declares its route and answers with what was sent", async () => {
  deepStrictEqual([routes, auth], [["/example"], "T1"]);
  equal(description.includes("\n"), false);
  const request = new Request("http://localhost/example", { method: "POST", body: "hi" });
  const answer = await example.fetch(request);
  deepStrictEqual(await answer.json(), { hello: "from example plugin", echo: "hi" });
});

Deno.test("example can be installed with its types", async () => {
  await withPlugins(async (server) => {
    const source = await Deno.readTextFile(new URL("../../plugins/example.ts", import.meta.url));
    await install(server, "example", source);
    const used = await server.send({ method: "POST", target: "/example", body: "hi" });
    equal(used.text, '{"hello":"from example plugin","echo":"hi"}');
    const bare = await server.send({ method: "GET", target: "/example" });
    equal(bare.text, '{"hello":"from example plugin","echo":""}');
  });
});
