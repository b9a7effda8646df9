import { assert, assertEquals, assertMatch } from "../support/assert.ts";
import { verifyDataFolder } from "../../lib/archive/verify_data_folder.ts";
import { readSecret } from "../../lib/world/file/data_folder.ts";
import { fillData, KEY } from "../archive/fixtures.ts";
import { fromCheckout, runProgram } from "../project/program.ts";
import { snapshotFolder } from "../support/snapshot_folder.ts";
import { withTempFolder } from "../support/temp_folder.ts";
import { putJob } from "../testdata/test_writer.ts";
import { approval, ServerProcess } from "./server_process.ts";
import { type SmallDisk, withSmallDisk } from "./small_disk.ts";

const NAMES = ["a", "b", "c", "d", "name #5", "100%", "ü/deep"];
const BIG = "x".repeat(100_000);
/** Free pages with which every move succeeds. */
const MAX_PAGES = 40;

function start(disk: SmallDisk): Promise<ServerProcess> {
  return ServerProcess.start({ data: `${disk.path}/data`, through: disk.through });
}

function pathOf(name: string): string {
  return `/home/${name.split("/").map(encodeURIComponent).join("/")}`;
}

async function put(server: ServerProcess, name: string, body: string) {
  return await server.ask(pathOf(name), { method: "PUT", body });
}

/** Bytes, version and audit of every world, and the listings. */
async function readEverything(server: ServerProcess): Promise<string[]> {
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

/** Fills the disk again, because the server can have freed something, and sends a request. */
async function assertDiskFull(
  disk: SmallDisk,
  request: string,
  send: () => Promise<{ status: number; text: string }>,
): Promise<void> {
  disk.fill();
  const { status, text } = await send();
  assertEquals([request, status], [request, 507], text);
  const problem = JSON.parse(text);
  assertEquals(problem.type, "/usr/share/doc/problems/insufficient-storage.md");
  assertMatch(problem.detail, /^Cannot .*: the disk of the server is full/);
}

Deno.test("a server with a full disk answers 507 to writes, answers reads, and accepts writes again later", () =>
  withSmallDisk(16, async (disk) => {
    const data = `${disk.outside}/data`;
    let server = await start(disk);
    try {
      for (const name of NAMES) {
        const { status, text } = await put(server, name, `${name} 1`);
        assertEquals(status, 201, text);
      }
      await put(server, "b", "b 2");
      assertEquals((await server.end()).code, 0);

      server = await start(disk);
      // One world is open, with its newest version in the WAL; the others are closed.
      await put(server, "a", "a 2");
      await server.ask(pathOf("a"), { method: "POST", body: ", 3" });
      const approve = approval(data);
      const before = await readEverything(server);

      const headers = approve;
      const requests: readonly [string, () => ReturnType<typeof put>][] = [
        ["PUT new", () => put(server, "new", BIG)],
        ["PUT hot", () => put(server, "a", BIG)],
        ["PUT cold", () => put(server, "c", BIG)],
        ["PUT cold, few bytes", () => put(server, "d", "1")],
        ["POST", () => server.ask(pathOf("b"), { method: "POST", body: BIG })],
        ["DELETE", () => server.ask(pathOf("d"), { method: "DELETE", headers })],
      ];
      for (const [request, send] of requests) await assertDiskFull(disk, request, send);
      assertEquals(await readEverything(server), before);
      assertEquals((await server.ask("/home/new")).status, 404);
      assertEquals(Array.from(Deno.readDirSync(`${data}/.incoming`)), []);

      // After SIGKILL it starts on the full disk, and everything can be read.
      await server.end("SIGKILL");
      server = await start(disk);
      assertEquals(await readEverything(server), before);
      await assertDiskFull(disk, "PUT after a restart", () => put(server, "a", BIG));

      disk.free();
      for (const name of ["a", "new", "d", "name #5"]) {
        const { status, text } = await put(server, name, `${name} later`);
        assert(status === 200 || status === 201, text);
      }
      assertEquals((await server.ask(`${pathOf("a")}?raw`)).text, "a later");
      const gone = await server.ask(pathOf("d"), { method: "DELETE", headers });
      assertEquals(gone.status, 200, gone.text);
      const { code } = await server.end();
      assertEquals(code, 0);
      const key = readSecret(data, ".key") ?? "";
      const { worlds, broken, leftovers } = verifyDataFolder({ data, key });
      assertEquals([broken, leftovers], [[], []]);
      assertEquals(worlds, NAMES.length + 2); // new; without d; /boot/env and /boot/plugins
    } finally {
      await server.end("SIGKILL");
    }
  }));

Deno.test("a disk that becomes full during writes loses no acknowledged change", () =>
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
            assertEquals(status, 507, text);
            refusals += 1;
          }
        }
      }));
      assert(refusals > 0, "the disk did not become full");
      for (const [name, body] of acknowledged) {
        assertEquals((await server.ask(`${pathOf(name)}?raw`)).text, body);
      }
      await server.end("SIGKILL");
      const data = `${disk.outside}/data`;
      const key = readSecret(data, ".key") ?? "";
      const { worlds, broken } = verifyDataFolder({ data, key });
      assertEquals(broken, []);
      assert(worlds >= acknowledged.size);
    } finally {
      await server.end("SIGKILL");
    }
  }));

Deno.test("a MOVE over a world on an almost full disk changes both names or neither", () =>
  // Its worlds need 2 MB, and the index of the search, which begins after a second, 4 MB.
  withSmallDisk(16, async (disk) => {
    const filler = `${disk.outside}/filler`;
    let server = await start(disk);
    try {
      const approve = approval(`${disk.outside}/data`);
      const expected: string[] = [];
      let refused = 0;
      for (let pages = 0; pages < MAX_PAGES; pages++) {
        const [from, to] = [`from${pages}`, `to${pages}`];
        for (const [name, text] of [[from, "new"], [to, "old"]] as const) {
          assertEquals((await put(server, name, text)).status, 201);
        }
        disk.fill();
        Deno.truncateSync(filler, Deno.statSync(filler).size - pages * 4096);
        const headers = { ...approve, destination: `/dav${pathOf(to)}` };
        const { status, text } = await server.ask(`/dav${pathOf(from)}`, {
          method: "MOVE",
          headers,
        });
        assert(status === 204 || status === 507, text);
        if (status === 507) refused += 1;
        Deno.truncateSync(filler, 0);
        const after = status === 507 ? `${from}: new, ${to}: old 1` : `${from}: 404, ${to}: new 2`;
        expected.push(after);
        assertEquals(await readPair(server, from, to), after, `${pages} free pages`);
      }
      assert(refused > 0 && refused < MAX_PAGES, `${refused} moves were refused`);
      await server.end("SIGKILL");
      server = await start(disk);
      for (const [pages, after] of expected.entries()) {
        assertEquals(await readPair(server, `from${pages}`, `to${pages}`), after);
      }
    } finally {
      await server.end("SIGKILL");
    }
  }));

Deno.test("a backup to a disk that gets full changes no world in it, and continues later", () =>
  withSmallDisk(6, (disk) =>
    withTempFolder(async (folder) => {
      const backUp = async () => {
        const { command, args, ...more } = fromCheckout(folder, [
          ...["backup", "--from", `${folder}/data`, `${disk.path}/copies`],
        ]);
        const through = [...disk.through.slice(1), command, ...args];
        const { code, stderr } = await runProgram({ ...more, command: "nsenter", args: through });
        return `${code} ${stderr.trim()}`;
      };
      const copies = `${disk.outside}/copies`;
      fillData(`${folder}/data`);
      assertEquals(await backUp(), "0 ");
      const before = listWorlds(copies);
      fillData(`${folder}/data`, undefined, [putJob("home/new", BIG)]);
      disk.fill();
      assertMatch(await backUp(), /^2 Cannot back up .* into .*: the disk is full$/);
      assertEquals(listWorlds(copies), before);
      assertEquals([...Deno.readDirSync(copies)].filter(({ name }) => name === "deleted"), []);
      disk.free();
      assertEquals(await backUp(), "0 ");
      assertEquals(verifyDataFolder({ data: `${copies}/data`, key: KEY }).worlds, 4);
    })));

/** The files of the worlds in a backup, with size and time. */
function listWorlds(copies: string): string[] {
  return snapshotFolder(`${copies}/data`).filter((line) => line.includes("/universe.db "));
}

async function readPair(server: ServerProcess, from: string, to: string): Promise<string> {
  const accept = { headers: { accept: "application/json" } };
  const source = await server.ask(pathOf(from), accept);
  const target = JSON.parse((await server.ask(pathOf(to), accept)).text);
  const text = source.status === 404 ? "404" : JSON.parse(source.text).stage_html;
  return `${from}: ${text}, ${to}: ${target.stage_html} ${target.version}`;
}
