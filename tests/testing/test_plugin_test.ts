import { assertEquals, assertMatch, assertRejects, errorWith } from "../support/assert.ts";
import { testPlugin } from "../../lib/testing/test_plugin.ts";
import { withTempFolder } from "../support/temp_folder.ts";

const SOURCE = `
export const routes = ["/count"];
export const auth = "T2";
export const config = ["/etc/count.conf"];
export const grants = { "/home/": "rw" };
export default {
  async fetch(request, env) {
    console.log("called with", env.config["/etc/count.conf"]);
    const text = await (await env.machine.fetch("/home/list.txt?raw")).text();
    await env.machine.fetch("/home/out", { method: "PUT", body: String(text.split("\\n").length) });
    return Response.json({ tier: env.caller.tier });
  },
};
`;

Deno.test("testPlugin() runs a plugin with worlds and configuration, and shows what it did", async () => {
  await using plugin = await testPlugin(SOURCE, {
    name: "count",
    worlds: { "/home/list.txt": "a\nb\nc" },
    config: { "/etc/count.conf": "key=1" },
  });
  assertEquals(plugin.name, "count");
  const refused = await plugin.fetch("/count");
  assertEquals(refused.status, 401, await refused.text());
  const response = await plugin.fetch("/count", { as: "T2" });
  assertEquals([response.status, await response.json()], [200, { tier: "T2" }]);
  assertEquals(await plugin.read("/home/out"), "3");
  assertEquals(await plugin.read("/home/none"), undefined);
  await plugin.write("/home/list.txt", "one line");
  await (await plugin.fetch("/count", { as: "T3" })).body?.cancel();
  assertEquals(await plugin.read("/home/out"), "1");
  assertMatch((await plugin.log()).join("\n"), /called with key=1/);
});

Deno.test("testPlugin() reads a file, and leaves nothing behind", () =>
  withTempFolder(async (folder) => {
    await Deno.writeTextFile(`${folder}/p.ts`, SOURCE);
    const plugin = await testPlugin(new URL(`file://${folder}/p.ts`), {
      config: { "/etc/count.conf": "" },
    });
    const { url } = plugin;
    await Promise.all([plugin.stop(), plugin.stop()]);
    await assertRejects(() => fetch(url), TypeError);
  }));

Deno.test("testPlugin() bundles a file or folder with what it imports, and reports what is missing", () =>
  withTempFolder(async (folder) => {
    await Deno.mkdir(`${folder}/my notes`);
    const main = `import { greeting } from "./greeting.ts";
export const routes = ["/greet"];
export default { fetch: () => new Response(greeting) };`;
    await Deno.writeTextFile(`${folder}/my notes/main.ts`, main);
    const url = new URL(`file://${folder}/my%20notes/main.ts`);
    await assertRejects(
      () => testPlugin(url),
      (error) =>
        error instanceof Error &&
        /Cannot build[\s\S]*greeting\.ts[\s\S]*main\.ts:1:/.test(error.message),
    );
    await Deno.writeTextFile(`${folder}/my notes/greeting.ts`, `export const greeting = "hi";`);
    for (const source of [url, new URL(".", url)]) {
      await using plugin = await testPlugin(source, { name: "greeter" });
      assertEquals(await (await plugin.fetch("/greet")).text(), "hi");
    }
  }));

Deno.test("testPlugin() throws the reason of the server", async () => {
  await assertRejects(
    () => testPlugin("export const routes = 1;"),
    errorWith(Error, "Cannot activate /lib/tested"),
  );
  await assertRejects(
    () => testPlugin("export const routes = ;"),
    /Cannot activate \/lib\/tested: .*\(line 1, column 23\).*\nexport const routes = ;\n {22}\^$/,
  );
  await assertRejects(
    () => testPlugin(SOURCE, { worlds: { "/nowhere/x": "" } }),
    errorWith(Error, "Cannot PUT /nowhere/x"),
  );
  await assertRejects(
    () => testPlugin(SOURCE, { env: { ELASTIK_PORT: "x" } }),
    errorWith(Error, "did not start"),
  );
});
