/**
 * A server whose data folder, `.lock` or world folder is moved, replaced or removed acknowledges
 * nothing that is not in the folder afterwards. It stops with one sentence if the folder is not the
 * one that it has locked.
 */

import { DatabaseSync } from "node:sqlite";
import { assert, assertEquals, assertMatch } from "../support/assert.ts";
import { verifyDataFolder } from "../../lib/archive/verify_data_folder.ts";
import { readSecret } from "../../lib/world/file/data_folder.ts";
import { approval, ServerProcess } from "./server_process.ts";
import { type SmallDisk, withSmallDisk } from "./small_disk.ts";
import { withTempFolder } from "../support/temp_folder.ts";

const JSON_ONLY = { accept: "application/json" };

/** Sends a change; returns its status, or 0 if the server has stopped. */
async function change(
  server: ServerProcess,
  method: string,
  path: string,
  headers: Record<string, string> = {},
): Promise<number> {
  const body = method === "DELETE" || method === "MKCOL" ? {} : { body: "later" };
  try {
    return (await server.ask(path, { method, headers: { ...JSON_ONLY, ...headers }, ...body }))
      .status;
  } catch {
    return 0;
  }
}

/** What another program can do to the folder, and how to undo it. */
const REPLACEMENTS: Record<string, (data: string) => () => void> = {
  "the folder is moved away": (data) => {
    Deno.renameSync(data, `${data}-away`);
    return () => Deno.renameSync(`${data}-away`, data);
  },
  "another folder is in its place": (data) => {
    Deno.renameSync(data, `${data}-away`);
    Deno.mkdirSync(`${data}/.incoming`, { recursive: true });
    Deno.writeTextFileSync(`${data}/.lock`, "");
    return () => {
      const names = Array.from(Deno.readDirSync(data), ({ name }) => name).sort();
      assertEquals(names, [".incoming", ".lock"], "the server wrote into the other folder");
      Deno.removeSync(data, { recursive: true });
      Deno.renameSync(`${data}-away`, data);
    };
  },
  "the lock is deleted": (data) => {
    Deno.removeSync(`${data}/.lock`);
    return () => {};
  },
  "the lock is replaced": (data) => {
    Deno.writeTextFileSync(`${data}/.lock.new`, "");
    Deno.renameSync(`${data}/.lock.new`, `${data}/.lock`);
    return () => {};
  },
};

for (const [what, replace] of Object.entries(REPLACEMENTS)) {
  Deno.test(`if ${what}, no change is acknowledged and the server stops with one sentence`, () =>
    withTempFolder(async (folder) => {
      const data = `${folder}/data`;
      const server = await ServerProcess.start({ data });
      try {
        for (const name of ["a", "b"]) {
          assertEquals(await change(server, "PUT", `/home/${name}`), 201);
        }
        const approve = approval(data);
        // The server writes its worlds below /boot after it listens.
        while ((await server.ask("/boot/plugins", { headers: approve })).status !== 200);
        // It opens the search index some time after its start, or with the first search.
        assertEquals((await server.ask("/proc/search/home/?q=later")).status, 200);
        const undo = replace(data);
        const statuses = [
          await change(server, "PUT", "/home/a"),
          await change(server, "PUT", "/home/new"),
          await change(server, "POST", "/home/b"),
          await change(server, "DELETE", "/home/a", approve),
          await change(server, "MKCOL", "/dav/home/c", approve),
        ];
        const { code, stderr } = await server.ended;
        assert(statuses.every((status) => status === 0 || status === 503), `${statuses}`);
        assertEquals(code, 1);
        const lines = stderr.trim().split("\n").filter((line) => !/Z 503: /.test(line));
        assertEquals(lines.length, 1, stderr);
        assertMatch(lines[0] ?? "", /^The store failed: .*; start the server again$/);
        undo();
        const key = readSecret(data, ".key") ?? "";
        assertEquals(verifyDataFolder({ data, key }).broken, []);
        const next = await ServerProcess.start({ data });
        try {
          assertEquals((await next.ask("/home/a?raw")).text, "later");
          assertEquals((await next.ask("/home/new")).status, 404);
        } finally {
          await next.end();
        }
      } finally {
        await server.end("SIGKILL");
      }
    }));
}

Deno.test("a server without requests notices that its lock was deleted, and ends when a second one starts", () =>
  withTempFolder(async (folder) => {
    const data = `${folder}/data`;
    const first = await ServerProcess.start({ data });
    try {
      Deno.removeSync(`${data}/.lock`);
      const second = await ServerProcess.start({ data });
      try {
        assertEquals((await first.ended).code, 1);
        assertEquals((await second.ask("/home/x", { method: "PUT", body: "x" })).status, 201);
      } finally {
        assertEquals((await second.end()).code, 0);
      }
    } finally {
      await first.end("SIGKILL");
    }
  }));

/** Reads the text of a world from its file. */
function textOnDisk(data: string, folder: string): unknown {
  const db = new DatabaseSync(`${data}/${folder}/universe.db`);
  try {
    return db.prepare("SELECT CAST(stage_html AS TEXT) AS text FROM stage_meta").get()?.text;
  } finally {
    db.close();
  }
}

Deno.test("a change after the folder of its world was removed or replaced is in the folder", () =>
  withTempFolder(async (temp) => {
    const data = `${temp}/data`;
    const server = await ServerProcess.start({ data });
    try {
      for (const name of ["gone", "back"]) await change(server, "PUT", `/home/${name}`);
      // A copy from a backup takes the place of one world.
      Deno.mkdirSync(`${temp}/backup`);
      const backup = new DatabaseSync(`${data}/home%2Fback/universe.db`);
      backup.exec("PRAGMA busy_timeout = 60000");
      const moved = backup.prepare("PRAGMA wal_checkpoint(TRUNCATE)").get();
      assertEquals(moved?.busy, 0, "the file does not have everything");
      Deno.copyFileSync(`${data}/home%2Fback/universe.db`, `${temp}/backup/universe.db`);
      backup.close();
      Deno.renameSync(`${data}/home%2Fback`, `${temp}/back`);
      Deno.renameSync(`${temp}/backup`, `${data}/home%2Fback`);
      Deno.renameSync(`${data}/home%2Fgone`, `${temp}/gone`);
      for (const name of ["back", "gone"]) Deno.removeSync(`${temp}/${name}`, { recursive: true });
      for (const name of ["gone", "back"]) {
        const { status, text } = await server.ask(`/home/${name}`, { method: "PUT", body: "new" });
        assert(status === 200 || status === 201, text);
        const { text: read } = await server.ask(`/home/${name}?raw`);
        assertEquals([read, textOnDisk(data, `home%2F${name}`)], ["new", "new"]);
        assertEquals(JSON.parse((await server.ask(`/proc/audit/home/${name}`)).text).ok, true);
      }
      assertEquals((await server.end()).code, 0);
    } finally {
      await server.end("SIGKILL");
    }
  }));

/** Runs a command in the namespace of a disk. */
async function run(disk: SmallDisk, ...words: string[]): Promise<void> {
  const [command = "", ...args] = [...disk.through, ...words];
  const { success, stderr } = await new Deno.Command(command, { args }).output();
  if (!success) throw new Error(`${words.join(" ")}: ${new TextDecoder().decode(stderr)}`);
}

Deno.test("if another disk is mounted over the folder, no change is acknowledged", () =>
  withSmallDisk(8, async (disk) => {
    const data = `${disk.path}/data`;
    const server = await ServerProcess.start({ data, through: disk.through });
    try {
      assertEquals(await change(server, "PUT", "/home/a"), 201);
      await run(disk, "mount", "-t", "tmpfs", "tmpfs", data);
      const statuses = [
        await change(server, "PUT", "/home/a"),
        await change(server, "PUT", "/home/new"),
      ];
      assert(statuses.every((status) => status === 0 || status === 503), `${statuses}`);
      assertEquals((await server.ended).code, 1);
      assertEquals(Array.from(Deno.readDirSync(`${disk.outside}/data`)), []);
    } finally {
      await server.end("SIGKILL");
    }
  }));

Deno.test("a read-only disk answers 503 to writes and answers reads, until it is writable again", () =>
  withSmallDisk(8, async (disk) => {
    const data = `${disk.path}/data`;
    const options = { data, through: disk.through };
    const first = await ServerProcess.start(options);
    assertEquals(await change(first, "PUT", "/home/a"), 201);
    await first.end();
    const server = await ServerProcess.start(options);
    try {
      const approve = approval(`${disk.outside}/data`);
      // The mount is read-only before the server can open a file through it: the kernel refuses to
      // change a mount that has a file open for writing.
      const readOnly = `${disk.path}/read-only`;
      await run(disk, "mkdir", readOnly);
      await run(disk, "mount", "--bind", data, readOnly);
      await run(disk, "mount", "-o", "remount,bind,ro", readOnly);
      await run(disk, "mount", "--move", readOnly, data);
      assertEquals((await server.ask("/home/a?raw")).text, "later");
      assertEquals(await change(server, "PUT", "/home/a"), 503);
      assertEquals(await change(server, "PUT", "/home/new"), 503);
      assertEquals(await change(server, "POST", "/home/a"), 503);
      assertEquals(await change(server, "DELETE", "/home/a", approve), 503);
      assertEquals((await server.ask("/home/a?raw")).text, "later");
      await run(disk, "mount", "-o", "remount,bind,rw", data);
      assertEquals(await change(server, "PUT", "/home/a"), 200);
      assertEquals(await change(server, "PUT", "/home/new"), 201);
      assertEquals((await server.end()).code, 0);
    } finally {
      await server.end("SIGKILL");
    }
  }));
