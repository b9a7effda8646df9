import { assert, assertEquals, assertRejects } from "../support/assert.ts";
import { pathToFileURL } from "node:url";
import { Checkout } from "../../lib/source/checkout.ts";

const ROOT = new URL("../../", import.meta.url);

/** Creates a folder of files; a text that starts with `->` creates a symlink. */
async function withFiles(
  files: Readonly<Record<string, string>>,
  use: (root: string) => Promise<void>,
): Promise<void> {
  const root = await Deno.makeTempDir({ prefix: "checkout-" });
  try {
    for (const [path, text] of Object.entries(files)) {
      await Deno.mkdir(`${root}/${path.slice(0, Math.max(0, path.lastIndexOf("/")))}`, {
        recursive: true,
      });
      if (text.startsWith("->")) await Deno.symlink(text.slice(2), `${root}/${path}`);
      else await Deno.writeTextFile(`${root}/${path}`, text);
    }
    await use(root);
  } finally {
    await Deno.remove(root, { recursive: true });
  }
}

function checkout(root: string, data = `${root}/data`): Checkout {
  return new Checkout(pathToFileURL(`${root}/main.ts`).href, data);
}

const SOURCE = {
  "main.ts": "main",
  "README.md": "read",
  ".gitignore": "/data/\n.env\n/secret.ts\nignored/\n*.priv.ts\n",
  ".env.example": "ELASTIK_TOKEN=",
  ".ci/run": "run",
  "lib/a.ts": "a",
  "lib/b/c.ts": "c",
  "worlds/home/ä b.md": "world",
};

const FORBIDDEN = {
  ".env": "ELASTIK_TOKEN=secret",
  ".env.local": "ELASTIK_TOKEN=secret",
  ".git/config": "token = secret",
  "data/.key": "secret",
  "data/home%2Fx/universe.db": "secret",
  "dist/elastik.js": "built",
  "secret.ts": "secret",
  "notes.txt": "of no concern",
  "other/x.ts": "of no concern",
  "lib/.a.ts.swp": "secret",
  "lib/a.ts~": "secret",
  "lib/#a.ts#": "secret",
  "lib/.#a.ts": "->nowhere",
  "lib/.hidden/x.ts": "secret",
  "lib/.env": "secret",
  "lib/ignored/x.ts": "secret",
  "lib/x.priv.ts": "secret",
  "lib/server.pem": "secret",
  "lib/node_modules/x/index.js": "other",
  "tests/data/home%2Fx/universe.db": "secret",
  "tests/copy/home%2Fx/universe.db": "secret",
  "worlds/link.ts": "->../.env",
  "worlds/linked": "->../data",
  "plugins": "->data",
};

Deno.test("Checkout lists the program and no other file of the folder", () =>
  withFiles({ ...SOURCE, ...FORBIDDEN }, async (root) => {
    const source = checkout(root);
    assertEquals(await source.list(), Object.keys(SOURCE).sort());
    for (const path of Object.keys(FORBIDDEN)) {
      assertEquals(await source.read(path), undefined, path);
    }
    for (const [path, text] of Object.entries(SOURCE)) {
      assertEquals(new TextDecoder().decode(await source.read(path)), text);
    }
  }));

Deno.test("Checkout reads nothing for another spelling of a path", () =>
  withFiles({ ...SOURCE, ...FORBIDDEN }, async (root) => {
    const source = checkout(root);
    const spellings = [
      "lib/../.env",
      "./main.ts",
      "/main.ts",
      "lib//a.ts",
      "lib",
      "lib/",
      "",
      ".",
      "..",
      "lib\\a.ts",
      `${root}/.env`,
      "main.ts\u0000",
    ];
    for (const path of spellings) assertEquals(await source.read(path), undefined, path);
  }));

Deno.test("Checkout does not read a symlink that replaced a file after it was listed", () =>
  withFiles({ ...SOURCE, ...FORBIDDEN }, async (root) => {
    const source = checkout(root);
    assert((await source.list()).includes("lib/a.ts"));
    await Deno.remove(`${root}/lib/a.ts`);
    await Deno.symlink("../.env", `${root}/lib/a.ts`);
    assertEquals(await source.read("lib/a.ts"), undefined);
    await Deno.remove(`${root}/lib/a.ts`);
    assertEquals(await source.read("lib/a.ts"), undefined);
  }));

Deno.test("Checkout excludes the data folder wherever it is", () =>
  withFiles({ ...SOURCE, "worlds/mine/home%2Fx/words.txt": "secret" }, async (root) => {
    await Deno.symlink(`${root}/worlds/mine`, `${root}/elsewhere`);
    for (const data of [`${root}/worlds/mine`, `${root}/elsewhere`]) {
      assertEquals(await checkout(root, data).list(), Object.keys(SOURCE).sort());
    }
    assertEquals((await checkout(root).list()).length, Object.keys(SOURCE).length + 1);
  }));

Deno.test("Checkout applies the ignore files of every folder, and .git/info/exclude", () =>
  withFiles({
    ...SOURCE,
    "lib/b/.gitignore": "/d.ts\n",
    "lib/b/d.ts": "secret",
    "lib/d.ts": "d",
    ".git/info/exclude": "mine.ts\n",
    "lib/mine.ts": "secret",
  }, async (root) => {
    assertEquals(await checkout(root).list(), [...Object.keys(SOURCE), "lib/d.ts"].sort());
  }));

Deno.test("Checkout throws SourceUnavailableError if its files are gone", () =>
  withFiles({ "lib/a.ts": "a" }, async (root) => {
    const source = checkout(root);
    await assertRejects(source.list(), {
      name: "SourceUnavailableError",
      message: /no longer exist/,
    });
    await Deno.writeTextFile(`${root}/main.ts`, "main");
    assertEquals(await source.list(), ["lib/a.ts", "main.ts"]);
  }));

Deno.test("Checkout lists exactly the files that git tracks, and uncommitted ones", async () => {
  const { stdout, success } = await new Deno.Command("git", { args: ["ls-files"], cwd: ROOT })
    .output();
  const listed = new Set(await new Checkout(new URL("main.ts", ROOT).href, "data").list());
  for (
    const path of ["main.ts", "LICENSE", "lib/source/checkout.ts", "tests/source/checkout_test.ts"]
  ) {
    assert(listed.has(path), path);
  }
  // A copy of the source is not a repository.
  if (!success) return;
  for (const path of new TextDecoder().decode(stdout).trim().split("\n")) {
    assert(listed.has(path) || path.includes('"'), path);
  }
});
