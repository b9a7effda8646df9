/** A hostile plugin and the result that a test expects. Not a test itself. */

import type { AttackedServer } from "./attacked_server.ts";

/** An attack. */
export interface Attack {
  /** Name of the plugin; its route is `/hostile/<name>`. */
  readonly name: string;
  readonly source: string;
  /** Activation must answer 422 with this text; if `status` is given too, it may. */
  readonly refused?: RegExp;
  /** Allowed statuses of a request to the route. */
  readonly status?: readonly number[];
  /** Whether the cell must end; undefined if both are allowed. */
  readonly cellEnds?: boolean;
  /** Whether a time limit may end it. Its server has short limits; that of all others waits for a busy computer. */
  readonly isLate?: boolean;
  /** Makes further checks. */
  readonly check?: (server: AttackedServer) => Promise<void>;
}

/** The parts of an attack except its statements. */
export type Outcome = Omit<Attack, "name" | "source"> & {
  /** Statements at the beginning of the module. */
  readonly top?: string;
};

/** Creates an attack whose statements run at a request to its route, except to `/ok` below it. */
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
