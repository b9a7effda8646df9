import { assert, assertEquals, assertMatch, assertStrictEquals } from "../../support/assert.ts";
import { bearer } from "../../support/test_server.ts";
import { install, plugin, withPlugins } from "../plugin_test_server.ts";

Deno.test("env.caller.tag is the ETag of the world's bytes as this caller gets them", async () => {
  await withPlugins(async (server) => {
    const source = plugin(
      { routes: ["/about"], subject: true },
      "return Response.json({ tag: env.caller.tag });",
    );
    await install(server, "about", source);
    await server.approve("PUT", "/home/a/x", "x");
    await server.approve("PUT", "/etc/fstab", "https://x.example /mnt/x ro,bearer=s3cret");
    await server.approve("PUT", "/boot/x", "x");
    const T3 = bearer(server.approveToken);
    const cap = bearer(server.capability("/home/a", "r"));
    const tagOf = async (path: string, headers: Record<string, string> = {}) => {
      const head = await server.send({ method: "HEAD", target: `${path}?raw`, headers });
      const reply = await server.send({ method: "GET", target: `/about${path}`, headers });
      const tag: unknown = reply.status === 200 ? JSON.parse(reply.text).tag : reply.status;
      return { tag, etag: head.headers.get("etag") };
    };
    for (const headers of [{}, T3, cap]) {
      const { tag, etag } = await tagOf("/home/a/x", headers);
      assertMatch(String(tag), /^"1-[\da-f]{16}\.raw"$/);
      assertStrictEquals(tag, etag);
    }
    const [shown, whole] = [await tagOf("/etc/fstab"), await tagOf("/etc/fstab", T3)];
    assertStrictEquals(shown.tag, shown.etag);
    assertStrictEquals(whole.tag, whole.etag);
    assert(shown.tag !== whole.tag);
    assertStrictEquals((await tagOf("/boot/x", T3)).tag, (await tagOf("/boot/x", T3)).etag);
    assertEquals((await tagOf("/boot/x")).tag, undefined);
    assertEquals((await tagOf("/home/b", cap)).tag, undefined);
    assertEquals((await tagOf("/home/absent")).tag, undefined);
    assertEquals((await tagOf("/home/a/")).tag, undefined);
    assertEquals((await tagOf("/proc/status")).tag, undefined);
    // A tag that the client sends is ignored.
    const forged = { "x-subject-tag": '"9"', "tag": '"9"' };
    assertEquals((await tagOf("/home/absent", forged)).tag, undefined);
  });
});
