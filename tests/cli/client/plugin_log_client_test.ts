import { assertEquals } from "../../support/assert.ts";
import { ServerClient } from "../../../lib/cli/client/server_client.ts";
import { followLog, readLogLines, unfoldLine } from "../../../lib/cli/client/plugin_log_client.ts";

/** Runs a test with a server that answers each stream with the next of these bodies, then waits. */
async function withStreams(
  bodies: readonly string[],
  test: (client: ServerClient, ids: (string | null)[]) => Promise<void>,
): Promise<void> {
  const ids: (string | null)[] = [];
  const server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen() {} }, ({ headers }) => {
    const body = bodies[ids.length];
    ids.push(headers.get("last-event-id"));
    return body === undefined
      ? new Response("gone", { status: 404 })
      : new Response(body, { status: body === "" ? 503 : 200 });
  });
  try {
    await test(new ServerClient(`http://127.0.0.1:${server.addr.port}`), ids);
  } finally {
    await server.shutdown();
  }
}

const line = (id: string, text: string) =>
  `event: line\nid: ${id}\ndata: ${
    JSON.stringify({ id, time: "T", level: "log", version: 1, text })
  }\n\n`;

Deno.test("followLog() continues after the last line when its stream ends", async () => {
  const bodies = [line("s-1", "one"), "", line("s-2", "two\\nrow\u202e") + "data: {}\n\n"];
  await withStreams(bodies, async (client, ids) => {
    const lines: string[] = [];
    const { signal } = new AbortController();
    const request = { client, name: "p", credential: undefined };
    const refused = await followLog(request, "s-0", signal, (each) => void lines.push(each.text));
    assertEquals(refused?.status, 404);
    assertEquals(lines, ["T log v1 one", "T log v1 two\\nrow?"]);
    assertEquals(ids, ["s-0", "s-1", "s-1", "s-2"]);
    assertEquals(unfoldLine({ id: "", text: lines[1] ?? "" }), "T log v1 two\nrow?");
  });
});

Deno.test("readLogLines() returns the response that refused it", async () => {
  await withStreams([], async (client) => {
    const lines = await readLogLines({ client, name: "p", credential: undefined }, 5);
    assertEquals("refused" in lines && lines.refused.status, 404);
  });
});
