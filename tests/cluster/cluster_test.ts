import { assert, assertEquals, assertRejects } from "../support/assert.ts";
import { postgresTest, sharedServer } from "../support/postgres_servers.ts";
import { withTempFolder } from "../support/temp_folder.ts";
import { Cluster, initClusterStore } from "./cluster.ts";

const server = sharedServer();

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

postgresTest(
  "Cluster starts nodes over one database, and the others serve on without a killed one",
  () =>
    withTempFolder(async (folder) => {
      const database = await server().createDatabase();
      const store = server().url(database);
      await initClusterStore(store, folder);
      const cluster = await Cluster.start({ folder, count: 2, store });
      try {
        const headers = { ...cluster.approval, "cache-control": "no-cache" };
        const [a, b] = cluster.nodes;
        const put = await fetch(`${a?.url}/home/x`, { method: "PUT", headers, body: "kept" });
        assertEquals(put.status, 201, await put.text());
        await a?.kill();
        assertEquals(cluster.urls, [undefined, b?.url]);
        const read = await fetch(`${cluster.randomUrl()}/home/x?raw`, { headers });
        assertEquals(await read.text(), "kept");
      } finally {
        await cluster.close();
        await server().dropDatabase(database);
      }
      await assertRejects(initClusterStore("postgres://127.0.0.1:1/none", folder), Error);
    }),
);
