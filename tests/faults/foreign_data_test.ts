/**
 * Property: nothing in the data folder stops the server or blocks it. An entry that is not a world is
 * reported at the start and ignored. A world whose file cannot be read answers with the problem
 * world-damaged, other worlds are not affected, and the server changes and deletes nothing of it.
 */

import { assert, assertEquals, assertMatch } from "../support/assert.ts";
import { DatabaseSync } from "node:sqlite";
import { startTestServer } from "../support/test_server.ts";
import { withTempFolder } from "../support/temp_folder.ts";

function pipe(path: string): void {
  assert(new Deno.Command("mkfifo", { args: [path] }).outputSync().success);
}

function otherDatabase(path: string): void {
  const db = new DatabaseSync(path);
  db.exec("CREATE TABLE bookmarks (a); INSERT INTO bookmarks VALUES (1)");
  db.close();
}

/** Files in the place of a world's file, by the name of the world. */
const DAMAGE: Readonly<Record<string, (path: string) => void>> = {
  folder: (path) => Deno.mkdirSync(path),
  pipe,
  device: (path) => Deno.symlinkSync("/dev/zero", path),
  nothing: (path) => Deno.symlinkSync("missing", path),
  loop: (path) => Deno.symlinkSync("universe.db", path),
  text: (path) => Deno.writeTextFileSync(path, "a text ".repeat(1000)),
  empty: (path) => Deno.writeTextFileSync(path, ""),
  other: otherDatabase,
  ...Object.fromEntries(["-wal", "-shm", "-journal"].flatMap((end) => [
    [`pipe${end}`, (path: string) => {
      otherDatabase(path);
      pipe(`${path}${end}`);
    }],
    [`folder${end}`, (path: string) => {
      otherDatabase(path);
      Deno.mkdirSync(`${path}${end}`);
    }],
  ])),
};
const IGNORED = [
  "home%2",
  "home%2f",
  "home%2F",
  "home%2F..",
  "home%2Fx%zz",
  "elsewhere%2Fx",
  "home",
];

/** Size, time and type of the file of each damaged world. */
function stampsOf(data: string): unknown[] {
  return Object.keys(DAMAGE).map((name) => {
    const { size, mtime, isFile, isSymlink } = Deno.lstatSync(`${data}/home%2F${name}/universe.db`);
    return [name, isFile, isSymlink, isFile ? size : 0, isFile ? mtime?.getTime() : 0];
  });
}

Deno.test({
  name: "entries of the data folder that are not worlds stop no request, and stay as they are",
  ignore: Deno.build.os === "windows",
  fn: () =>
    withTempFolder(async (folder) => {
      const data = `${folder}/data`;
      for (const name of IGNORED) Deno.mkdirSync(`${data}/${name}`, { recursive: true });
      for (const [name, inflict] of Object.entries(DAMAGE)) {
        Deno.mkdirSync(`${data}/home%2F${name}`);
        inflict(`${data}/home%2F${name}/universe.db`);
      }
      for (let i = 0; i < 500; i++) Deno.writeTextFileSync(`${data}/junk${i}`, "");
      const stamps = stampsOf(data);
      const server = await startTestServer({ data });
      try {
        const send = (method: string, target: string, body?: string) =>
          server.send({ method, target, ...(body === undefined ? {} : { body }) });
        assertEquals((await send("PUT", "/home/good", "x")).status, 201);
        const listing = await server.send({
          method: "GET",
          target: "/home/",
          headers: { accept: "text/plain" },
        });
        assertEquals(
          listing.text.trim().split("\n").sort(),
          [...Object.keys(DAMAGE), "good"].sort(),
        );
        for (const name of Object.keys(DAMAGE)) {
          for (const method of ["GET", "PUT", "HEAD"]) {
            const reply = await send(method, `/home/${name}`, method === "PUT" ? "new" : undefined);
            assertEquals([name, method, reply.status], [name, method, 500]);
            if (method !== "HEAD") assertMatch(reply.text, /"title":"Unreadable world file"/);
            assert(!/ {4}at |os error|SQLITE/.test(reply.text), reply.text);
          }
        }
        assertEquals((await send("GET", "/home/good?raw")).text, "x");
        const ignored = server.log.filter((line) => /ignored 507 entries/.test(line));
        assertEquals(ignored.length, 1, server.log.join("\n"));
        const reported = server.log.filter((line) =>
          /^cannot read \/home\/.* not a world/.test(line)
        );
        assertEquals(reported.length, 10, server.log.join("\n"));
      } finally {
        await server.close();
      }
      assertEquals(stampsOf(data), stamps);
    }),
});

Deno.test({
  name: "a pipe in the place of a derived file or of its log is replaced, and blocks no request",
  ignore: Deno.build.os === "windows",
  async fn() {
    for (const end of ["", "-wal"]) {
      await withTempFolder(async (folder) => {
        const data = `${folder}/data`;
        Deno.mkdirSync(data);
        for (const file of [".catalog.db", ".changes.db", ".search.db"]) {
          if (end !== "") otherDatabase(`${data}/${file}`);
          pipe(`${data}/${file}${end}`);
        }
        const server = await startTestServer({ data });
        try {
          await server.send({ method: "PUT", target: "/home/a", body: "a word" });
          for (
            const [target, found] of [
              ["/proc/search/home/?q=word", /\/home\/a:1: a word/],
              ["/proc/log/home/", /"stage_written"/],
              ["/proc/changes/home/", /"stage_written"/],
              ["/home/", /^a$/m],
            ] as const
          ) {
            const { status, text } = await server.send({ method: "GET", target });
            assertEquals([target, end, status], [target, end, 200], text);
            assertMatch(text, found);
          }
        } finally {
          await server.close();
        }
      });
    }
  },
});
