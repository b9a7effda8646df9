// deno-lint-ignore-file no-import-prefix -- lib/deps has what servers download; the tests need a parser for PowerShell
/** The PowerShell script, checked by a grammar: PowerShell is not available on the build computers. */

import { assertEquals } from "../support/assert.ts";
import { fileURLToPath } from "node:url";
// Imported so that the package is downloaded; the test reads another file of it.
import grammar from "npm:tree-sitter-powershell@0.26.4/package.json" with { type: "json" };
import { Language, type Node, Parser } from "npm:web-tree-sitter@0.27.1";

const GRAMMAR = import.meta.resolve(
  `npm:tree-sitter-powershell@${grammar.version}/tree-sitter-powershell.wasm`,
);

/** Syntax errors of a script: line numbers from 1, and the text there. */
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

Deno.test("install.ps1 is valid PowerShell", async () => {
  const script = await Deno.readTextFile(new URL("../../plugins/install.ps1", import.meta.url));
  assertEquals(await faultsIn(script), []);
  // The grammar refuses these, so the assertion above can fail.
  for (const broken of ["if ($a { 1 }", "function Say([string]$x { }", 'Say "open']) {
    assertEquals((await faultsIn(`${script}\n${broken}\n`)).length > 0, true, broken);
  }
});
