import { equal } from "node:assert/strict";
import { keptToken } from "../../../lib/cli/client/stored_token.ts";
import { keptSecret, takeDataFolder } from "../../../lib/world/file/data_folder.ts";
import { withTempData } from "../../testdata/temp_data.ts";

const HERE = "http://127.0.0.1:3005";
const held = (data: string, base: string, pid: number | undefined) =>
  keptToken({ base, data, holder: () => Promise.resolve(pid) });

Deno.test("keptToken() gives the token to the machine of this computer that holds the folder", () =>
  withTempData(async (data) => {
    const folder = takeDataFolder(data);
    const { secret } = keptSecret(data, ".approve-token");
    for (const base of [HERE, "http://localhost:1", "http://[::1]:1", "https://127.0.0.1"]) {
      equal(await held(data, base, Deno.pid), secret, base);
    }
    equal(await held(data, "http://192.0.2.1:3005", Deno.pid), undefined, "another computer");
    equal(await held(data, "http://localhost.example:3005", Deno.pid), undefined, "a name alike");
    equal(await held(data, HERE, Deno.pid + 1), undefined, "another process");
    equal(await held(data, HERE, undefined), undefined, "one that does not say");
    folder.release();
    equal(await held(data, HERE, Deno.pid), undefined, "nobody holds the folder any more");
  }));

Deno.test("keptToken() asks nobody where there is no folder, and no token is none", () =>
  withTempData(async (data) => {
    const nobody = () => Promise.reject(new Error("asked"));
    equal(await keptToken({ base: HERE, data: `${data}/none`, holder: nobody }), undefined);
    const folder = takeDataFolder(data);
    equal(await held(data, HERE, Deno.pid), undefined);
    folder.release();
  }));
