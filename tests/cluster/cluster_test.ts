import { assert, assertEquals, assertRejects } from "../support/assert.ts";
import { withTempFolder } from "../support/temp_folder.ts";
import { Cluster } from "./cluster.ts";

Deno.test("Cluster starts one node over a data folder, and kills, stops and starts it again", () =>
  withTempFolder(async (folder) => {
    const cluster = await Cluster.start({ folder });
    try {
      const headers = cluster.approval;
      const node = cluster.node(0);
      const read = (signal: AbortSignal | null = null) =>
        fetch(`${cluster.randomUrl()}/home/x?raw`, { headers, signal }).then((answer) =>
          answer.text()
        );
      const put = await fetch(`${node.url}/home/x`, { method: "PUT", headers, body: "kept" });
      assertEquals(put.status, 201, await put.text());
      await node.kill();
      assertEquals(cluster.urls, [undefined]);
      await node.start();
      assertEquals(await read(), "kept");
      node.stop();
      await assertRejects(read(AbortSignal.timeout(200)), DOMException);
      node.cont();
      assertEquals(await read(), "kept");
      assert(node.url !== undefined);
    } finally {
      await cluster.close();
    }
    assertEquals(cluster.urls, [undefined]);
  }));

Deno.test("Cluster refuses several nodes without a database", () =>
  withTempFolder(async (folder) => {
    await assertRejects(Cluster.start({ folder, count: 2 }), RangeError);
  }));
