/** Random JSON values and texts, for tests that compare two implementations. */

/** A JSON value. */
export type Json = null | boolean | number | string | Json[] | { [name: string]: Json };

const NAMES = ["a", "b", "c", "new", "0", "1", "é", "x y"];

/** Returns a random value with at most so many levels. */
export function randomJson(random: () => number, levels: number): Json {
  const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)] as T;
  const kind = levels === 0 ? random() * 0.5 : random();
  if (kind < 0.5) {
    return pick<Json>([null, true, false, 0, 1, -2.5, 1e21, "", "a", 'é\n"', "[1,{}]"]);
  }
  const size = Math.floor(random() * 4);
  if (kind < 0.75) return Array.from({ length: size }, () => randomJson(random, levels - 1));
  return Object.fromEntries(
    Array.from({ length: size }, () => [pick(NAMES), randomJson(random, levels - 1)]),
  );
}

/** Writes a value with random white space, as people and programs do. */
export function writeRandomly(random: () => number, value: Json): string {
  const style = Math.floor(random() * 5);
  if (style === 0) return JSON.stringify(value);
  if (style === 1) return `${JSON.stringify(value, null, 2)}\n`;
  if (style === 2) {
    return `${JSON.stringify(value, null, "\t")}\r\n`.replaceAll(/(?<!\r)\n/g, "\r\n");
  }
  if (style === 3) return JSON.stringify(value, null, 1).replaceAll(/\n */g, " ");
  return spaced(random, value);
}

function spaced(random: () => number, value: Json): string {
  const gap = () => ["", "", " ", "\n", "  ", "\t"][Math.floor(random() * 6)] ?? "";
  if (Array.isArray(value)) {
    return `[${value.map((item) => gap() + spaced(random, item) + gap()).join(",")}${gap()}]`;
  }
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  const members = Object.entries(value).map(([name, item]) =>
    `${gap()}${JSON.stringify(name)}${gap()}:${gap()}${spaced(random, item)}${gap()}`
  );
  return `{${members.join(",")}${gap()}}`;
}
