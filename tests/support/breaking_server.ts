/**
 * A server of HTTP/1.1 that answers the first request of each connection, keeps the connection open, and
 * closes it after it has read a second one, as a server that was stopped at that moment does.
 */

/** See the module. */
export class BreakingServer {
  readonly #listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  readonly #open = new Set<Deno.Conn>();
  /** Method and path of each request that was read, in order. */
  readonly requests: string[] = [];

  constructor() {
    void this.#accept();
  }

  get url(): string {
    return `http://127.0.0.1:${this.#listener.addr.port}`;
  }

  [Symbol.dispose](): void {
    this.#listener.close();
    for (const connection of this.#open) close(connection);
  }

  async #accept(): Promise<void> {
    for await (const connection of this.#listener) {
      this.#open.add(connection);
      void this.#serve(connection);
    }
  }

  async #serve(connection: Deno.Conn): Promise<void> {
    const answer = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}";
    const buffer = new Uint8Array(65_536);
    let text = "";
    for (let answered = 0;;) {
      // The test can have closed it.
      const length = await connection.read(buffer).catch(() => null);
      if (length === null) break;
      text += new TextDecoder().decode(buffer.subarray(0, length));
      const end = text.indexOf("\r\n\r\n");
      const size = Number(/content-length: (\d+)/i.exec(text)?.[1] ?? 0);
      if (end < 0 || text.length < end + 4 + size) continue;
      this.requests.push(text.slice(0, text.indexOf(" HTTP/")));
      text = "";
      if (++answered === 2) break;
      // The client, or the test, can have closed it.
      await connection.write(new TextEncoder().encode(answer)).catch(() => {});
    }
    this.#open.delete(connection);
    close(connection);
  }
}

/** Closes a connection, which can be closed already. */
function close(connection: Deno.Conn): void {
  try {
    connection.close();
  } catch (error) {
    if (!(error instanceof Deno.errors.BadResource)) throw error;
  }
}
