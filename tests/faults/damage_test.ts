import { assert, assertEquals, assertMatch } from "../support/assert.ts";
import { FILE_DAMAGE } from "../testdata/file_damage.ts";
import { approval, ServerProcess } from "./server_process.ts";
import { withTempFolder } from "../support/temp_folder.ts";

const JSON_ONLY = { accept: "application/json" };

/** Starts a server on a folder, uses it, and stops it with SIGTERM. */
async function withServer(
  data: string,
  use: (server: ServerProcess) => Promise<void>,
): Promise<string> {
  // Every line of the log is compared.
  const server = await ServerProcess.start({ data, env: { ELASTIK_LOG_RATE: "0" } });
  try {
    await use(server);
    const { code, stderr } = await server.end();
    assertEquals(code, 0);
    return stderr;
  } finally {
    await server.end("SIGKILL");
  }
}

async function put(server: ServerProcess, path: string, body: string, headers = {}) {
  return await server.ask(path, { method: "PUT", body, headers });
}

function nameOf(path: string): string {
  return path.replaceAll("/", "%2F");
}

Deno.test("a damaged universe.db makes its world answer 500 and affects no other world", () =>
  withTempFolder(async (folder) => {
    const data = `${folder}/data`;
    const kinds = Object.keys(FILE_DAMAGE);
    await withServer(data, async (server) => {
      for (const kind of kinds) {
        assertEquals((await put(server, `/home/${kind}`, kind)).status, 201);
      }
      await put(server, "/home/good", "good");
      const approve = approval(data);
      for (const path of ["/etc/passwd", "/usr/share/x"]) {
        await put(server, path, "x:T1\n", approve);
      }
      await put(server, "/lib/p", "export default {}");
    });
    for (const [kind, { inflict }] of Object.entries(FILE_DAMAGE)) {
      inflict(`${data}/${nameOf(`home/${kind}`)}/universe.db`);
    }
    // Worlds that the server reads or writes at its start.
    for (const name of ["etc/passwd", "boot/env", "lib/p"]) {
      FILE_DAMAGE.middle_overwritten?.inflict(`${data}/${nameOf(name)}/universe.db`);
    }
    const stderr = await withServer(data, async (server) => {
      const listed = (await server.ask("/home/")).text.split("\n");
      for (const kind of [...kinds, "good"]) assert(listed.includes(kind), `${kind} is not listed`);
      for (const [kind, { read }] of Object.entries(FILE_DAMAGE)) {
        const path = `/home/${kind}`;
        const found = await server.fetch(path, { headers: JSON_ONLY });
        const body = await found.json();
        if (read === "whole") {
          assertEquals([found.status, body.stage_html], [200, kind]);
          continue;
        }
        assertEquals([kind, found.status, body.status], [kind, 500, 500]);
        assertEquals(body.type, "/usr/share/doc/problems/world-damaged.md");
        assertMatch(body.detail, new RegExp(`^Cannot read ${path}: its file cannot be read`));
        assert(!JSON.stringify(body).includes(data), "the response contains a path of the disk");
        for (
          const answer of [
            await put(server, path, "new"),
            await server.ask(path, { method: "POST", body: "more" }),
            await server.ask(`/proc/audit/home/${kind}`),
            await server.ask(path, { method: "DELETE", headers: approval(data) }),
          ]
        ) assertEquals([kind, answer.status], [kind, 500]);
        // If only the row is damaged, the event log can still be read.
        const log = await server.ask(`/proc/log/home/${kind}`);
        assert(log.status === 500 || kind === "middle_overwritten", `${kind}: ${log.text}`);
      }
      const events = await server.ask("/proc/audit/home/events_overwritten");
      assertEquals(events.status, 500, "a chain that cannot be read passed the audit");
      assertEquals((await server.ask("/lib/p", { headers: JSON_ONLY })).status, 500);
      assertEquals((await server.ask("/home/good?raw")).text, "good");
      assertEquals((await put(server, "/home/good", "better")).status, 200);
      assertEquals((await put(server, "/home/new", "new")).status, 201);
      assertEquals((await put(server, "/usr/share/x", "y", approval(data))).status, 200);
      assertEquals((await server.ask("/proc/status")).status, 200);
      assertEquals((await server.ask("/proc/worlds")).status, 200);
    });
    assertMatch(stderr, /accounts are disabled/);
    // The server log contains the details that the response omits.
    assertMatch(stderr, /GET \/home\/middle_overwritten: .*malformed/);
    assertMatch(stderr, /GET \/home\/text_in_its_place: .*file is not a database/);
  }));

const CATALOG_DAMAGE: Readonly<Record<string, (path: string) => void>> = {
  truncated: (path) => Deno.truncateSync(path, 5000),
  garbage: (path) => Deno.writeFileSync(path, crypto.getRandomValues(new Uint8Array(30_000))),
  missing: (path) => Deno.removeSync(path),
  a_directory: (path) => {
    Deno.removeSync(path);
    Deno.mkdirSync(`${path}/x`, { recursive: true });
  },
  with_an_invalid_wal: (path) => Deno.writeTextFileSync(`${path}-wal`, "no log".repeat(999)),
};

Deno.test("a server starts with correct listings if its catalog is missing or damaged or folders were deleted", () =>
  withTempFolder(async (folder) => {
    const data = `${folder}/data`;
    const names = Array.from({ length: 40 }, (_, i) => `w${String(i).padStart(2, "0")}`);
    await withServer(data, async (server) => {
      for (const name of names) await put(server, `/home/c/${name}`, name);
      for (const i of [0, 1, 2, 3, 4]) await put(server, `/home/gone/${i}`, "1");
    });
    let round = 0;
    for (const [kind, inflict] of Object.entries(CATALOG_DAMAGE)) {
      inflict(`${data}/.catalog.db`);
      Deno.removeSync(`${data}/${nameOf(`home/gone/${round}`)}`, { recursive: true });
      round += 1;
      await withServer(data, async (server) => {
        const { text } = await server.ask("/home/c/", { headers: JSON_ONLY });
        const rows: { name: string; version: number }[] = JSON.parse(text);
        assertEquals([kind, rows.map(({ name }) => name)], [kind, names]);
        assert(rows.every(({ version }) => version === round), `${kind}: ${text.slice(0, 200)}`);
        assertEquals(
          (await server.ask("/home/c/w07?raw")).text,
          round === 1 ? "w07" : `${round - 1}`,
        );
        assertEquals((await server.ask(`/home/gone/${round - 1}`)).status, 404);
        const rest = await server.ask("/home/gone/");
        if (round === 5) assertEquals(rest.status, 404);
        else assertEquals(rest.text.split("\n").length - 1, 5 - round);
        for (const name of names) {
          assertEquals((await put(server, `/home/c/${name}`, `${round}`)).status, 200);
        }
      });
    }
    await withServer(data, async (server) => {
      assertEquals((await put(server, "/home/gone/0", "back")).status, 201);
    });
  }));

Deno.test("a world whose folder is removed while the server runs is neither appended to nor listed for ever", () =>
  withTempFolder(async (folder) => {
    const data = `${folder}/data`;
    await withServer(data, async (server) => {
      const headers = approval(data);
      const names = ["append", "delete", "move", "put"];
      for (const name of names) {
        for (const text of ["1", "2"]) await put(server, `/home/c/${name}`, text);
        // Under another name: the server can open the file of a folder that is being removed.
        Deno.renameSync(`${data}/${nameOf(`home/c/${name}`)}`, `${folder}/${name}`);
        Deno.removeSync(`${folder}/${name}`, { recursive: true });
      }
      const append = { method: "POST", body: "tail" };
      const { status, text } = await server.ask("/home/c/append", append);
      assertEquals(status, 404);
      assertMatch(JSON.parse(text).detail, /its folder was removed while the server runs/);
      const gone: [string, object][] = [
        ["/home/c/delete", { method: "DELETE", headers }],
        ["/dav/home/c/move", {
          method: "MOVE",
          headers: { ...headers, destination: "/dav/home/c/moved" },
        }],
      ];
      for (const [path, request] of gone) {
        assertEquals((await server.ask(path, request)).status, 404, path);
      }
      const written = await put(server, "/home/c/put", "3");
      assertEquals([written.status, JSON.parse(written.text).version], [201, 3]);
      assertEquals((await server.ask("/home/c/")).text, "put\n");
      for (const name of names) {
        const expected = name === "put" ? 200 : 404;
        assertEquals((await server.ask(`/home/c/${name}`)).status, expected, name);
      }
      assertEquals((await server.ask("/home/c/append", append)).status, 201);
    });
  }));
