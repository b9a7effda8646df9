/** The server's settings, which may contain its tokens, cannot be mounted. */

import { assert, assertEquals, assertMatch } from "../support/assert.ts";
import { fromCheckout, startProgram } from "../project/program.ts";
import { pluginText } from "../support/plugin_server.ts";
import { withTempFolder } from "../support/temp_folder.ts";

Deno.test("PUT /etc/fstab with a folder that contains the server's .env is refused", async () => {
  await withTempFolder(async (folder) => {
    await Deno.mkdir(`${folder}/here/sub`, { recursive: true });
    await Deno.writeTextFile(`${folder}/here/.env`, "ELASTIK_APPROVE_TOKEN=s3cret-of-the-file\n");
    await Deno.writeTextFile(`${folder}/here/sub/x`, "x");
    await Deno.symlink(`${folder}/here/.env`, `${folder}/here/sub/env`);
    const server = await startProgram(
      fromCheckout(`${folder}/here`, [], { ELASTIK_DATA: `${folder}/data` }),
    );
    const ask = (method: string, path: string, body?: string) =>
      fetch(server.url + path, {
        method,
        headers: { authorization: "Bearer s3cret-of-the-file" },
        ...(body === undefined ? {} : { body }),
      });
    async function status(method: string, path: string, body?: string): Promise<number> {
      const answer = await ask(method, path, body);
      await answer.body?.cancel();
      return answer.status;
    }
    try {
      assertEquals(await status("PUT", "/lib/fstab", await pluginText("fstab")), 201);
      for (const source of [`${folder}/here`, folder, `${folder}/here/.env`]) {
        await status("PUT", "/etc/fstab", `${source} /mnt/here ro`);
        const refused = await ask("PUT", "/lib/fstab/state", "active");
        assertMatch(await refused.text(), /own data/);
        assertEquals(refused.status, 422);
      }
      await status("PUT", "/etc/fstab", `${folder}/here/sub /mnt/sub ro`);
      assertEquals(await status("PUT", "/lib/fstab/state", "active"), 200);
      const link = await ask("GET", "/mnt/sub/env");
      assert(!(await link.text()).includes("s3cret"));
      assertEquals(link.status, 403);
      assertEquals(await (await ask("GET", "/mnt/sub/x")).text(), "x");
    } finally {
      await server.stop();
    }
  });
});
