import { assert, assertEquals, assertMatch } from "../support/assert.ts";
import { testPlugin } from "../../lib/testing/test_plugin.ts";

const SOURCE = new URL("../../examples/form.ts", import.meta.url);

Deno.test("form appends each entry as a line that a spreadsheet reads as text", async () => {
  assert((await Deno.readTextFile(SOURCE)).split("\n").length <= 80, "an example has 80 lines");
  await using plugin = await testPlugin(SOURCE);
  const send = async (fields: Record<string, string>) => {
    const body = new URLSearchParams(fields);
    const response = await plugin.fetch("/form", { method: "POST", body });
    return `${response.status} ${(await response.text()).trim()}`;
  };
  assertEquals(
    await send({ name: "Ada", email: "a@example.com", message: "Hello" }),
    "201 Thank you",
  );
  assertEquals(await send({ name: '=1+1,"x"', message: "two\nlines" }), "201 Thank you");
  const multipart = new FormData();
  multipart.set("name", "Grace");
  const third = await plugin.fetch("/form", { method: "POST", body: multipart });
  assertEquals([third.status, await third.text()], [201, "Thank you\n"]);
  const [heading, ...lines] = (await plugin.read("/home/form.csv"))?.split("\r\n") ?? [];
  assertEquals(heading, "time,name,email,message");
  const time = "\\d{4}-\\d\\d-\\d\\dT[\\d:.]+Z";
  assertMatch(lines[0] ?? "", new RegExp(`^${time},Ada,a@example\\.com,Hello$`));
  assertMatch(lines[1] ?? "", new RegExp(`^${time},"'=1\\+1,""x""",,"two\nlines"$`));
  assertMatch(lines[2] ?? "", new RegExp(`^${time},Grace,,$`));
});

Deno.test("form refuses what is not a form, and stores nothing then", async () => {
  await using plugin = await testPlugin(SOURCE);
  const status = async (init: RequestInit) => {
    const response = await plugin.fetch("/form", init);
    await response.body?.cancel();
    return response.status;
  };
  assertEquals(await status({}), 405);
  assertEquals(await status({ method: "POST", body: "text" }), 422);
  assertEquals(await status({ method: "POST", body: new URLSearchParams({ other: "x" }) }), 422);
  const long = new URLSearchParams({ message: "x".repeat(16 * 1024) });
  assertEquals(await status({ method: "POST", body: long }), 413);
  assertEquals(await plugin.read("/home/form.csv"), undefined);
});

Deno.test("form loses no entry of callers at the same time", async () => {
  await using plugin = await testPlugin(SOURCE);
  await Promise.all(Array.from({ length: 20 }, async (_, i) => {
    const body = new URLSearchParams({ name: `n${i}` });
    const response = await plugin.fetch("/form", { method: "POST", body });
    assertEquals(response.status, 201, await response.text());
  }));
  const lines = (await plugin.read("/home/form.csv"))?.trim().split("\r\n") ?? [];
  assertEquals(lines.length, 21);
  assertEquals(new Set(lines.map((line) => line.split(",")[1])).size, 21);
});
