/** The documents against the code: every setting, route, problem type and name that they must list. */

import { readConfig } from "../../lib/config.ts";
import { SETTINGS } from "../../lib/settings.ts";
import { PROBLEMS } from "../../lib/http/problem.ts";
import { parseManifest } from "../../lib/plugin/manifest/manifest.ts";
import { CORE_ROUTES } from "../../lib/request/core_routes.ts";
import { get, install, plugin, withPlugins } from "../plugin/plugin_test_server.ts";
import { TIERS } from "../../lib/tools/run_tests.ts";
import { assert, assertEquals } from "../support/assert.ts";
import { ROOT } from "./program.ts";
import { blocksOf, commandsOf } from "./readme.ts";

const DOC = "worlds/usr/share/doc";
const SKILL = "worlds/usr/lib/skills/elastik.md";
/** Variables that only the client scripts read. */
const CLIENT_VARIABLES = ["ELASTIK_URL"];
const names = [...Deno.readDirSync(`${ROOT}/${DOC}`)].filter(({ isFile }) => isFile)
  .map(({ name }) => name).sort();
const pages = new Map(names.map((name) => [`${DOC}/${name}`, read(`${DOC}/${name}`)]));
for (const type of Object.keys(PROBLEMS)) {
  pages.set(`${DOC}/problems/${type}.md`, read(`${DOC}/problems/${type}.md`));
}
pages.set(SKILL, read(SKILL));
const readme = read("README.md");
const example = read(".env.example");
/** Documents for users, by their paths in the checkout. */
const documents = new Map([["README.md", readme], [
  "plugins/README.md",
  read("plugins/README.md"),
]]);
for (const [path, text] of pages) documents.set(path, text);
for (const path of ["CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md"]) {
  documents.set(path, read(path));
}

function read(path: string): string {
  return Deno.readTextFileSync(`${ROOT}/${path}`);
}

function page(name: string): string {
  return pages.get(`${DOC}/${name}`) ?? "";
}

/** The cells of all table rows of a page whose first cell is code or a link. */
function rowsOf(text: string): string[][] {
  return [...text.matchAll(/^\| *([`[].*) *\|$/gm)].map(([, row = ""]) =>
    row.split(/(?<!\\)\|/).map((cell) => cell.trim())
  );
}

/** The code spans of a cell, without the marks. */
function codeOf(cell = ""): string[] {
  return [...cell.matchAll(/`([^`]+)`/g)].map(([, code = ""]) => code);
}

Deno.test("configuration.md and .env.example list every setting once, with its default", () => {
  const rows = rowsOf(page("configuration.md"));
  const listed = rows.map(([cell]) => codeOf(cell)[0] ?? "");
  assertEquals(listed.sort(), Object.keys(SETTINGS).sort());
  for (const name of listed) {
    assert(new RegExp(`^(?:# )?${name}=`, "m").test(example), `.env.example lacks ${name}`);
  }
  // The server must accept the documented defaults, and they must be what it takes without them.
  const defaults = new Map(rows.map(([name, value]) => [codeOf(name)[0], codeOf(value)[0]]));
  for (const created of ["ELASTIK_TOKEN", "ELASTIK_APPROVE_TOKEN", "ELASTIK_KEY"]) {
    defaults.delete(created);
  }
  assertEquals(readConfig((name) => defaults.get(name)), readConfig(() => undefined));
});

Deno.test("documents name no ELASTIK_ variable that does not exist", () => {
  for (const [path, text] of [...documents, [".env.example", example] as const]) {
    for (const [name] of text.matchAll(/\bELASTIK_[A-Z_]*[A-Z]\b/g)) {
      const known = Object.hasOwn(SETTINGS, name) || CLIENT_VARIABLES.includes(name);
      assert(known, `${path} names ${name}, which does not exist`);
    }
  }
});

Deno.test("routes.md lists every route of the core once and no other", () => {
  const listed = rowsOf(page("routes.md")).map(([cell]) => codeOf(cell)[0] ?? "");
  assertEquals(listed.sort(), ["/", ...Object.keys(CORE_ROUTES)].sort());
});

Deno.test("problems.md lists every problem type with its status, title and page", () => {
  const listed = [
    ...page("problems.md").matchAll(/^\| (\d+) +\| \[(.+?)\]\((.+?)\) +\| (.+?) +\|$/gm),
  ]
    .map(([, status, type, link, title]) => ({ status: Number(status), type, link, title }));
  const expected = Object.entries(PROBLEMS).map(([type, { status, title }]) => ({
    status,
    type,
    link: `/usr/share/doc/problems/${type}.md`,
    title,
  }));
  assertEquals(listed, expected);
});

Deno.test("problem pages start with status and title of their type", () => {
  for (const [type, { status, title }] of Object.entries(PROBLEMS)) {
    const text = page(`problems/${type}.md`);
    assert(text.startsWith(`# ${status} ${title}\n`), `problems/${type}.md`);
  }
});

Deno.test("plugins.md lists every export that the server reads", () => {
  const manifest = parseManifest(
    { routes: ["/x"], patience: 1 },
    () => undefined,
    () => undefined,
  );
  const [, table = ""] = /^## Exports\n([^]*?)^\*\*/m.exec(page("plugins.md")) ?? [];
  assertEquals(
    rowsOf(table).map(([cell]) => codeOf(cell)[0] ?? "").sort(),
    [...Object.keys(manifest), "default", "permissions"].sort(),
  );
});

Deno.test("plugins.md names every member of env and ctx that a plugin receives", () =>
  withPlugins(async (server) => {
    const source = plugin(
      { kv: true, permissions: { read: ["/tmp/elastik-no-folder"], env: ["X_Y"] } },
      `
      const members = { env: Object.keys(env), caller: Object.keys(env.caller),
        machine: Object.keys(env.machine), files: Object.keys(env.files),
        sql: Object.keys(env.sql), ctx: ctx };
      for (const name of ["caller", "files", "sql", "machine", "ctx"]) {
        const object = name === "ctx" ? ctx : env[name];
        members[name] = [...new Set([...Object.keys(object),
          ...Object.getOwnPropertyNames(Object.getPrototypeOf(object) ?? {})])];
      }
      return Response.json(members);`,
    );
    await install(server, "p", source);
    const members: Record<string, string[]> = JSON.parse((await get(server, "/p")).text);
    const text = page("plugins.md");
    for (const [object, list] of Object.entries(members)) {
      for (const name of list) {
        if (name === "constructor" || name.startsWith("__") || name in Object.prototype) continue;
        const full = object === "env" ? `env.${name}` : object === "ctx" ? `ctx.${name}` : name;
        assert(new RegExp(`\\b${full.replace(".", "\\.")}\\b`).test(text), `${object}: ${name}`);
      }
    }
    assert((members.env?.length ?? 0) > 4, JSON.stringify(members));
  }));

Deno.test("documents link only to files and worlds that exist", () => {
  for (const [path, text] of documents) {
    for (const [, link = ""] of text.matchAll(/\]\((?!https?:|#)([^)#]+)/g)) {
      const target = link.startsWith("/")
        ? `worlds${link}`
        : new URL(link, `file:///${path}`).pathname.slice(1);
      assert(exists(`${ROOT}/${target.replace(/\/$/, "")}`), `${path} links to ${link}`);
    }
  }
});

Deno.test("README.md has at most 130 lines and leads to the index of the documents", () => {
  assert(readme.trimEnd().split("\n").length <= 130);
  assert(readme.includes(`(${DOC}/index.md)`));
});

Deno.test("index.md leads to every page and to the folder of the problem pages", () => {
  const index = page("index.md");
  for (const name of names) {
    if (name === "index.md") continue;
    assert(index.includes(`(/usr/share/doc/${name})`), `index.md does not lead to ${name}`);
  }
  assert(index.includes("(/usr/share/doc/problems/)"));
});

Deno.test("every page with commands is named in a test that runs them", () => {
  const runners = [
    "tests/project/readme_test.ts",
    "tests/project/cluster_page_test.ts",
    "tests/http/manual_test.ts",
  ];
  for (const { name } of Deno.readDirSync(`${ROOT}/tests/plugins`)) {
    if (name.endsWith("manual_test.ts")) runners.push(`tests/plugins/${name}`);
  }
  const named = runners.map(read).join("\n");
  for (const [path, text] of pages) {
    if (path.startsWith(`${DOC}/problems/`)) continue; // manual_test.ts runs all of them
    const file = path.replace(/^.*\//, "");
    assert(blocksOf(text).length === 0 || named.includes(file), `no test runs ${path}`);
  }
});

Deno.test("documents name only tasks that exist", () => {
  const { tasks } = JSON.parse(read("deno.json"));
  for (const [path, text] of documents) {
    for (const [, name = ""] of text.matchAll(/\bdeno(?:@[\d.]+)? task ([a-z]+(?::[a-z]+)*)/g)) {
      assert(Object.hasOwn(tasks, name), `${path} names deno task ${name}, which does not exist`);
    }
  }
});

Deno.test(".ci/run runs the tests by the command of the README", () => {
  assert(commandsOf("README.md").includes("deno task test"));
  const ci = read(".ci/run");
  assert(/\bdeno task check(?![:\w])/.test(ci), ".ci/run lacks deno task check");
  const tiers = [...ci.matchAll(/\bdeno task test(?::(\w+)|((?: \w+)+))$/gm)]
    .flatMap(([, tier, names = ""]) => tier === undefined ? names.trim().split(" ") : [tier]);
  assertEquals(tiers, [...TIERS], "each tier runs once");
});

Deno.test("elastik.md, the page for agents, has less than 150 lines", () => {
  assert(read(SKILL).split("\n").length < 150);
});

function exists(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

Deno.test("no document tells a reader to run a world that a tier below T3 can write", () => {
  for (const [path, text] of documents) {
    for (const line of text.split("\n")) {
      const runs = /\bdeno (?:run|eval|install|serve)\b|\|\s*(?:sudo\s+)?(?:ba|z|da)?sh\b/.test(
        line,
      );
      const world = /https?:\/\/[^\s/'"]+\/(?:home|lib|dav|mnt|dev)\/\S*/.exec(line)?.[0];
      if (runs) assertEquals(world, undefined, `${path}: ${line}`);
    }
  }
});
