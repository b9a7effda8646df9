import { deepStrictEqual as equal, match, ok } from "node:assert/strict";
import { verifyDataFolder } from "../../lib/archive/verify_data_folder.ts";
import { readSecret } from "../../lib/world/file/data_folder.ts";
import { approval, ServerProcess } from "./server_process.ts";
import { type SmallDisk, withSmallDisk } from "./small_disk.ts";

const NAMES = ["a", "b", "c", "d", "name #5", "100%", "ü/deep"];
const BIG = "x".repeat(100_000);

function start(disk: SmallDisk): Promise<ServerProcess> {
  return ServerProcess.start({ data: `${disk.path}/data`, through: disk.through });
}

function pathOf(name: string): string {
  return `/home/${name.split("/").map(encodeURIComponent).join("/")}`;
}

async function put(server: ServerProcess, name: string, body: string) {
  return await server.ask(pathOf(name), { method: "PUT", body });
}

/** Bytes and version of every world, and what listings say. */
async function portrait(server: ServerProcess): Promise<string[]> {
  const found: string[] = [];
  for (const name of NAMES) {
    const response = await server.fetch(`${pathOf(name)}?raw`);
    found.push(
      `${name}: ${response.status} ${response.headers.get("etag")} ${await response.text()}`,
    );
    const audit = await server.ask(`/proc/audit${pathOf(name)}`);
    found.push(`${name}: ${audit.status} ${JSON.parse(audit.text).ok}`);
  }
  for (const path of ["/home/", "/home/%C3%BC/"]) found.push((await server.ask(path)).text);
  return found;
}

async function refused(
  what: string,
  answer: Promise<{ status: number; text: string }>,
): Promise<void> {
  const { status, text } = await answer;
  equal([what, status], [what, 507], text);
  const problem = JSON.parse(text);
  equal(problem.type, "/usr/share/doc/problems/insufficient-storage.md");
  match(problem.detail, /^Cannot .*: the disk of the server is full/);
}

Deno.test("a full disk answers 507 in words, keeps every world readable, and takes writes again", () =>
  withSmallDisk(8, async (disk) => {
    const data = `${disk.outside}/data`;
    let server = await start(disk);
    try {
      for (const name of NAMES) equal((await put(server, name, `${name} 1`)).status, 201);
      await put(server, "b", "b 2");
      equal((await server.end()).code, 0);

      server = await start(disk);
      // One world hot and open with a log that holds its newest version, the others cold.
      await put(server, "a", "a 2");
      await server.ask(pathOf("a"), { method: "POST", body: ", 3" });
      const approve = approval(data);
      const before = await portrait(server);
      disk.fill();

      await refused("PUT new", put(server, "new", BIG));
      await refused("PUT hot", put(server, "a", BIG));
      await refused("PUT cold", put(server, "c", BIG));
      await refused("PUT cold, few bytes", put(server, "d", "1"));
      await refused("POST", server.ask(pathOf("b"), { method: "POST", body: BIG }));
      const headers = approve;
      await refused("DELETE", server.ask(pathOf("d"), { method: "DELETE", headers }));
      equal(await portrait(server), before);
      equal((await server.ask("/home/new")).status, 404);
      equal(Array.from(Deno.readDirSync(`${data}/.incoming`)), []);

      // Killed there, it comes up there, and everything can still be read, now all of it cold.
      await server.end("SIGKILL");
      server = await start(disk);
      equal(await portrait(server), before);
      await refused("PUT after a restart", put(server, "a", BIG));

      disk.free();
      for (const name of ["a", "new", "d", "name #5"]) {
        const { status, text } = await put(server, name, `${name} later`);
        ok(status === 200 || status === 201, text);
      }
      equal((await server.ask(`${pathOf("a")}?raw`)).text, "a later");
      const gone = await server.ask(pathOf("d"), { method: "DELETE", headers });
      equal(gone.status, 200, gone.text);
      const { code } = await server.end();
      equal(code, 0);
      const key = readSecret(data, ".key") ?? "";
      const { worlds, broken, leftovers } = verifyDataFolder({ data, key });
      equal([broken, leftovers], [[], []]);
      equal(worlds, NAMES.length + 2); // new; without d; /boot/env and /boot/plugins
    } finally {
      await server.end("SIGKILL");
    }
  }));

Deno.test("a disk that fills up under writers loses nothing that was acknowledged", () =>
  withSmallDisk(6, async (disk) => {
    const server = await start(disk);
    try {
      const acknowledged = new Map<string, string>();
      let refusals = 0;
      await Promise.all([0, 1, 2, 3].map(async (writer) => {
        for (let i = 0; i < 400 && refusals < 20; i++) {
          const name = `w${writer}.${i}`;
          const body = `${name} ${"y".repeat((i * 977) % 30_000)}`;
          const { status, text } = await put(server, name, body);
          if (status === 201) acknowledged.set(name, body);
          else {
            equal(status, 507, text);
            refusals += 1;
          }
        }
      }));
      ok(refusals > 0, "the disk never filled up");
      for (const [name, body] of acknowledged) {
        equal((await server.ask(`${pathOf(name)}?raw`)).text, body);
      }
      await server.end("SIGKILL");
      const data = `${disk.outside}/data`;
      const key = readSecret(data, ".key") ?? "";
      const { worlds, broken } = verifyDataFolder({ data, key });
      equal(broken, []);
      ok(worlds >= acknowledged.size);
    } finally {
      await server.end("SIGKILL");
    }
  }));
