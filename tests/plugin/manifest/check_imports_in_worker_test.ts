import { assert, assertEquals, assertMatch, assertStrictEquals } from "../../support/assert.ts";
import { MAX_INLINE_IMPORT_CHECK_CHARS, MAX_PLUGIN_BYTES } from "../../../lib/limits.ts";
import { checkImportsInWorker } from "../../../lib/plugin/manifest/check_imports_in_worker.ts";
import { checkImports } from "../../../lib/plugin/manifest/check_imports.ts";
import { SourceError, validateSource } from "../../../lib/plugin/manifest/validate_source.ts";

const WORKER = import.meta.resolve("../../../lib/plugin/manifest/check_imports_worker.ts");
const MISSING_WORKER = import.meta.resolve("../../lib/plugin/no_such_worker.ts");
const LONG_MS = 60_000;

/** A source of about `length` characters that ends with `end`. */
function long(length: number, end = ""): string {
  const line = "export const a0 = { b: [1, 2, 3].map((x) => x * 2), c: `d${1}` };\n";
  const times = Math.ceil(length / line.length);
  return Array.from({ length: times }, (_, i) => line.replace("a0", `a${i}`)).join("") + end;
}

Deno.test("checkImportsInWorker() returns the same faults as checkImports()", async () => {
  const examine = checkImportsInWorker(WORKER, LONG_MS);
  const ends = [
    "",
    'import "x";\n',
    'const x = import("x");\n',
    'export * from "x";\n',
    "import.meta;\n",
    "const x: number = 1;\n",
    "(((\n",
  ];
  for (const length of [10, MAX_INLINE_IMPORT_CHECK_CHARS + 1]) {
    const found = await Promise.all(ends.map((end) => examine(long(length, end))));
    assertEquals(found, ends.map((end) => checkImports(long(length, end))));
    assertEquals(found[0], undefined);
    assert(found.slice(1).every((fault) => (fault?.place?.line ?? 0) > 0));
  }
});

Deno.test("checkImportsInWorker() does not block the event loop while it parses the longest source", async () => {
  const text = long(MAX_PLUGIN_BYTES - 200);
  let beats = 0;
  const beat = setInterval(() => beats += 1, 1);
  try {
    assertEquals(await Promise.resolve(checkImports(text)), undefined);
    assertEquals(beats, 0);
    assertEquals(await checkImportsInWorker(WORKER, LONG_MS)(text), undefined);
    assert(beats > 2, `${beats} beats`);
  } finally {
    clearInterval(beat);
  }
});

Deno.test("checkImportsInWorker() refuses a source that is nested too deeply", async () => {
  const deep = "[".repeat(500_000);
  const fault = await checkImportsInWorker(WORKER, LONG_MS)(deep);
  assertEquals(fault?.kind, "too-complex");
  assertMatch(fault?.message ?? "", /nested too deeply/);
});

Deno.test("checkImportsInWorker() returns a fault after its time limit", async () => {
  const fault = await checkImportsInWorker(WORKER, 1)(long(MAX_PLUGIN_BYTES - 200));
  assertEquals(fault, {
    kind: "too-complex",
    message: "Cannot parse the source: it took more than 1 ms",
  });
});

Deno.test("checkImportsInWorker() parses on this thread if the Worker cannot be started", async () => {
  const examine = checkImportsInWorker(MISSING_WORKER, LONG_MS);
  assertEquals(await examine(long(MAX_INLINE_IMPORT_CHECK_CHARS + 1)), undefined);
  assertEquals(
    (await examine(long(MAX_INLINE_IMPORT_CHECK_CHARS + 1, 'import "x";\n')))?.kind,
    "imports",
  );
});

Deno.test("validateSource() with a Worker removes types only from a source that is not JavaScript", async () => {
  const examine = checkImportsInWorker(WORKER, LONG_MS);
  const bytes = (text: string) => new TextEncoder().encode(text);
  const stripped: string[] = [];
  const strip = (text: string) => {
    stripped.push(text);
    return Promise.resolve(text.replace(": number", ""));
  };
  const plain = long(MAX_INLINE_IMPORT_CHECK_CHARS + 1);
  assertStrictEquals(await validateSource(bytes(plain), strip, examine), plain);
  const refused = await validateSource(bytes(`${plain}import "x";`), strip, examine).catch((e) =>
    e
  );
  assert(refused instanceof SourceError);
  assertMatch(refused.message, /^Cannot load an import \(line \d+, column \d+\)/);
  // JavaScript that imports is refused at once; only other sources are given to the type stripper.
  assertEquals(stripped, []);
  const typed = `${plain}const x: number = 1;\n`;
  assertStrictEquals(
    await validateSource(bytes(typed), strip, examine),
    typed.replace(": number", ""),
  );
  const hidden = await validateSource(bytes(`${typed}import "x";`), strip, examine).catch((e) => e);
  assert(hidden instanceof SourceError);
  assertMatch(hidden.message, /an import/);
});
