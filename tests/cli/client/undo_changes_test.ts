import { assertEquals, assertRejects } from "../../support/assert.ts";
import { ServerClient } from "../../../lib/cli/client/server_client.ts";
import { undoChanges, UndoRefused, type UndoResult } from "../../../lib/cli/client/undo_changes.ts";
import { APPROVE, CLOSED, TOKEN, withServer } from "../../support/test_server.ts";

Deno.test("undoChanges() loses no change that another caller makes in the meantime", () =>
  withServer({ env: CLOSED }, async (server) => {
    const client = new ServerClient(`http://127.0.0.1:${server.port}`);
    const results: UndoResult[] = [];
    const options = {
      prefix: "/home/t",
      by: "T2",
      since: "2020-01-01T00:00:00.000Z",
      isDry: false,
      credential: APPROVE,
      onResult: (result: UndoResult) => void results.push(result),
    };
    const put = (credential: string, name: string, body: string) =>
      client.request("PUT", `/home/t/${name}`, { credential, body });
    await put(APPROVE, "a", "before");
    await put(APPROVE, "b", "before");
    await put(TOKEN, "a", "by T2");
    await put(TOKEN, "b", "by T2");
    const path = "/proc/log/home/t/";
    // The index of changes follows the writes.
    const countRows = async (): Promise<number> => {
      const { json } = await client.request("GET", path, { credential: APPROVE });
      return Array.isArray(json) ? json.length : 0;
    };
    while (await countRows() < 4);
    const racing = {
      ...options,
      onResult(result: UndoResult) {
        results.push(result);
        // The other world is changed after its plan was made, before its request.
        if (results.length === 1) {
          late.push(put(APPROVE, result.name === "home/t/a" ? "b" : "a", "late"));
        }
      },
    };
    const late: Promise<unknown>[] = [];
    const slow = new ServerClient(client.base);
    const send = slow.request.bind(slow);
    slow.request = async (method, path, request) => {
      await Promise.all(late);
      return await send(method, path, request);
    };
    await undoChanges(slow, racing);
    assertEquals(results.map(({ done }) => done), [true, false]);
    const texts = await Promise.all(
      ["a", "b"].map(async (name) =>
        (await client.request("GET", `/home/t/${name}?raw`, { credential: APPROVE })).text
      ),
    );
    assertEquals(texts.sort(), ["before", "late"]);
    await assertRejects(undoChanges(client, { ...options, prefix: "/x" }), UndoRefused);
  }));
