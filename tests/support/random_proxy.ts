/**
 * A proxy that sends each request to a random server, for clients that are programs of their own. Every
 * response ends its connection, so that the next request can go to another server.
 */

import { bytesOf, join } from "./wire.ts";

const decoder = new TextDecoder("latin1");

/** A proxy that listens on a free port of loopback. */
export class RandomProxy {
  readonly #listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  readonly #choosePort: () => number;
  readonly #open = new Set<Deno.Conn>();
  readonly #running: Promise<void>;

  /** @param choosePort returns the port of the server for the next request */
  constructor(choosePort: () => number) {
    this.#choosePort = choosePort;
    this.#running = this.#accept();
  }

  get port(): number {
    return this.#listener.addr.port;
  }

  async close(): Promise<void> {
    this.#listener.close();
    for (const connection of [...this.#open]) this.#end(connection);
    await this.#running;
  }

  async #accept(): Promise<void> {
    const serving: Promise<void>[] = [];
    try {
      for await (const client of this.#listener) serving.push(this.#serve(client));
    } catch (error) {
      if (!(error instanceof Deno.errors.BadResource)) throw error; // closed
    }
    await Promise.all(serving);
  }

  async #serve(client: Deno.Conn): Promise<void> {
    this.#open.add(client);
    let server: Deno.Conn | undefined;
    try {
      const request = await readHead(client);
      if (request === undefined) return;
      server = await Deno.connect({ hostname: "127.0.0.1", port: this.#choosePort() });
      this.#open.add(server);
      await write(server, request);
      // The response ends the exchange. A server can answer and close before it has read the content.
      const sending = copy(client, server).catch(() => {});
      await copy(server, client);
      this.#end(client);
      await sending;
    } catch {
      // Safe to ignore: one side has ended the connection, and the other one finds out.
    } finally {
      this.#end(client);
      if (server !== undefined) this.#end(server);
    }
  }

  #end(connection: Deno.Conn): void {
    if (this.#open.delete(connection)) connection.close();
  }
}

/** Reads until the end of a head, and asks for a connection that ends; undefined without a request. */
async function readHead(client: Deno.Conn): Promise<Uint8Array | undefined> {
  let read = new Uint8Array();
  for (;;) {
    const text = decoder.decode(read);
    const end = text.indexOf("\r\n\r\n");
    if (end >= 0) {
      const [line = "", ...fields] = text.slice(0, end).split("\r\n");
      const kept = fields.filter((field) => !/^(?:connection|te|keep-alive):/i.test(field));
      const head = [line, ...kept, "connection: close"].join("\r\n");
      const bytes = Uint8Array.from(`${head}\r\n\r\n`, (char) => char.charCodeAt(0));
      return join([bytes, read.subarray(end + 4)]);
    }
    const piece = new Uint8Array(16 * 1024);
    const length = await client.read(piece);
    if (length === null) return undefined;
    read = join([read, piece.subarray(0, length)]);
  }
}

async function copy(from: Deno.Conn, to: Deno.Conn): Promise<void> {
  const buffer = new Uint8Array(64 * 1024);
  for (let length = await from.read(buffer); length !== null; length = await from.read(buffer)) {
    await write(to, buffer.subarray(0, length));
  }
}

async function write(to: Deno.Conn, bytes: Uint8Array): Promise<void> {
  for (let rest = bytesOf(bytes); rest.length > 0;) rest = rest.subarray(await to.write(rest));
}
