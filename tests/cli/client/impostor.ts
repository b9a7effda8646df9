/** A server that answers as a test decides and records the credentials it receives. Not a test. */

import { freePort } from "../../support/free_port.ts";

/** A running impostor. */
export interface Impostor {
  readonly url: string;
  /** Every received `Authorization` header and path. */
  readonly requests: readonly { readonly path: string; readonly credential: string | null }[];
  stop(): Promise<void>;
}

/** Starts an impostor that answers each request with `answer`. */
export function startImpostor(answer: (request: Request) => Response): Impostor {
  const requests: { path: string; credential: string | null }[] = [];
  const server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen: () => {} }, (request) => {
    const { pathname } = new URL(request.url);
    requests.push({ path: pathname, credential: request.headers.get("authorization") });
    return answer(request);
  });
  return {
    url: `http://127.0.0.1:${server.addr.port}`,
    requests,
    stop: () => server.shutdown(),
  };
}

/** Returns a URL where no server listens. */
export function createClosedUrl(): string {
  return `http://127.0.0.1:${freePort()}`;
}
