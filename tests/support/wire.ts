/**
 * An HTTP/1.1 client on a TCP socket for requests that other clients refuse to send: any target, any
 * headers, incomplete bodies. It sends exactly what the test gives.
 */

/** A response. */
export interface Reply {
  readonly status: number;
  /** By lower-case name; the values of a repeated header are joined by a comma. */
  readonly headers: ReadonlyMap<string, string>;
  /** Status line and headers as received. */
  readonly head: string;
  readonly body: Uint8Array<ArrayBuffer>;
  /** The body as UTF-8. */
  readonly text: string;
}

/** A request. */
export interface WireRequest {
  readonly method: string;
  /** The request target, sent unchanged. */
  readonly target: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
}

/** Longest wait for the next bytes of a response, in milliseconds. */
const MAX_WAIT_MS = 60_000;
const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** Returns bytes unchanged, a text as UTF-8, and no bytes for undefined. */
export function bytesOf(body: string | Uint8Array | undefined): Uint8Array {
  return typeof body === "string" ? encoder.encode(body) : body ?? new Uint8Array();
}

/** Methods that are sent again if the server has closed a kept connection. */
const SAFE: ReadonlySet<string> = new Set(["GET", "HEAD", "OPTIONS"]);

function isClosed(error: unknown): boolean {
  return error instanceof Deno.errors.ConnectionReset || error instanceof Deno.errors.BrokenPipe ||
    (error instanceof Deno.errors.UnexpectedEof && error.message === "no response");
}

/** A client of one port. It keeps its connection for the next request if the server does. */
export class Wire {
  readonly #port: number;
  readonly #named: number;
  #connection: Connection | undefined;

  /** @param named the port that the Host header names; another one if a proxy would be in front */
  constructor(port: number, named = port) {
    this.#port = port;
    this.#named = named;
  }

  /** Sends one request. Adds Host and Content-Length unless the headers have them. */
  async send({ method, target, headers = {}, body }: WireRequest): Promise<Reply> {
    const bytes = bytesOf(body);
    const names = new Set(Object.keys(headers).map((name) => name.toLowerCase()));
    let head = `${method} ${target} HTTP/1.1\r\n`;
    if (!names.has("host")) head += `host: 127.0.0.1:${this.#named}\r\n`;
    for (const [name, value] of Object.entries(headers)) head += `${name}: ${value}\r\n`;
    const framed = names.has("content-length") || names.has("transfer-encoding");
    if (body !== undefined && !framed) head += `content-length: ${bytes.length}\r\n`;
    const message = join([encoder.encode(`${head}\r\n`), bytes]);
    const kept = this.#connection;
    this.#connection = undefined;
    let connection = kept ?? await Connection.open(this.#port);
    let reply: Reply;
    try {
      reply = await connection.ask(message, method === "HEAD");
    } catch (error) {
      // The server can close an idle connection while the request is on its way (RFC 9112, 9.3.1).
      if (connection !== kept || !SAFE.has(method) || !isClosed(error)) throw error;
      connection.close();
      connection = await Connection.open(this.#port);
      reply = await connection.ask(message, method === "HEAD");
    }
    if (connection.reusable && this.#connection === undefined) this.#connection = connection;
    else connection.close();
    return reply;
  }

  close(): void {
    this.#connection?.close();
    this.#connection = undefined;
  }
}

/** One TCP connection, read as a sequence of responses. */
export class Connection {
  readonly #socket: Deno.TcpConn;
  #buffered: Uint8Array = new Uint8Array();
  #closed = false;
  /** Whether the server will read another request from this connection. */
  reusable = true;

  constructor(socket: Deno.TcpConn) {
    this.#socket = socket;
  }

  /** Connects to a port of this computer. */
  static async open(port: number): Promise<Connection> {
    return new Connection(await Deno.connect({ hostname: "127.0.0.1", port }));
  }

  /** Sends bytes and reads one response. */
  async ask(message: Uint8Array, head = false): Promise<Reply> {
    await this.write(message);
    return await this.reply(head);
  }

  async write(message: string | Uint8Array): Promise<void> {
    let rest = bytesOf(message);
    while (rest.length > 0) rest = rest.subarray(await this.#socket.write(rest));
  }

  /** Closes the sending side of the connection. */
  closeWrite(): Promise<void> {
    return this.#socket.closeWrite();
  }

  /** Reads the next final response. */
  async reply(head = false): Promise<Reply> {
    for (;;) {
      const start = await this.#head();
      const status = Number(start.slice(9, 12));
      if (status >= 100 && status < 200) continue;
      const headers = headersOf(start);
      const body = await this.#body(status, headers, head);
      if (headers.get("connection") === "close" || start.startsWith("HTTP/1.0")) {
        this.reusable = false;
      }
      return { status, headers, head: start, body, text: decoder.decode(body) };
    }
  }

  /** Reads until the server closes or resets the connection. */
  async rest(): Promise<string> {
    try {
      while (await this.#more());
    } catch (error) {
      if (!(error instanceof Deno.errors.ConnectionReset)) throw error;
    }
    return decoder.decode(this.#buffered);
  }

  /** Closes the connection. Idempotent. */
  close(): void {
    this.reusable = false;
    if (this.#closed) return;
    this.#closed = true;
    this.#socket.close();
  }

  async #head(): Promise<string> {
    for (;;) {
      const end = decoder.decode(this.#buffered).indexOf("\r\n\r\n");
      if (end >= 0) return decoder.decode(this.#take(end + 4)).slice(0, -4);
      if (!await this.#more()) throw new Deno.errors.UnexpectedEof("no response");
    }
  }

  async #body(status: number, headers: ReadonlyMap<string, string>, head: boolean) {
    if (head || status === 204 || status === 304) return new Uint8Array();
    if (headers.get("transfer-encoding") === "chunked") return await this.#chunks();
    const length = headers.get("content-length");
    if (length !== undefined) return await this.#exactly(Number(length));
    this.reusable = false;
    while (await this.#more());
    return this.#take(this.#buffered.length);
  }

  async #chunks(): Promise<Uint8Array<ArrayBuffer>> {
    const pieces: Uint8Array[] = [];
    for (;;) {
      const size = parseInt(await this.#line(), 16);
      pieces.push(await this.#exactly(size));
      await this.#line();
      if (size === 0) return join(pieces);
    }
  }

  async #line(): Promise<string> {
    for (;;) {
      const end = this.#buffered.indexOf(0x0a);
      if (end >= 0) return decoder.decode(this.#take(end + 1)).trimEnd();
      if (!await this.#more()) throw new Deno.errors.UnexpectedEof("incomplete response");
    }
  }

  async #exactly(length: number): Promise<Uint8Array<ArrayBuffer>> {
    while (this.#buffered.length < length) {
      if (!await this.#more()) throw new Deno.errors.UnexpectedEof("incomplete response");
    }
    return this.#take(length);
  }

  #take(length: number): Uint8Array<ArrayBuffer> {
    const taken = this.#buffered.slice(0, length);
    this.#buffered = this.#buffered.slice(length);
    return new Uint8Array(taken);
  }

  async #more(): Promise<boolean> {
    const piece = new Uint8Array(64 * 1024);
    const timer = setTimeout(() => this.close(), MAX_WAIT_MS);
    try {
      const read = await this.#socket.read(piece);
      if (read === null) return false;
      this.#buffered = join([this.#buffered, piece.subarray(0, read)]);
      return true;
    } finally {
      clearTimeout(timer);
    }
  }
}

/** Concatenates byte arrays. */
export function join(pieces: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}

function headersOf(head: string): Map<string, string> {
  const headers = new Map<string, string>();
  for (const line of head.split("\r\n").slice(1)) {
    const colon = line.indexOf(":");
    const name = line.slice(0, colon).toLowerCase();
    const value = line.slice(colon + 1).trim();
    const before = headers.get(name);
    headers.set(name, before === undefined ? value : `${before}, ${value}`);
  }
  return headers;
}
