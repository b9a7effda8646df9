import { assert, assertEquals } from "../support/assert.ts";
import { parseGitignore } from "../../lib/source/gitignore.ts";

const ROWS: readonly (readonly [pattern: string, ignored: string[], kept: string[]])[] = [
  ["/data/", ["data/"], ["data", "lib/data/", "database/"]],
  ["data/", ["data/", "lib/data/"], ["data"]],
  [".env", [".env", "lib/.env", "lib/.env/"], [".env.example", "x.env"]],
  ["*.log", ["a.log", "lib/b.log"], ["a.logs", "log"]],
  ["lib/*.ts", ["lib/a.ts"], ["lib/b/a.ts", "x/lib/a.ts", "lib/a.tsx"]],
  ["a/**/b", ["a/b", "a/x/b", "a/x/y/b"], ["a/xb", "b"]],
  ["**/tmp", ["tmp", "a/tmp"], ["atmp"]],
  ["tmp/**", ["tmp/x", "tmp/x/y"], ["tmp"]],
  ["?.ts", ["a.ts", "lib/b.ts"], ["ab.ts", ".ts/"]],
  ["[ab].ts", ["a.ts"], ["c.ts"]],
  ["[!ab].ts", ["c.ts"], ["a.ts"]],
  ["[z-a].ts", [], ["a.ts", "c.ts", "cc.ts"]],
  ["\\#notes", ["#notes"], ["notes"]],
  ["a.b(c)+$", ["a.b(c)+$"], ["axb(c)+$"]],
  ["trailing   ", ["trailing"], ["trailing   "]],
  ["crlf\r", ["crlf"], []],
  ["lib/", ["lib/", "lib/a.ts"], ["lib"]],
  ["*.KEY", ["a.KEY"], ["a.key"]],
  ["a\nb", ["a", "x/b"], ["c"]],
  ["", [], ["a"]],
  ["# comment", [], ["# comment", "comment"]],
];

for (const [pattern, ignored, kept] of ROWS) {
  Deno.test(`parseGitignore() reads ${JSON.stringify(pattern)} as git does`, () => {
    const ignore = parseGitignore(pattern);
    const at = (path: string) => ignore(path.replace(/\/$/, ""), path.endsWith("/"));
    for (const path of ignored) assert(at(path), `keeps ${path}`);
    for (const path of kept) assert(!at(path), `ignores ${path}`);
  });
}

Deno.test("parseGitignore() ignores negated patterns", () => {
  const ignore = parseGitignore("*.key\n!important.key\n");
  assertEquals(ignore("important.key", false), true);
});
