// deno-lint-ignore-file no-import-prefix -- lib/deps is what machines download; none reads PowerShell
/**
 * The scripts for PowerShell, read by a grammar of that language: PowerShell itself is not to be had
 * where this project is built.
 */

import { deepStrictEqual as equal } from "node:assert/strict";
import { fileURLToPath } from "node:url";
// Imported so that the package is fetched; what is needed of it is a file beside this one.
import grammar from "npm:tree-sitter-powershell@0.26.4/package.json" with { type: "json" };
import { Language, type Node, Parser } from "npm:web-tree-sitter@0.27.1";

const GRAMMAR = import.meta.resolve(
  `npm:tree-sitter-powershell@${grammar.version}/tree-sitter-powershell.wasm`,
);

/** Where a script breaks the language's rules: lines from 1, and what is found there. */
async function faultsIn(script: string): Promise<string[]> {
  await Parser.init();
  const parser = new Parser();
  parser.setLanguage(await Language.load(await Deno.readFile(fileURLToPath(GRAMMAR))));
  const tree = parser.parse(script);
  const faults: string[] = [];
  function look(node: Node | null): void {
    if (node === null) return;
    if (node.isError || node.isMissing) {
      faults.push(`line ${node.startPosition.row + 1}: ${node.text.slice(0, 60)}`);
    }
    for (const child of node.children) look(child);
  }
  look(tree?.rootNode ?? null);
  tree?.delete();
  parser.delete();
  return faults;
}

Deno.test("install.ps1 is PowerShell by the language's grammar", async () => {
  const script = await Deno.readTextFile(new URL("../../plugins/install.ps1", import.meta.url));
  equal(await faultsIn(script), []);
  // What the grammar refuses, so that the line above can fail.
  for (const broken of ["if ($a { 1 }", "function Say([string]$x { }", 'Say "open']) {
    equal((await faultsIn(`${script}\n${broken}\n`)).length > 0, true, broken);
  }
});
