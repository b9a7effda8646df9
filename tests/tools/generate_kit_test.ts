import { match } from "node:assert/strict";
import { parserModule, problemTypesModule } from "../../lib/tools/generate_kit.ts";

Deno.test("problemTypesModule() writes one row per problem type", () => {
  match(
    problemTypesModule({ "gone": { status: 410, title: 'A "gone" one' } }),
    /^export const PROBLEMS = \{\n {2}"gone": \{ status: 410, title: "A \\"gone\\" one" \},\n\} as/m,
  );
});

Deno.test("parserModule() joins the sources and keeps the licence", () => {
  const text = parserModule({
    version: "1.2.3",
    licence: "MIT License\n\nCopyright (c) someone\n",
    sources: ["export type A = 1\n", "import type {A} from './types.ts'\nexport const b: A = 1\n"],
  });
  match(text, /^ \* MIT License\n \*\n \* Copyright \(c\) someone\n \*\/$/m);
  match(text, /`eventsource-parser` 1\.2\.3/);
  match(text, /export type A = 1\n\nexport const b: A = 1\n$/);
});
