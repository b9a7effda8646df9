import { assertEquals } from "../../support/assert.ts";
import { resolveServer } from "../../../lib/cli/client/server_client.ts";
import { selectTokens } from "../../../lib/cli/client/stored_token.ts";
import { answerChallenge, CHALLENGE_HEADER, PROOF_HEADER } from "../../../lib/http/server_proof.ts";
import { loadOrCreateSecret } from "../../../lib/world/file/data_folder.ts";
import { withTempFolder } from "../../support/temp_folder.ts";
import { startImpostor } from "./impostor.ts";

/** A server at 127.0.0.1 whose answer names this port, or its own. */
function startHolder(secret: string, port?: number) {
  const impostor = startImpostor((request) => {
    const own = Number(new URL(request.url).port);
    const proof = answerChallenge(secret, request.headers.get(CHALLENGE_HEADER), {
      address: "127.0.0.1",
      port: port ?? own,
    });
    return Response.json({ tier: "T3" }, {
      headers: proof === undefined ? {} : { [PROOF_HEADER]: proof },
    });
  });
  return impostor;
}

async function select(data: string, url: string, settings: Record<string, string> = {}) {
  const env = (name: string) => ({ ELASTIK_DATA: data, ...settings })[name];
  const { token, approveToken } = await selectTokens(resolveServer(env, url), true);
  return [token, approveToken];
}

Deno.test("selectTokens() sends tokens of files only to the server that holds the folder", () =>
  withTempFolder(async (data) => {
    const { secret } = loadOrCreateSecret(data, ".proof-key");
    const { secret: stored } = loadOrCreateSecret(data, ".approve-token");
    const holder = startHolder(secret);
    const rows = [
      startHolder(secret, 1),
      startHolder("0".repeat(64)),
      startImpostor(() => new Response()),
    ];
    try {
      assertEquals(await select(data, holder.url), [undefined, stored]);
      assertEquals(await select(data, holder.url, { ELASTIK_TOKEN: "t2" }), ["t2", stored]);
      for (const impostor of rows) {
        const settings = { ELASTIK_TOKEN: "t2", ELASTIK_APPROVE_TOKEN: "t3" };
        assertEquals(await select(data, impostor.url, settings), [undefined, undefined]);
        assertEquals(impostor.requests.map(({ credential }) => credential), [null]);
      }
    } finally {
      for (const server of [holder, ...rows]) await server.stop();
    }
  }));

Deno.test("selectTokens() calls no server without a folder", async () => {
  assertEquals(await select("/nowhere", "http://127.0.0.1:1"), [undefined, undefined]);
});
