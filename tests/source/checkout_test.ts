import { deepStrictEqual as equal, ok, rejects } from "node:assert/strict";
import { pathToFileURL } from "node:url";
import { Checkout } from "../../lib/source/checkout.ts";

const ROOT = new URL("../../", import.meta.url);

/** Makes a folder of files; a text that begins with `->` makes a link. */
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

Deno.test("Checkout lists the program, and none of what lies beside it", () =>
  withFiles({ ...SOURCE, ...FORBIDDEN }, async (root) => {
    const source = checkout(root);
    equal(await source.list(), Object.keys(SOURCE).sort());
    for (const path of Object.keys(FORBIDDEN)) equal(await source.read(path), undefined, path);
    for (const [path, text] of Object.entries(SOURCE)) {
      equal(new TextDecoder().decode(await source.read(path)), text);
    }
  }));

Deno.test("Checkout reads nothing by another spelling of a path", () =>
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
    for (const path of spellings) equal(await source.read(path), undefined, path);
  }));

Deno.test("Checkout reads no link that took a file's place since it was listed", () =>
  withFiles({ ...SOURCE, ...FORBIDDEN }, async (root) => {
    const source = checkout(root);
    ok((await source.list()).includes("lib/a.ts"));
    await Deno.remove(`${root}/lib/a.ts`);
    await Deno.symlink("../.env", `${root}/lib/a.ts`);
    equal(await source.read("lib/a.ts"), undefined);
    await Deno.remove(`${root}/lib/a.ts`);
    equal(await source.read("lib/a.ts"), undefined);
  }));

Deno.test("Checkout leaves the data folder out wherever it lies", () =>
  withFiles({ ...SOURCE, "worlds/mine/home%2Fx/words.txt": "secret" }, async (root) => {
    await Deno.symlink(`${root}/worlds/mine`, `${root}/elsewhere`);
    for (const data of [`${root}/worlds/mine`, `${root}/elsewhere`]) {
      equal(await checkout(root, data).list(), Object.keys(SOURCE).sort());
    }
    equal((await checkout(root).list()).length, Object.keys(SOURCE).length + 1);
  }));

Deno.test("Checkout minds the patterns of every folder, and those that only this copy has", () =>
  withFiles({
    ...SOURCE,
    "lib/b/.gitignore": "/d.ts\n",
    "lib/b/d.ts": "secret",
    "lib/d.ts": "d",
    ".git/info/exclude": "mine.ts\n",
    "lib/mine.ts": "secret",
  }, async (root) => {
    equal(await checkout(root).list(), [...Object.keys(SOURCE), "lib/d.ts"].sort());
  }));

Deno.test("Checkout says in words when its files are gone", () =>
  withFiles({ "lib/a.ts": "a" }, async (root) => {
    const source = checkout(root);
    await rejects(source.list(), { name: "SourceUnavailableError", message: /no longer there/ });
    await Deno.writeTextFile(`${root}/main.ts`, "main");
    equal(await source.list(), ["lib/a.ts", "main.ts"]);
  }));

Deno.test("Checkout lists exactly what git tracks here, but for what is not committed yet", async () => {
  const { stdout, success } = await new Deno.Command("git", { args: ["ls-files"], cwd: ROOT })
    .output();
  const listed = new Set(await new Checkout(new URL("main.ts", ROOT).href, "data").list());
  for (
    const path of ["main.ts", "LICENSE", "lib/source/checkout.ts", "tests/source/checkout_test.ts"]
  ) {
    ok(listed.has(path), path);
  }
  // A copy of the source is no repository.
  if (!success) return;
  for (const path of new TextDecoder().decode(stdout).trim().split("\n")) {
    ok(listed.has(path) || path.includes('"'), path);
  }
});
