import { DOCUMENTED } from "../../lib/tools/run_tests.ts";
import { assert, assertEquals } from "../support/assert.ts";
import { ROOT } from "./program.ts";

/** An exported function, with its comment if there is one. */
const FUNCTION = /(\/\*\*(?:(?!\*\/)[^])*\*\/\n)?^export (?:async )?function\*? (\w+)/gm;

function modulesOf(path: string): string[] {
  if (path.endsWith(".ts")) return [path];
  return [...Deno.readDirSync(`${ROOT}/${path}`)].flatMap(({ name }) =>
    modulesOf(`${path}/${name}`)
  )
    .sort();
}

for (const path of DOCUMENTED) {
  Deno.test(`every exported function of ${path} has an @example`, () => {
    const functions = modulesOf(path).flatMap((file) =>
      [...Deno.readTextFileSync(`${ROOT}/${file}`).matchAll(FUNCTION)]
        .map(([, comment = "", name]) => ({ name: `${file}: ${name}`, comment }))
    );
    assert(functions.length > 0, `${path} exports no function`);
    const without = functions.filter(({ comment }) => !comment.includes("@example"));
    assertEquals(without.map(({ name }) => name), []);
  });
}
