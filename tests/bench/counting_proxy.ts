/** Counts the requests and the received bytes, headers included, between a client and a server. */

/** After this time without bytes the client has received everything. */
const IDLE_MS = 700;

/** A port whose connections are connected to the server. */
export class CountingProxy {
  /** Since the start. */
  readonly counts = { requests: 0, bytes: 0 };
  readonly #listener = Deno.listen({ port: 0, hostname: "127.0.0.1" });
  #lastAt = performance.now();

  /** @param to the server */
  constructor(to: URL) {
    this.#accept(to).catch(() => {});
  }

  /** `http://127.0.0.1:41234`, without a slash at the end. */
  get url(): string {
    return `http://127.0.0.1:${this.#listener.addr.port}`;
  }

  /** Waits until nothing is transferred. */
  async idle(): Promise<void> {
    while (performance.now() - this.#lastAt < IDLE_MS) {
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  close(): void {
    this.#listener.close();
  }

  async #accept(to: URL): Promise<void> {
    for await (const client of this.#listener) {
      const upstream = await Deno.connect({ hostname: to.hostname, port: Number(to.port) });
      const decoder = new TextDecoder("latin1");
      const requests = this.#counting((bytes) => {
        this.counts.requests += decoder.decode(bytes).split(" HTTP/1.1\r\n").length - 1;
      });
      const responses = this.#counting((bytes) => this.counts.bytes += bytes.length);
      client.readable.pipeThrough(requests).pipeTo(upstream.writable).catch(() => {});
      upstream.readable.pipeThrough(responses).pipeTo(client.writable).catch(() => {});
    }
  }

  #counting(count: (bytes: Uint8Array) => void): TransformStream<Uint8Array, Uint8Array> {
    return new TransformStream({
      transform: (bytes, controller) => {
        this.#lastAt = performance.now();
        count(bytes);
        controller.enqueue(bytes);
      },
    });
  }
}
