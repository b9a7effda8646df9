/**
 * A server with the gpu plugin in its own process, and a fake backend. Shared by the tests of the
 * plugin and of the plugins that call it.
 */

import { EventReader, type ReceivedEvent } from "../../support/event_reader.ts";
import { bearer, type TestServer, TOKEN } from "../../support/test_server.ts";
import { withPluginServer } from "../../support/plugin_server.ts";
import type { Reply } from "../../support/wire.ts";
import { eventsOf, eventually } from "../../plugin/plugin_test_server.ts";
import { FakeBackend } from "../fake_backend.ts";

/** Keys of the server's environment. No response, log line or world may contain one. */
export const KEYS = {
  OPENAI_API_KEY: "sk-openai-0123456789abcdef0123456789",
  ANTHROPIC_API_KEY: "sk-ant-0123456789abcdef0123456789",
  DEEPSEEK_API_KEY: "sk-deepseek-0123456789abcdef012345",
  VAST_API_KEY: "5a5e77aa5a5e77aa5a5e77aa5a5e77aa5a5e77aa",
  OTHER_SECRET: "another-secret-of-the-environment",
};

/** A server with the gpu plugin, and functions for its tests. */
export interface GpuServer {
  readonly server: TestServer;
  readonly backend: FakeBackend;
  readonly url: string;
  /** Writes `/etc/gpu.conf` and waits until it is used; `undefined` deletes it. */
  configure(text: string | undefined): Promise<void>;
  /** POSTs a prompt as T2. */
  ask(prompt: string, target?: string, headers?: Record<string, string>): Promise<Reply>;
  /** POSTs a prompt to the stream as T2. */
  open(prompt: string, target?: string): Promise<EventReader>;
  /** All events of a response. */
  events(prompt: string, target?: string): Promise<ReceivedEvent[]>;
  /** The lines of the usage log, once there are this many. At midnight it continues in another world. */
  usage(count: number): Promise<Record<string, unknown>[]>;
}

/**
 * Runs a test with such a server. The plugin is active and not configured.
 *
 * @param env further settings
 */
export async function withGpuServer(
  test: (gpu: GpuServer) => Promise<void>,
  env: Readonly<Record<string, string>> = {},
): Promise<void> {
  const backend = new FakeBackend();
  try {
    // The keys are variables of the environment and not settings of the server.
    const variables = { ELASTIK_WRITERS: "1", ...KEYS, ...env };
    await withPluginServer({ plugins: ["gpu"], env: variables }, async (server) => {
      for (const key of Object.values(KEYS)) server.secrets.add(key);
      await test(gpuServer(server, backend));
    });
  } finally {
    await backend.close();
  }
}

function gpuServer(server: TestServer, backend: FakeBackend): GpuServer {
  const url = `http://127.0.0.1:${server.port}`;
  const changes = async (): Promise<number> =>
    (await eventsOf(server, "gpu")).filter(({ type }) => type === "plugin_reconfigured").length;

  async function open(prompt: string, target = "/dev/gpu/stream"): Promise<EventReader> {
    const abort = new AbortController();
    const response = await fetch(`${url}${target}`, {
      method: "POST",
      body: prompt,
      headers: bearer(TOKEN),
      signal: abort.signal,
    });
    return new EventReader(response, abort);
  }

  return {
    server,
    backend,
    url,
    async configure(text) {
      const before = await changes();
      if (text === undefined) await server.approve("DELETE", "/etc/gpu.conf");
      else await server.approve("PUT", "/etc/gpu.conf", text);
      await eventually(async () => await changes() > before || undefined, `configured ${text}`);
    },
    ask: (prompt, target = "/dev/gpu", headers = {}) =>
      server.send({
        method: "POST",
        target,
        headers: { ...bearer(TOKEN), ...headers },
        body: prompt,
      }),
    open,
    async events(prompt, target) {
      const reader = await open(prompt, target);
      const events: ReceivedEvent[] = [];
      for (let event = await reader.next(); event; event = await reader.next()) events.push(event);
      server.assertNoSecret(reader.wire, "the stream");
      return events;
    },
    async usage(count) {
      return await eventually(async () => {
        const { text } = await server.approve("GET", "/proc/worlds");
        const worlds: readonly { readonly name: string }[] = JSON.parse(text);
        const days = worlds.map(({ name }) => name).filter((name) =>
          name.startsWith("var/log/gpu/")
        );
        const texts = days.sort().map(async (name) =>
          (await server.approve("GET", `/${name}?raw`)).text.trimEnd().split("\n")
        );
        const lines = (await Promise.all(texts)).flat();
        return lines.length < count ? undefined : lines.map((line) => JSON.parse(line));
      }, `${count} calls in the usage log`);
    },
  };
}
