/** A server that says of itself what a test likes, and remembers what it was shown. Not a test itself. */

/** What a stranger heard, and how it is ended. */
export interface Stranger {
  readonly url: string;
  /** Every `Authorization` header that came, and every path. */
  readonly heard: readonly { readonly path: string; readonly credential: string | null }[];
  stop(): Promise<void>;
}

/** Starts one that answers each request by `answer`. */
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

/** A URL at which nobody answers. */
export function nobodyAt(): string {
  const listener = Deno.listen({ port: 0, hostname: "127.0.0.1" });
  listener.close();
  return `http://127.0.0.1:${listener.addr.port}`;
}
