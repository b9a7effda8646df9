import { assertEquals, assertMatch } from "../../support/assert.ts";
import { acquireDataFolder } from "../../../lib/world/file/data_folder.ts";
import {
  findFolderFault,
  folderFault,
  type FolderIdentity,
} from "../../../lib/world/file/folder_identity.ts";
import { withTempFolder } from "../../support/temp_folder.ts";

/** Runs a test with the identity of a locked data folder. */
function withIdentity(
  use: (data: string, identity: FolderIdentity) => Promise<void>,
): Promise<void> {
  return withTempFolder(async (temp) => {
    const data = `${temp}/data`;
    const folder = acquireDataFolder(data);
    try {
      if (folder.identity === undefined) throw new Error("the folder has no identity");
      await use(data, folder.identity);
    } finally {
      folder.release();
    }
  });
}

async function assertFault(identity: FolderIdentity, expected: RegExp | undefined): Promise<void> {
  for (const fault of [folderFault(identity), await findFolderFault(identity)]) {
    if (expected === undefined) assertEquals(fault, undefined);
    else assertMatch(fault ?? "", expected);
  }
}

Deno.test("folderFault() and findFolderFault() find a moved folder, another folder and another lock", () =>
  withIdentity(async (data, identity) => {
    await assertFault(identity, undefined);
    Deno.renameSync(data, `${data}-away`);
    await assertFault(identity, /was removed/);
    Deno.mkdirSync(data);
    await assertFault(identity, /another folder is in the place/);
    Deno.removeSync(data);
    Deno.renameSync(`${data}-away`, data);
    await assertFault(identity, undefined);
    Deno.removeSync(`${data}/.lock`);
    await assertFault(identity, /was removed/);
    Deno.writeTextFileSync(`${data}/.lock`, "");
    await assertFault(identity, /\.lock of the data folder was replaced/);
  }));
