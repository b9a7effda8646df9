/**
 * A running machine as the commands of this program see it: where it is, what they may show it, one
 * request at a time. It follows no redirect, so that no credential goes where it was not sent.
 */

import { UsageError } from "../parse_args.ts";
import { type Config, readConfig } from "../../config.ts";
import { oneLine } from "../../base/sanitize_text.ts";
import { readTls } from "../../server/tls.ts";
import { keptToken } from "./stored_token.ts";

/** Most milliseconds to wait for an answer; to activate a plugin takes a while. */
const PATIENCE_MS = 60_000;

/** Thrown when nobody answers; the message is for the operator. */
export class Unreachable extends Error {
  override readonly name = "Unreachable";
}

/** What is sent. */
export interface Asked {
  readonly credential?: string | undefined;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

/** What came back. */
export interface Answered {
  readonly status: number;
  readonly text: string;
  /** The text as JSON; `undefined` when it is none. */
  readonly json: unknown;
}

/** One machine. */
export class MachineClient {
  /** Its URL without a slash at the end. */
  readonly base: string;
  readonly #client: Deno.HttpClient | undefined;

  /**
   * @param base its URL without a slash at the end
   * @param certificate PEM text that is trusted beside the authorities everybody trusts
   */
  constructor(base: string, certificate?: string) {
    this.base = base;
    this.#client = certificate === undefined
      ? undefined
      : Deno.createHttpClient({ caCerts: [certificate] });
  }

  /**
   * Asks.
   *
   * @throws {Unreachable} when there is no answer
   */
  async ask(method: string, path: string, asked: Asked = {}): Promise<Answered> {
    const headers = new Headers(asked.headers);
    if (asked.credential !== undefined) headers.set("authorization", `Bearer ${asked.credential}`);
    try {
      const answer = await fetch(`${this.base}${path}`, {
        method,
        headers,
        redirect: "manual",
        ...(this.#client === undefined ? {} : { client: this.#client }),
        signal: AbortSignal.timeout(PATIENCE_MS),
        ...(asked.body === undefined ? {} : { body: asked.body }),
      });
      const text = await answer.text();
      return { status: answer.status, text, json: parsed(text) };
    } catch (error) {
      const { cause } = error instanceof Error ? error : { cause: undefined };
      // The error itself says no more than that it failed.
      const told = cause instanceof Error ? cause : error;
      const why = (told instanceof Error ? told.message : String(told))
        .replace(/^error sending request for url \([^)]*\): /, "");
      throw new Unreachable(
        `Cannot reach ${this.base}: ${
          oneLine(why)
        }; start the machine, or say with --url where it is`,
      );
    }
  }

  /** The approve token that this machine keeps in a data folder, if it is the one that holds it. */
  async keptToken(data: string): Promise<string | undefined> {
    const holder = async () => {
      const { json } = await this.ask("GET", "/proc/status", {
        headers: { accept: "application/json" },
      });
      const pid = field(json, "pid");
      return typeof pid === "number" ? pid : undefined;
    };
    return await keptToken({ base: this.base, data, holder });
  }
}

/** A machine and what its operator holds of it. */
export interface Addressed {
  readonly machine: MachineClient;
  readonly data: string;
  readonly token: string | undefined;
  readonly approveToken: string | undefined;
}

/**
 * The machine that a command is about.
 *
 * @param env looks a setting up
 * @param url where it is, if it is not the one that the settings describe
 * @throws {UsageError} for a URL that is none, {@link ConfigError}
 */
export function addressed(
  env: (name: string) => string | undefined,
  url: string | undefined,
): Addressed {
  const config = readConfig(env);
  return {
    // A machine that signs its own certificate is known by it here, where the settings lie.
    machine: new MachineClient(
      baseOf(url ?? ownUrl(config)),
      config.tls === undefined ? undefined : readTls(config.tls, () => {}).cert,
    ),
    data: config.data,
    token: config.token,
    approveToken: config.approveToken,
  };
}

/** Where the machine of the settings is, as seen from this computer. */
export function ownUrl({ host, port, tls }: Pick<Config, "host" | "port" | "tls">): string {
  // An address to listen on everywhere is none to connect to.
  const name = host === "0.0.0.0" ? "127.0.0.1" : host === "::" ? "::1" : host;
  const scheme = tls === undefined ? "http" : "https";
  return `${scheme}://${name.includes(":") ? `[${name}]` : name}:${port}`;
}

/** The words of a refusal, without the JSON round them. */
export function words({ json, text }: Answered): string {
  const detail = field(json, "detail");
  return oneLine((typeof detail === "string" ? detail : text).trim().slice(0, 2000));
}

/** A property of what came as JSON. */
export function field(value: unknown, name: string): unknown {
  if (typeof value !== "object" || value === null || !Object.hasOwn(value, name)) return undefined;
  const found: Record<string, unknown> = { ...value };
  return found[name];
}

function baseOf(text: string): string {
  const url = URL.parse(/^[a-z][a-z0-9+.-]*:\/\//i.test(text) ? text : `http://${text}`);
  const fits = url !== null && /^https?:$/.test(url.protocol) && url.username === "" &&
    url.password === "" && url.search === "" && url.hash === "";
  if (!fits) throw new UsageError(`Cannot reach ${oneLine(text)}: it is no http or https address`);
  return url.href.replace(/\/+$/, "");
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // what is no JSON is read as text
  }
}
