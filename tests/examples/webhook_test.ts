import { assert, assertEquals } from "../support/assert.ts";
import { createHmac } from "node:crypto";
import { testPlugin } from "../../lib/testing/test_plugin.ts";

const SOURCE = new URL("../../examples/webhook.ts", import.meta.url);
const SECRET = "It's a Secret to Everybody";
const env = { WEBHOOK_SECRET: SECRET };

function sign(body: string, secret = SECRET): string {
  return `sha256=${createHmac("sha256", secret).update(body).digest("hex")}`;
}

Deno.test("webhook accepts the signature of GitHub's documentation", async () => {
  assert((await Deno.readTextFile(SOURCE)).split("\n").length <= 80, "an example has 80 lines");
  // The test values of the documentation.
  assertEquals(
    sign("Hello, World!"),
    "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17",
  );
  await using plugin = await testPlugin(SOURCE, { env });
  const send = async (id: string, body: string, signature = sign(body)) => {
    const headers = {
      "x-github-delivery": id,
      "x-github-event": "push",
      "x-hub-signature-256": signature,
    };
    const response = await plugin.fetch("/webhook", { method: "POST", headers, body });
    await response.body?.cancel();
    return response.status;
  };
  assertEquals(await send("72d3162e", '{"ref":"main"}'), 204);
  assertEquals(await plugin.read("/home/webhooks/72d3162e.json"), '{"ref":"main"}');
  const { headers } = await plugin.fetch("/home/webhooks/72d3162e.json", {
    method: "HEAD",
    as: "T3",
  });
  assertEquals(headers.get("x-meta-event"), "push");
  // The same delivery again, and another body under its id, change nothing.
  assertEquals(await send("72d3162e", '{"ref":"main"}'), 204);
  assertEquals(await send("72d3162e", '{"ref":"other"}'), 204);
  assertEquals(await plugin.read("/home/webhooks/72d3162e.json"), '{"ref":"main"}');
  for (
    const [id, body, signature, status] of [
      ["x1", "a", sign("b"), 403],
      ["x1", "a", sign("a", "another secret"), 403],
      ["x1", "a", "", 403],
      ["x1", "a", sign("a").toUpperCase(), 403],
      ["../x", "a", sign("a"), 400],
      ["", "a", sign("a"), 400],
      ["x1", "a".repeat(1024 * 1024 + 1), undefined, 413],
    ] as const
  ) assertEquals(await send(id, body, signature), status, `${id} ${signature}`);
  assertEquals(await plugin.read("/home/webhooks/x1.json"), undefined);
});

Deno.test("webhook accepts nothing without a secret", async () => {
  await using plugin = await testPlugin(SOURCE);
  const headers = { "x-github-delivery": "x", "x-hub-signature-256": sign("a", "") };
  const response = await plugin.fetch("/webhook", { method: "POST", headers, body: "a" });
  assertEquals([response.status, await response.text()], [503, "No secret is set\n"]);
  assertEquals((await plugin.log()).some((line) => line.includes("set WEBHOOK_SECRET")), true);
});
