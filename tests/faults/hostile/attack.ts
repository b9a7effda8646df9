/** A hostile plugin and what must come of it. Not a test itself. */

import type { Ground } from "./ground.ts";

/** See the module. */
export interface Attack {
  /** Name of the plugin; its route is `/hostile/<name>`. */
  readonly name: string;
  readonly source: string;
  /** Activation answers 422 with these words, and that is all; it may, where there is a status too. */
  readonly refused?: RegExp;
  /** Statuses that the caller of the route may get. */
  readonly status?: readonly number[];
  /** Whether the cell must have ended, or must not; left out where both will do. */
  readonly ends?: boolean;
  /** What else must hold. */
  readonly more?: (ground: Ground) => Promise<void>;
}

/** What an attack is made of beside its statements. */
export type Outcome = Omit<Attack, "name" | "source"> & {
  /** Statements at the top of the module. */
  readonly top?: string;
};

/** An attack whose statements run when its route is asked for; `/ok` below it is always well. */
export function attack(name: string, statements: string, outcome: Outcome): Attack {
  const { top = "", ...rest } = outcome;
  const source = `${top}
export const routes = ["/hostile/${name}"];
export default {
  async fetch(request, env, ctx) {
    const { pathname, searchParams } = new URL(request.url);
    if (pathname.endsWith("/ok")) return new Response("ok");
    ${statements}
  },
};
`;
  return { name, source, ...rest };
}
