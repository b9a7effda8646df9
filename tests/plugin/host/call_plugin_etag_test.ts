import { equal, match, ok } from "node:assert/strict";
import { bearer } from "../../support/test_server.ts";
import { install, plugin, withPlugins } from "../plugin_test_server.ts";

Deno.test("env.caller.tag is the ETag of the world's bytes as this caller gets them", async () => {
  await withPlugins(async (server) => {
    const source = plugin({ routes: ["/about"] }, "return Response.json({ tag: env.caller.tag });");
    await install(server, "about", source);
    await server.approve("PUT", "/home/a/x", "x");
    await server.approve("PUT", "/etc/fstab", "https://x.example /mnt/x ro,bearer=s3cret");
    await server.approve("PUT", "/boot/x", "x");
    const T3 = bearer(server.approveToken);
    const cap = bearer(server.capability("/home/a", "r"));
    const tagOf = async (path: string, headers: Record<string, string> = {}) => {
      const head = await server.send({ method: "HEAD", target: `${path}?raw`, headers });
      const reply = await server.send({ method: "GET", target: `/about${path}`, headers });
      const told: unknown = reply.status === 200 ? JSON.parse(reply.text).tag : reply.status;
      return { told, asked: head.headers.get("etag") };
    };
    for (const headers of [{}, T3, cap]) {
      const { told, asked } = await tagOf("/home/a/x", headers);
      match(String(told), /^"1-[\da-f]{16}\.raw"$/);
      equal(told, asked);
    }
    const [shown, whole] = [await tagOf("/etc/fstab"), await tagOf("/etc/fstab", T3)];
    equal(shown.told, shown.asked);
    equal(whole.told, whole.asked);
    ok(shown.told !== whole.told);
    equal((await tagOf("/boot/x", T3)).told, (await tagOf("/boot/x", T3)).asked);
    equal((await tagOf("/boot/x")).told, undefined);
    equal((await tagOf("/home/b", cap)).told, 403);
    equal((await tagOf("/home/absent")).told, undefined);
    equal((await tagOf("/home/a/")).told, undefined);
    equal((await tagOf("/proc/status")).told, undefined);
    // A tag that the client sends is ignored.
    const forged = { "x-subject-tag": '"9"', "tag": '"9"' };
    equal((await tagOf("/home/absent", forged)).told, undefined);
  });
});
