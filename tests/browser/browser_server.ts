/** A server for one test: the program in its own process, on a free port, with a temporary data folder. */

import { startLateProxy } from "./late_proxy.ts";

const MAIN = new URL("../../main.ts", import.meta.url);
const CONFIG = new URL("../../deno.json", import.meta.url);

/** A running server. */
export interface BrowserServer {
  /** `http://127.0.0.1:41234`, without a slash at the end. */
  readonly url: string;
  /** The T3 token. */
  readonly approve: string;
  /** Writes a world as T3. */
  put(
    path: string,
    body: string | Uint8Array<ArrayBuffer>,
    headers?: Record<string, string>,
  ): Promise<Response>;
  stop(): Promise<void>;
}

/**
 * Starts a server.
 *
 * @param env further settings, such as `ELASTIK_TOKEN`
 */
export async function startBrowserServer(env: Record<string, string> = {}): Promise<BrowserServer> {
  const folder = await Deno.makeTempDir({ prefix: "elastik-browser-" });
  const approve = "approve-in-tests";
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--quiet", "--config", CONFIG.pathname, MAIN.pathname],
    cwd: folder,
    env: {
      ELASTIK_PORT: "0",
      ELASTIK_WRITERS: "1", // the server starts faster
      ELASTIK_DATA: `${folder}/data`,
      ELASTIK_APPROVE_TOKEN: approve,
      ...env,
    },
    stdout: "piped",
    stderr: "null",
  }).spawn();
  const reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  let printed = "";
  let url: string | undefined;
  while (url === undefined) {
    const { value, done } = await reader.read();
    if (done) {
      await child.status;
      await Deno.remove(folder, { recursive: true });
      throw new Error(
        `Cannot start a server for the browser: it ended and printed "${printed}"; run deno task start`,
      );
    }
    printed += value;
    // The output can be cut inside of the port.
    url = /http:\/\/[\d.]+:\d+(?=\D)/.exec(printed)?.[0];
  }
  const drained = drain(reader);
  const base = url;
  const proxy = startLateProxy(base);
  return {
    url: proxy?.url ?? base,
    approve,
    async put(path, body, headers = {}) {
      const response = await fetch(base + path, {
        method: "PUT",
        // As bytes: fetch sends a string as text/plain, which would determine the extension.
        body: typeof body === "string" ? new TextEncoder().encode(body) : body,
        headers: { authorization: `Bearer ${approve}`, ...headers },
      });
      if (!response.ok) throw new Error(`PUT ${path}: ${response.status} ${await response.text()}`);
      await response.body?.cancel();
      return response;
    },
    async stop() {
      await proxy?.close();
      child.kill("SIGTERM");
      await child.status;
      await drained;
      await Deno.remove(folder, { recursive: true });
    },
  };
}

async function drain(reader: ReadableStreamDefaultReader<string>): Promise<void> {
  while (!(await reader.read()).done);
}
