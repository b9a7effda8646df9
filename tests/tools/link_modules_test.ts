import { assertEquals, assertMatch, assertThrows } from "../support/assert.ts";
import { LinkError, linkModules } from "../../lib/tools/link_modules.ts";

const ENTRY = "plugins/a/mod.ts";
const HEADER = "/** The plugin. */\n\n";

function link(files: Readonly<Record<string, string>>): string {
  return linkModules(ENTRY, (path) => {
    const text = files[path];
    if (text === undefined) throw new Error(`${path} was read`);
    return text;
  });
}

/** Links files and returns the message of the error. */
function refusalOf(files: Readonly<Record<string, string>>): string {
  let message = "";
  assertThrows(() => link(files), (error) => {
    if (error instanceof LinkError) message = error.message;
    return error instanceof LinkError;
  });
  return message;
}

/** The entry `code` beside a module b that exports a constant. */
function withModule(code: string, module = "export const ONE = 1;\n"): Record<string, string> {
  return { [ENTRY]: `${HEADER}${code}`, "plugins/a/b.ts": module };
}

Deno.test("linkModules() puts the entry first and every module after those it imports", () => {
  const text = link({
    [ENTRY]: `/**
 * The plugin.
 */

import { b } from "./b.ts";
import { isC } from "../kit/c.ts";

export const routes = ["/a"];

export default { fetch: () => new Response(b() + isC) };
`,
    "plugins/a/b.ts": `/** Makes b. */

import { isC } from "../kit/c.ts";

/** Returns b. */
export function b(): string {
  return String(isC);
}
`,
    "plugins/kit/c.ts": "/** What c is. */\n\nexport const isC = true;\n",
  });
  assertEquals(
    text,
    `// Built from plugins/a/ by deno task plugins. Edit the sources there.

/**
 * The plugin.
 */

export const routes = ["/a"];

export default { fetch: () => new Response(b() + isC) };

// ---- plugins/kit/c.ts

/** What c is. */

const isC = true;

// ---- plugins/a/b.ts

/** Makes b. */

/** Returns b. */
function b(): string {
  return String(isC);
}
`,
  );
});

Deno.test("linkModules() keeps types, and drops imports of types between linked modules", () => {
  const text = link(withModule(
    'import type { B } from "./b.ts";\n\nexport const value: B = { of: "b" };\n',
    "export interface B {\n  readonly of: string;\n}\n",
  ));
  assertMatch(text, /^export const value: B = \{ of: "b" \};$/m);
  assertMatch(text, /^interface B \{$/m);
  assertEquals(text.includes("import"), false);
});

Deno.test("linkModules() writes imports of types from lib once, for the folder of the output", () => {
  const text = link({
    [ENTRY]: HEADER + 'import type { B, A } from "../../lib/x/y.ts";\n' +
      'import { c } from "./c.ts";\n\nexport const a: A | B = c;\n',
    "plugins/a/c.ts":
      'import type {\n  A,\n} from "../../lib/x/y.ts";\n\nexport const c: A = null;\n',
  });
  assertEquals(text.match(/import/g)?.length, 1);
  assertMatch(text, /^import type \{ A, B \} from "\.\.\/lib\/x\/y\.ts";$/m);
});

Deno.test("linkModules() breaks a long import of types as the formatter does", () => {
  const names = Array.from({ length: 12 }, (_, i) => `LongName${String.fromCharCode(65 + i)}`);
  const text = link({
    [ENTRY]: `${HEADER}import type { ${names.join(", ")} } from "../../lib/x.ts";\n\n` +
      "export const a = 1;\n",
  });
  assertMatch(
    text,
    /^import type \{\n {2}LongNameA,\n(?: {2}\w+,\n)+\} from "\.\.\/lib\/x\.ts";$/m,
  );
});

Deno.test("linkModules() links a module of lib/deps whose sources are given", () => {
  const text = link({
    [ENTRY]: `${HEADER}import { b } from "../../lib/deps/b.ts";\n\nexport const a = () => b;\n`,
    "lib/deps/b.ts": "export const b = 1;\n",
  });
  assertMatch(text, /\n\/\/ ---- lib\/deps\/b\.ts\n\nconst b = 1;\n$/);
});

Deno.test("linkModules() leaves examples out of comments and keeps the rest", () => {
  const text = link({
    [ENTRY]: `${HEADER}import { b } from "./b.ts";\n\nexport const a = b;\n`,
    "plugins/a/b.ts": `/**
 * Returns b.
 *
 * @returns b
 *
 * @example
 * \`\`\`ts
 * import { b } from "./b.ts";
 *
 * b();
 * \`\`\`
 *
 * @throws nothing
 */
export function b(): void {}

class C {
  /**
   * Does it.
   *
   * @example
   * \`\`\`ts
   * new C().do();
   * \`\`\`
   */
  do(): void {}
}
`,
  });
  assertMatch(
    text,
    /\/\*\*\n \* Returns b\.\n \*\n \* @returns b\n \* @throws nothing\n \*\/\nfunction b/,
  );
  assertMatch(text, / {2}\/\*\*\n {3}\* Does it\.\n {3}\*\/\n {2}do/);
});

Deno.test("linkModules() refuses a name that two modules define", () => {
  const module = 'import { c } from "./c.ts";\n\nexport const b = c;\n\nfunction same() {}\n';
  const message = refusalOf({
    ...withModule('import { b } from "./b.ts";\n\nconst same = b;\n', module),
    "plugins/a/c.ts": "export const c = 1;\n",
  });
  assertEquals(
    message,
    "Cannot link plugins/a/mod.ts line 5: same is defined in plugins/a/b.ts line 5 as well; " +
      "rename one",
  );
});

Deno.test("linkModules() refuses a name that hides a global or an imported type", () => {
  assertMatch(
    refusalOf({ [ENTRY]: `${HEADER}const one = 1;\nfunction fetch() {}\n` }),
    /line 4: fetch hides/,
  );
  assertMatch(
    refusalOf({ [ENTRY]: `${HEADER}import type { A } from "../../lib/x.ts";\n\nclass A {}\n` }),
    /line 3: A is defined in plugins\/a\/mod\.ts as well/,
  );
});

Deno.test("linkModules() refuses modules that import each other", () => {
  const message = refusalOf(withModule(
    'import { b } from "./b.ts";\n\nexport const a = b;\n',
    'import type { a } from "./mod.ts";\n\nexport const b = 1;\n',
  ));
  assertMatch(
    message,
    /b\.ts line 1: .*: plugins\/a\/mod\.ts → plugins\/a\/b\.ts → plugins\/a\/mod\.ts$/,
  );
});

Deno.test("linkModules() refuses forms that it does not understand, with file and line", () => {
  const refused: readonly (readonly [code: string, line: number, message: RegExp])[] = [
    ['import * as b from "./b.ts";\n', 3, /an import in another form/],
    ['import b from "./b.ts";\n', 3, /an import in another form/],
    ['import "./b.ts";\n', 3, /an import in another form/],
    ["import { b } from './b.ts'\n", 3, /an import in another form/],
    ['import { b as c } from "./b.ts";\n', 3, /`b as c`/],
    ['import { b } from "npm:b@1";\n', 3, /"npm:b@1" is not a path/],
    ['import { b } from "../../lib/b.ts";\n', 3, /use `import type`/],
    ["\nexport { b };\n", 4, /an export list/],
    ['export * from "./b.ts";\n', 3, /a re-export/],
    ['const b = 1;\nconst c = await import("./b.ts");\n', 4, /import\(\)/],
    ["const b = import.meta.url;\n", 3, /import\.meta/],
    ["const [b, c] = [1, 2];\n", 3, /destructured/],
  ];
  for (const [code, line, message] of refused) {
    const found = refusalOf({ [ENTRY]: HEADER + code });
    assertMatch(found, message);
    assertMatch(found, new RegExp(`^Cannot link plugins/a/mod\\.ts line ${line}: `), code);
  }
  assertMatch(
    refusalOf(withModule('import { b } from "./b.ts";\n', "export default 1;\n")),
    /b\.ts line 1: a default export/,
  );
  assertMatch(refusalOf({ [ENTRY]: "export const a = 1;\n" }), /line 1: .* without a doc comment/);
});

Deno.test("linkModules() accepts comments that mention imports", () => {
  const comment =
    "// A plugin calls no import().\n/**\n * import { a } from it, import.meta\n */\n";
  assertMatch(link({ [ENTRY]: `${HEADER}${comment}const b = 1;\n` }), /import\.meta/);
});

Deno.test("linkModules() refuses an import of a missing file, with its importer and specifier", () => {
  const files: Readonly<Record<string, string>> = {
    [ENTRY]: `${HEADER}import { b } from "../kit/b.ts";\n\nexport const a = b;\n`,
  };
  assertThrows(() => linkModules(ENTRY, (path) => files[path]), {
    name: "LinkError",
    message: 'Cannot link plugins/a/mod.ts line 3: "../kit/b.ts" does not exist; ' +
      "there is no file plugins/kit/b.ts",
  });
  assertThrows(() => linkModules(ENTRY, () => undefined), {
    name: "LinkError",
    message: /^Cannot link plugins\/a\/mod\.ts line 1: the file does not exist/,
  });
});

Deno.test("linkModules() refuses an import of a name that the module does not export", () => {
  const code = 'import { ONE, TWO } from "./b.ts";\n\nexport const a = () => ONE + TWO;\n';
  const module = "export const ONE = 1;\nconst TWO = 2;\n";
  assertEquals(
    refusalOf(withModule(code, module)),
    "Cannot link plugins/a/mod.ts line 3: plugins/a/b.ts does not export TWO",
  );
  assertMatch(link(withModule(code, module.replace("const TWO", "export const TWO"))), /TWO = 2/);
});

Deno.test("linkModules() accepts CRLF and writes LF", () => {
  const files = withModule(
    'import {\n  ONE,\n} from "./b.ts";\n\nexport const a = () => ONE;\n',
    "/** One. */\nexport const ONE = `\n1`;\n",
  );
  const crlf = Object.fromEntries(
    Object.entries(files).map(([path, text]) => [path, text.replaceAll("\n", "\r\n")]),
  );
  assertEquals(link(crlf), link(files));
});

Deno.test("linkModules() leaves template text as it is and finds imports in substitutions", () => {
  const template = '`\nimport { a } from "./a.ts";\nimport b from "b";\n\n\n\n' +
    "export const ONE = ${[{ b: `\nimport(}` }].length};\nfunction fetch() {}\n`";
  const code = `const text = ${template};\n`;
  const text = link(withModule(
    `import { other } from "./b.ts";\n\n${code}`,
    `export const other = ${template};\n`,
  ));
  assertEquals(text.split(template).length, 3);
  assertMatch(
    refusalOf({ [ENTRY]: `${HEADER}const text = \`\n\${await import("b")}\n\`;\n` }),
    /line 4: import\(\)/,
  );
  assertMatch(refusalOf({ [ENTRY]: `${HEADER}const text = \`\n` }), /line 3: a template without/);
});

Deno.test("linkModules() tells regular expressions from divisions", () => {
  const lines = [
    "const quote = /[/`\"']|`/g;",
    "const half = (quote.lastIndex + 1) / 2 / 3;",
    "const is = (text: string) => !/`/.test(text);",
    "function find(text: string) {\n  return /`/.exec(text);\n}",
    "const third = half! / 3;",
    "const string = 'import(\"`\")';",
  ];
  for (const line of lines) {
    assertMatch(
      refusalOf({ [ENTRY]: `${HEADER}${line}\nimport "b";\n` }),
      new RegExp(`line ${3 + line.split("\n").length}: an import in another form`),
      line,
    );
  }
});
