/**
 * A TCP proxy in front of a server, for tests of bad networks: it can stall (sockets stay open and no
 * byte arrives, as behind a firewall that drops packets), refuse, delay, and cut connections. It needs no
 * rights, unlike network namespaces. Between clients and nodes, or between nodes and their database.
 */

/** How the network is. */
export interface NetworkOptions {
  /** Called for each connection: milliseconds until it is cut, or undefined if it is not. */
  readonly cutAfterMs?: () => number | undefined;
}

/** A proxy that listens on a free port of loopback. */
export class TcpProxy {
  readonly #listener: Deno.TcpListener;
  readonly #target: { readonly hostname: string; readonly port: number };
  readonly #options: NetworkOptions;
  readonly #connections = new Set<() => void>();
  #running = Promise.resolve();
  #stalled: PromiseWithResolvers<void> | undefined;
  #isRefusing = false;
  /** Milliseconds that each piece of data waits. */
  delayMs = 0;

  private constructor(
    listener: Deno.TcpListener,
    target: { readonly hostname: string; readonly port: number },
    options: NetworkOptions,
  ) {
    this.#listener = listener;
    this.#target = target;
    this.#options = options;
  }

  /**
   * Starts a proxy.
   *
   * @param target the server, as an address or as a port of loopback
   */
  static start(target: string | number, options: NetworkOptions = {}): TcpProxy {
    const { hostname, port } = typeof target === "number"
      ? { hostname: "127.0.0.1", port: target }
      : new URL(target);
    const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const proxy = new TcpProxy(listener, { hostname, port: Number(port) }, options);
    proxy.#running = proxy.#accept();
    return proxy;
  }

  get port(): number {
    return this.#listener.addr.port;
  }

  /** Its address for HTTP. */
  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** Forwards no byte any more; connections stay open, and new ones are accepted. */
  stall(): void {
    this.#stalled ??= Promise.withResolvers();
  }

  /** Cuts all connections, and refuses new ones. */
  refuse(): void {
    this.#isRefusing = true;
    this.cut();
  }

  /** Number of connections that clients have opened. */
  get connections(): number {
    return this.#connections.size;
  }

  /** Cuts all connections, also those that are being opened to the server. */
  cut(): void {
    for (const end of [...this.#connections]) end();
  }

  /** Forwards again. What was sent to a stalled proxy arrives now. */
  heal(): void {
    this.#isRefusing = false;
    this.#stalled?.resolve();
    this.#stalled = undefined;
  }

  async close(): Promise<void> {
    this.#listener.close();
    this.heal();
    this.cut();
    await this.#running;
  }

  async #accept(): Promise<void> {
    const open = new Set<Promise<void>>();
    try {
      for await (const client of this.#listener) {
        if (this.#isRefusing) client.close();
        else {
          const serving = this.#serve(client).finally(() => open.delete(serving));
          open.add(serving);
        }
      }
    } catch (error) {
      if (!(error instanceof Deno.errors.BadResource)) throw error; // closed
    }
    await Promise.all(open);
  }

  async #serve(client: Deno.Conn): Promise<void> {
    let server: Deno.Conn | undefined;
    const end = () => {
      if (!this.#connections.delete(end)) return;
      clearTimeout(timer);
      client.close();
      server?.close();
    };
    const after = this.#options.cutAfterMs?.();
    const timer = after === undefined ? undefined : setTimeout(end, after);
    this.#connections.add(end);
    try {
      server = await Deno.connect(this.#target);
    } catch {
      return end(); // the server does not listen: the client finds out in the same way
    }
    if (!this.#connections.has(end)) return server.close();
    await Promise.allSettled([this.#copy(client, server), this.#copy(server, client)].map(
      (copying) => copying.finally(end),
    ));
  }

  /** Copies until one side ends; it rejects if a connection was cut. */
  async #copy(from: Deno.Conn, to: Deno.Conn): Promise<void> {
    const buffer = new Uint8Array(64 * 1024);
    for (let length = await from.read(buffer); length !== null; length = await from.read(buffer)) {
      const piece = buffer.subarray(0, length);
      if (this.delayMs > 0) await new Promise((resume) => setTimeout(resume, this.delayMs));
      while (this.#stalled !== undefined) await this.#stalled.promise;
      for (let at = 0; at < piece.length;) at += await to.write(piece.subarray(at));
    }
  }
}
