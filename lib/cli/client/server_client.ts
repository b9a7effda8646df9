/**
 * An HTTP client for the commands that call a running server: its URL, the operator's tokens, one
 * request at a time. It follows no redirect, so that a credential is sent to the intended server
 * only. Each request has a connection of its own: when a connection that was used before breaks, `fetch`
 * sends the request again without notice, and the server can execute it twice (Deno 2.9.6).
 */

import { UsageError } from "../parse_args.ts";
import { type Config, readConfig } from "../../config.ts";
import { sanitizeText } from "../../base/sanitize_text.ts";
import { readTls } from "../../server/tls.ts";

/** Longest wait for a response; activating a plugin takes several seconds. */
const REQUEST_TIMEOUT_MS = 60_000;

/** No response was received. The message is for the operator. */
export class UnreachableError extends Error {
  override readonly name = "UnreachableError";
}

/** Credential, headers and body of a request. */
export interface ClientRequest {
  readonly credential?: string | undefined;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array<ArrayBuffer>;
}

/** A received response. */
export interface ClientResponse {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  /** The body parsed as JSON; undefined if it is not JSON. */
  readonly json: unknown;
}

/** A client of one server. */
export class ServerClient {
  /** URL of the server without a trailing slash. */
  readonly base: string;
  #origin: string;
  readonly #trust: Deno.CreateHttpClientOptions;

  /**
   * @param base URL of the server without a trailing slash
   * @param certificate PEM text of a certificate to trust in addition to the public authorities
   */
  constructor(base: string, certificate?: string) {
    this.base = base;
    this.#origin = base;
    this.#trust = certificate === undefined ? {} : { caCerts: [certificate] };
  }

  /** As the global `fetch`, with a connection that only this request has. */
  async fetch(target: string, init: RequestInit): Promise<Response> {
    // A response that was received keeps its connection.
    using client = Deno.createHttpClient({ ...this.#trust, poolMaxIdlePerHost: 0 });
    return await fetch(target, { ...init, client });
  }

  /** URL to which the requests go: `base`, or one address of that server. */
  get origin(): string {
    return this.#origin;
  }

  /**
   * Sends a request and reads the whole response. A GET reads what any node of a cluster acknowledged
   * before: a command decides by it what to do, also behind a load balancer. Another Cache-Control reads what
   * the node has.
   *
   * @param method HTTP method
   * @param path path and query
   * @param options credential, headers and body
   * @throws {UnreachableError} if no response was received
   */
  async request(
    method: string,
    path: string,
    options: ClientRequest = {},
  ): Promise<ClientResponse> {
    const headers = new Headers(options.headers);
    if (options.credential !== undefined) {
      headers.set("authorization", `Bearer ${options.credential}`);
    }
    if (method === "GET" && !headers.has("cache-control")) headers.set("cache-control", "no-cache");
    try {
      const response = await this.fetch(`${this.#origin}${path}`, {
        method,
        headers,
        redirect: "manual",
        signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS),
        ...(options.body === undefined ? {} : { body: options.body }),
      });
      const text = await response.text();
      const { status, headers: received } = response;
      return { status, headers: received, text, json: parseJson(text) };
    } catch (error) {
      throw this.#toUnreachable(error);
    }
  }

  /**
   * Sends a GET and returns the response with its body, which can be a stream without end.
   *
   * @param path path and query
   * @param options credential, headers, and the signal that ends the response
   * @throws {UnreachableError} if no response was received
   */
  async open(
    path: string,
    { credential, headers, signal }: ClientRequest & { readonly signal: AbortSignal },
  ): Promise<Response> {
    const all = new Headers(headers);
    if (credential !== undefined) all.set("authorization", `Bearer ${credential}`);
    try {
      return await this.fetch(`${this.#origin}${path}`, {
        headers: all,
        redirect: "manual",
        signal,
      });
    } catch (error) {
      throw this.#toUnreachable(error);
    }
  }

  #toUnreachable(error: unknown): UnreachableError {
    const { cause } = error instanceof Error ? error : { cause: undefined };
    // The message of the error itself has no details.
    const reason = cause instanceof Error ? cause : error;
    const why = (reason instanceof Error ? reason.message : String(reason))
      .replace(/^error sending request for url \([^)]*\): /, "");
    const advice = adviceFor(why);
    return new UnreachableError(`Cannot reach ${this.base}: ${sanitizeText(why)}; ${advice}`);
  }

  /**
   * A client that connects to one address of the same server. Its messages show the same URL.
   *
   * @param address IP address without brackets
   */
  at(address: string): ServerClient {
    const host = address.includes(":") ? `[${address}]` : address;
    const client = new ServerClient(this.base);
    client.#origin = this.base.replace(/^http:\/\/(?:\[[^\]]*\]|[^:/]*)/, `http://${host}`);
    return client;
  }
}

/** What to do after a failed connection. */
function adviceFor(why: string): string {
  // Many openssl commands for a self-signed certificate make one of an authority, which no TLS client
  // of Deno accepts for a server.
  if (/CaUsedAsEndEntity/.test(why)) {
    return "make the certificate again, with openssl req -addext basicConstraints=critical,CA:FALSE";
  }
  return /certificate/.test(why)
    ? "give the URL with the name of its certificate with --url; if its issuer is not public, set " +
      "DENO_CERT to the PEM file of the issuer"
    : "start the server, or give its URL with --url";
}

/** A server and the operator's tokens for it. */
export interface ServerAccess {
  readonly client: ServerClient;
  readonly data: string;
  readonly token: string | undefined;
  readonly approveToken: string | undefined;
  /** The approve token is the one that the server generated and stored in its data folder. */
  readonly isStored?: true;
}

/**
 * Determines the server that a command calls.
 *
 * @param env looks up a setting
 * @param url URL of the server, if it is not the one of the settings
 * @throws {UsageError} if the URL is malformed
 * @throws {ConfigError} if a setting is invalid
 */
export function resolveServer(
  env: (name: string) => string | undefined,
  url: string | undefined,
): ServerAccess {
  const config = readConfig(env);
  return {
    // Trusts the configured certificate, which may be self-signed.
    client: new ServerClient(
      baseOf(url ?? configuredUrl(config)),
      config.tls === undefined ? undefined : readTls(config.tls, () => {}).cert,
    ),
    data: config.data,
    token: config.token,
    approveToken: config.approveToken,
  };
}

/** URL of the server of the settings, as reachable from this computer. */
export function configuredUrl({ host, port, tls }: Pick<Config, "host" | "port" | "tls">): string {
  // The unspecified address is valid for listening only.
  const name = host === "0.0.0.0" ? "127.0.0.1" : host === "::" ? "::1" : host;
  const scheme = tls === undefined ? "http" : "https";
  return `${scheme}://${name.includes(":") ? `[${name}]` : name}:${port}`;
}

/**
 * The detail of a problem response, or its text if it is not JSON; sanitized, at most 2000
 * characters.
 */
export function problemText({ json, text }: Omit<ClientResponse, "headers">): string {
  const detail = readProperty(json, "detail");
  return sanitizeText((typeof detail === "string" ? detail : text).trim().slice(0, 2000));
}

/** Most lines of an excerpt that are printed. */
const EXCERPT_LINES = 4;

/**
 * The lines of the content that a problem is about, with a mark, for a terminal; sanitized. None if the
 * response has none.
 */
export function problemExcerpt({ json }: Omit<ClientResponse, "headers">): readonly string[] {
  const excerpt = readProperty(json, "excerpt");
  if (typeof excerpt !== "string") return [];
  return excerpt.slice(0, 2000).split("\n").slice(0, EXCERPT_LINES).map(sanitizeText);
}

/** The same as {@link problemText}, and what to do if the server wants another credential. */
export function refusalText(response: Omit<ClientResponse, "headers">): string {
  const advice = response.status === 401
    ? "; set ELASTIK_APPROVE_TOKEN, or ELASTIK_TOKEN, to the server's token"
    : "";
  return problemText(response) + advice;
}

/** Reads an own property of a parsed JSON value; undefined if the value is not an object. */
export function readProperty(value: unknown, name: string): unknown {
  if (typeof value !== "object" || value === null || !Object.hasOwn(value, name)) return undefined;
  const found: Record<string, unknown> = { ...value };
  return found[name];
}

function baseOf(text: string): string {
  const url = URL.parse(/^[a-z][a-z0-9+.-]*:\/\//i.test(text) ? text : `http://${text}`);
  const isValid = url !== null && /^https?:$/.test(url.protocol) && url.username === "" &&
    url.password === "" && url.search === "" && url.hash === "";
  if (!isValid) {
    throw new UsageError(`Cannot reach ${sanitizeText(text)}: it is not an http or https URL`);
  }
  return url.href.replace(/\/+$/, "");
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // not JSON: the caller uses the text
  }
}
