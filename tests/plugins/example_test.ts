import { assertEquals } from "../support/assert.ts";
import example, { auth, description, routes } from "../../plugins/example.ts";
import { install, withPlugins } from "../plugin/plugin_test_server.ts";

Deno.test("example declares its route and echoes the request body", async () => {
  assertEquals([routes, auth], [["/example"], "T1"]);
  assertEquals(description.includes("\n"), false);
  const request = new Request("http://localhost/example", { method: "POST", body: "hi" });
  const answer = await example.fetch(request);
  assertEquals(await answer.json(), { hello: "from example plugin", echo: "hi" });
});

Deno.test("example can be installed with its types", async () => {
  await withPlugins(async (server) => {
    const source = await Deno.readTextFile(new URL("../../plugins/example.ts", import.meta.url));
    await install(server, "example", source);
    const used = await server.send({ method: "POST", target: "/example", body: "hi" });
    assertEquals(used.text, '{"hello":"from example plugin","echo":"hi"}');
    const bare = await server.send({ method: "GET", target: "/example" });
    assertEquals(bare.text, '{"hello":"from example plugin","echo":""}');
  });
});
