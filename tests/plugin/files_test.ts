/** Tests of `env.files` and `env.sql` from inside a cell, with attempts to leave a granted folder. */

import { assertEquals, assertMatch, assertNotMatch, assertRejects } from "../support/assert.ts";
import { DatabaseSync } from "node:sqlite";
import { LAUNCHES, type LaunchName, withCell } from "./cell_fixture.ts";
import { withTempFolder } from "../support/temp_folder.ts";

/** A plugin that runs each attempt as the body of a function and returns the results by name. */
function plugin(attempts: Record<string, string>): string {
  const bodies = Object.entries(attempts).map(([name, code]) =>
    `${JSON.stringify(name)}: async (files, sql, root) => { ${code} }`
  );
  return `const all = { ${bodies.join(",\n")} };
  export default { async fetch(request, env) {
    const found = {};
    for (const name of Object.keys(all)) {
      try { found[name] = await all[name](env.files, env.sql, env.config["/root"]); }
      catch (error) { found[name] = String(error); }
    }
    return Response.json(found);
  } };`;
}

function withGrantedFolder(test: (root: string) => Promise<void>): Promise<void> {
  return withTempFolder(async (base) => {
    const root = `${base}/granted`;
    await Deno.mkdir(`${root}/sub`, { recursive: true });
    await Deno.writeTextFile(`${base}/secret`, "secret");
    await Deno.writeTextFile(`${root}/a.txt`, "0123456789");
    await Deno.symlink(`${base}/secret`, `${root}/link`);
    await Deno.symlink(base, `${root}/up`);
    await Deno.symlink(`${base}/new`, `${root}/dangling`);
    await Deno.symlink(`${root}/a.txt`, `${root}/inner`);
    await Deno.mkdir(`${base}/granted-too`);
    await Deno.writeTextFile(`${base}/granted-too/x`, "secret");
    await test(root);
    assertEquals(await Deno.readTextFile(`${base}/secret`), "secret");
    await assertRejects(Deno.lstat(`${base}/new`));
  });
}

for (const launch of Object.keys(LAUNCHES) as LaunchName[]) {
  Deno.test(`env.files (${launch}) reads and writes within the granted folders`, async () => {
    const source = plugin({
      read: "return new TextDecoder().decode(await files.read(root + '/a.txt'))",
      range:
        "return new TextDecoder().decode(await files.read(root + '/a.txt', { offset: 3, length: 4 }))",
      stream:
        "return await new Response(await files.stream(root + '/a.txt', { offset: 8 })).text()",
      inner: "return await files.text(root + '/inner')",
      write:
        "await files.write(root + '/sub/b', 'one'); await files.append(root + '/sub/b', new Uint8Array([50])); await files.append(root + '/sub/b', new Blob(['three']).stream()); return await files.text(root + '/sub/b')",
      shorter: "await files.write(root + '/sub/b', '-'); return await files.text(root + '/sub/b')",
      stat:
        "const { name, kind, size } = await files.stat(root + '/a.txt'); return [name, kind, size]",
      list: "return (await files.list(root)).map((e) => e.name + ':' + e.kind).sort().join()",
      mkdir:
        "await files.mkdir(root + '/made'); await files.remove(root + '/made'); return (await files.list(root)).length",
      absent: "return await files.text(root + '/none')",
    });
    await withGrantedFolder(async (root) => {
      const permissions = { read: [root], write: [root] };
      await withCell(
        source,
        { launch, permissions, config: { "/root": root } },
        async ({ ask }) => {
          assertEquals(await (await ask("/")).json(), {
            read: "0123456789",
            range: "3456",
            stream: "89",
            inner: "0123456789",
            write: "one2three",
            shorter: "-",
            stat: ["a.txt", "file", 10],
            list: "a.txt:file,dangling:link,inner:link,link:link,sub:folder,up:link",
            mkdir: 6,
            absent: `NotFound: Cannot access ${root}/none: NotFound`,
          });
        },
      );
    });
  });

  Deno.test(`env.files (${launch}) refuses symlinks, dots, siblings and odd paths that lead outside`, async () => {
    const paths = [
      "root + '/link'",
      "root + '/up/secret'",
      "root + '/up/granted-too/x'",
      "root + '/../secret'",
      "root + '/sub/../../secret'",
      "root + '-too/x'",
      "'/etc/hostname'",
      "'/proc/self/environ'",
      "'etc/hostname'",
      "''",
      "{ toString: () => root + '/a.txt' }",
      "root + '/a.txt\\0/../../secret'",
      "'file://' + root + '/a.txt'",
      "[root + '/a.txt']",
    ];
    const attempts: Record<string, string> = {};
    for (const path of paths) {
      attempts[`read ${path}`] = `return await files.text(${path})`;
      attempts[`write ${path}`] = `await files.write(${path}, 'broken'); return 'wrote'`;
      attempts[`list ${path}`] = `return (await files.list(${path})).length`;
    }
    attempts["dangling"] = "await files.write(root + '/dangling', 'x'); return 'wrote'";
    attempts["up/new"] = "await files.write(root + '/up/new', 'x'); return 'wrote'";
    attempts["up/dir"] = "await files.mkdir(root + '/up/new'); return 'made'";
    attempts["remove"] = "await files.remove(root + '/up/secret'); return 'removed'";
    await withGrantedFolder(async (root) => {
      const permissions = { read: [root], write: [root] };
      const options = { launch, permissions, config: { "/root": root } };
      await withCell(plugin(attempts), options, async ({ ask }) => {
        const found: Record<string, unknown> = await (await ask("/")).json();
        for (const [name, words] of Object.entries(found)) {
          assertMatch(String(words), /^(TypeError|NotFound|InvalidData|Error|NotCapable)\b/, name);
          assertNotMatch(String(words), /secret\n?$/, name);
        }
      });
    });
  });

  Deno.test(`env.files (${launch}) writes only in folders that are granted for writing`, async () => {
    const source = plugin({
      write: "await files.write(root + '/a.txt', 'x'); return 'wrote'",
      sub: "await files.write(root + '/sub/x', 'x'); return 'wrote'",
      remove: "await files.remove(root + '/a.txt'); return 'removed'",
    });
    await withGrantedFolder(async (root) => {
      const permissions = { read: [root], write: [`${root}/sub`] };
      await withCell(
        source,
        { launch, permissions, config: { "/root": root } },
        async ({ ask }) => {
          const found = await (await ask("/")).json();
          assertMatch(found.write, /not in a folder granted for writing/);
          assertEquals(found.sub, "wrote");
          assertMatch(found.remove, /not in a folder granted for writing/);
        },
      );
    });
  });

  Deno.test(`env.sql (${launch}) reads databases and refuses writes, other files and extensions`, async () => {
    const source = plugin({
      rows:
        "return await sql.query(root + '/x.db', 'SELECT id, name FROM t WHERE id > ? ORDER BY id', [1])",
      most:
        "return (await sql.query(root + '/x.db', 'SELECT * FROM t', [], { maxRows: 2 })).truncated",
      info: "return (await sql.query(root + '/x.db', 'PRAGMA table_info(t)')).rows.length",
      cte:
        "return (await sql.query(root + '/x.db', 'WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5) SELECT sum(i) FROM n')).rows[0][0]",
      explain:
        "return (await sql.query(root + '/x.db', 'EXPLAIN QUERY PLAN SELECT * FROM t')).rows.length > 0",
      copy:
        "return (await sql.query(root + '/x.db', 'SELECT count(*) FROM t', [], { copy: true })).rows[0][0]",
      slow:
        "return await sql.query(root + '/x.db', 'WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 3000000) SELECT max(i) FROM n', [], { timeoutMs: 20 })",
      insert: "return await sql.query(root + '/x.db', \"INSERT INTO t VALUES (9, 'x')\")",
      drop: "return await sql.query(root + '/x.db', 'DROP TABLE t')",
      pragma: "return await sql.query(root + '/x.db', 'PRAGMA user_version = 7')",
      writable: "return await sql.query(root + '/x.db', 'PRAGMA writable_schema = 1')",
      attach: "return await sql.query(root + '/x.db', \"ATTACH '/etc/passwd' AS p\")",
      vacuum: "return await sql.query(root + '/x.db', \"VACUUM INTO '\" + root + \"/y.db'\")",
      extension: "return await sql.query(root + '/x.db', \"SELECT load_extension('x')\")",
      second: "return await sql.query(root + '/x.db', 'SELECT 1; DROP TABLE t')",
      elsewhere: "return await sql.query('/etc/passwd', 'SELECT 1')",
      link: "return await sql.query(root + '/up/x.db', 'SELECT 1')",
      memory: "return await sql.query(':memory:', 'SELECT 1')",
      uri: "return await sql.query('file:' + root + '/x.db', 'SELECT 1')",
      text: "return await sql.query(root + '/a.txt', 'SELECT * FROM sqlite_master')",
    });
    await withGrantedFolder(async (root) => {
      const database = new DatabaseSync(`${root}/x.db`);
      database.exec("PRAGMA journal_mode = WAL");
      database.exec("CREATE TABLE t (id INTEGER, name TEXT)");
      database.exec("INSERT INTO t VALUES (1, 'a'), (2, 'ü'), (9007199254740993, NULL)");
      database.exec("PRAGMA wal_checkpoint(TRUNCATE)");
      const options = { launch, permissions: { read: [root] }, config: { "/root": root } };
      await withCell(source, options, async ({ ask }) => {
        const found: Record<string, unknown> = await (await ask("/")).json();
        const { rows, most, info, cte, explain, copy, ...refused } = found;
        assertEquals(rows, {
          columns: ["id", "name"],
          rows: [[2, "ü"], ["9007199254740993", null]],
          truncated: false,
        });
        assertEquals([most, info, cte, explain, copy], [true, 2, 15, true, 3]);
        for (const [name, words] of Object.entries(refused)) {
          assertMatch(String(words), /Error|NotFound/, `${name}: ${JSON.stringify(words)}`);
        }
      });
      assertEquals(database.prepare("SELECT count(*) AS n FROM t").get()?.n, 3);
      assertEquals(database.prepare("PRAGMA user_version").get()?.user_version, 0);
      database.close();
    });
  });
}
