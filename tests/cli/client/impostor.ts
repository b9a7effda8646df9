/** A server that answers as a test decides and records the credentials it receives. Not a test. */

/** A running impostor. */
export interface Stranger {
  readonly url: string;
  /** Every received `Authorization` header and path. */
  readonly heard: readonly { readonly path: string; readonly credential: string | null }[];
  stop(): Promise<void>;
}

/** Starts an impostor that answers each request with `answer`. */
export function startStranger(answer: (request: Request) => Response): Stranger {
  const heard: { path: string; credential: string | null }[] = [];
  const server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen: () => {} }, (request) => {
    const { pathname } = new URL(request.url);
    heard.push({ path: pathname, credential: request.headers.get("authorization") });
    return answer(request);
  });
  return {
    url: `http://127.0.0.1:${server.addr.port}`,
    heard,
    stop: () => server.shutdown(),
  };
}

/** A URL where no server listens. */
export function nobodyAt(): string {
  const listener = Deno.listen({ port: 0, hostname: "127.0.0.1" });
  listener.close();
  return `http://127.0.0.1:${listener.addr.port}`;
}
