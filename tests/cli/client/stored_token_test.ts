import { assertEquals, assertStrictEquals } from "../../support/assert.ts";
import { readStoredToken } from "../../../lib/cli/client/stored_token.ts";
import { acquireDataFolder, loadOrCreateSecret } from "../../../lib/world/file/data_folder.ts";
import { withTempFolder } from "../../support/temp_folder.ts";

const HERE = "http://127.0.0.1:3005";
const readToken = (data: string, base: string, pid: number | undefined) =>
  readStoredToken({ base, data, readServerPid: () => Promise.resolve(pid) });

Deno.test("readStoredToken() returns the token if the server on this computer holds the folder", () =>
  withTempFolder(async (data) => {
    const folder = acquireDataFolder(data);
    const { secret } = loadOrCreateSecret(data, ".approve-token");
    for (const base of [HERE, "http://localhost:1", "http://[::1]:1", "https://127.0.0.1"]) {
      assertStrictEquals(await readToken(data, base, Deno.pid), secret, base);
    }
    assertEquals(
      await readToken(data, "http://192.0.2.1:3005", Deno.pid),
      undefined,
      "another computer",
    );
    assertEquals(
      await readToken(data, "http://localhost.example:3005", Deno.pid),
      undefined,
      "a name alike",
    );
    assertEquals(await readToken(data, HERE, Deno.pid + 1), undefined, "another process");
    assertEquals(
      await readToken(data, HERE, undefined),
      undefined,
      "a server that does not report its process id",
    );
    folder.release();
    assertEquals(
      await readToken(data, HERE, Deno.pid),
      undefined,
      "no server holds the folder any more",
    );
  }));

Deno.test("readStoredToken() calls no server without a folder, and returns undefined for an empty token", () =>
  withTempFolder(async (data) => {
    const readServerPid = () => Promise.reject(new Error("a server was called"));
    assertEquals(
      await readStoredToken({ base: HERE, data: `${data}/none`, readServerPid }),
      undefined,
    );
    const folder = acquireDataFolder(data);
    assertEquals(await readToken(data, HERE, Deno.pid), undefined);
    folder.release();
  }));
