/** A server with plugins, for the tests of the plugins. Not a test itself. */

import { assert, assertEquals } from "./assert.ts";
import { CLOSED, type TestServer, type TestServerOptions, withServer } from "./test_server.ts";

/** A plugin of the folder `plugins` by its name, or a name with a source that the test wrote. */
export type PluginSource = string | readonly [name: string, source: string];

/** How the server of a test is set up. */
export interface PluginServerOptions {
  /** Plugins that are installed and activated, in this order. */
  readonly plugins: readonly PluginSource[];
  /** Worlds that are stored before the plugins are installed: content by path. */
  readonly worlds?: Readonly<Record<string, string>>;
  /** Settings in addition to tokens for T2 and T3; `undefined` removes a token. */
  readonly env?: TestServerOptions["env"];
  /** Worlds of the lower layer. */
  readonly lowerTexts?: TestServerOptions["lowerTexts"];
  /** Why a cluster gets all requests at one of its servers. */
  readonly atOneNode?: string;
}

/** Returns the text of a plugin of the folder `plugins`. */
export function pluginText(name: string): Promise<string> {
  return Deno.readTextFile(new URL(`../../plugins/${name}.ts`, import.meta.url));
}

/** Stores a plugin and activates it, as T3. */
export async function installPlugin(server: TestServer, plugin: PluginSource): Promise<void> {
  const [name, source] = typeof plugin === "string" ? [plugin, await pluginText(plugin)] : plugin;
  await putWorld(server, `/lib/${name}`, source);
  const activated = await server.approve("PUT", `/lib/${name}/state`, "active");
  assertEquals(activated.status, 200, activated.text);
}

/** Stores a world as T3. */
export async function putWorld(
  server: TestServer,
  path: string,
  body: string | Uint8Array,
): Promise<void> {
  const { status, text } = await server.approve("PUT", path, body);
  assert(status < 300, text);
}

/** Runs a test on a server with plugins. */
export function withPluginServer(
  { plugins, worlds = {}, env = {}, lowerTexts, atOneNode }: PluginServerOptions,
  test: (server: TestServer) => Promise<void>,
): Promise<void> {
  // One writer and no flush to the disk: the tests start faster.
  const settings = { ELASTIK_WRITERS: "1", ELASTIK_SYNC: "normal", ...CLOSED, ...env };
  const options = {
    env: settings,
    ...(lowerTexts === undefined ? {} : { lowerTexts }),
    ...(atOneNode === undefined ? {} : { atOneNode }),
  };
  return withServer(options, async (server) => {
    for (const [path, body] of Object.entries(worlds)) await putWorld(server, path, body);
    for (const plugin of plugins) await installPlugin(server, plugin);
    await test(server);
  });
}
