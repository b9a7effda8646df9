/**
 * Tests of `/usr/lib/plugin/types.d.ts`: it has the members that the server reads and passes, plugins
 * check against it, and wrong plugins do not.
 */

import { assert, assertEquals, assertMatch } from "../support/assert.ts";
import { parseManifest } from "../../lib/plugin/manifest/manifest.ts";
import { withTempFolder } from "../support/temp_folder.ts";
import { withServer } from "../support/test_server.ts";
import { lowerWorlds } from "../../worlds/mod.ts";
import { get, install, plugin, QUICK, withPlugins } from "./plugin_test_server.ts";

const ROOT = new URL("../../", import.meta.url);
const TYPES = new URL("worlds/usr/lib/plugin/types.d.ts", ROOT);

/** Names of the members of an interface, sorted, with those of the interface that it extends. */
async function membersOf(name: string): Promise<string[]> {
  const text = await Deno.readTextFile(TYPES);
  const [, base, body] =
    new RegExp(`^export interface ${name}(?: extends (\\w+))? \\{\n(.*?)^\\}`, "ms").exec(text) ??
      [];
  assert(body !== undefined, `${name} is missing`);
  const own = [...body.matchAll(/^ {2}(?:readonly )?(\w+)\??[:(]/gm)].map(([, member]) => member!);
  return [...own, ...base === undefined ? [] : await membersOf(base)].sort();
}

/** Runs `deno check`; returns its output, empty if there are no faults. */
async function check(
  text: string,
  { folder, host = "127.0.0.1:1" }: { readonly folder: string; readonly host?: string },
): Promise<string> {
  await Deno.writeTextFile(`${folder}/check.ts`, text);
  const config = { compilerOptions: { exactOptionalPropertyTypes: true } };
  await Deno.writeTextFile(`${folder}/deno.json`, JSON.stringify(config));
  const { success, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [
      "check",
      "--quiet",
      "--no-lock",
      `--allow-import=${host}`,
      "--config",
      `${folder}/deno.json`,
      `${folder}/check.ts`,
    ],
    env: { NO_COLOR: "1", DENO_NO_UPDATE_CHECK: "1" },
  }).output();
  return success ? "" : new TextDecoder().decode(stderr) || "it failed";
}

Deno.test("types.d.ts has every export of a plugin that the server reads, and no other", async () => {
  const manifest = parseManifest(
    {
      routes: ["/p"],
      patience: 1,
      cron: ["* * * * *"],
      on: ["/home/x"],
      grants: { "/home/x": "r" },
    },
    () => undefined,
    () => undefined,
  );
  const read = [...Object.keys(manifest), "default", "permissions"].sort();
  assertEquals(await membersOf("Plugin"), read);
});

Deno.test("types.d.ts has every member that a plugin receives, and no other", () =>
  withTempFolder((folder) =>
    withPlugins(async (server) => {
      await install(
        server,
        "p",
        plugin(
          { kv: true, subject: true, permissions: { read: [await Deno.realPath(folder)] } },
          `const { caller, machine, files, sql, kv } = env;
          const parts = { Env: env, Caller: caller, Machine: machine, Files: files, Sql: sql, Kv: kv, Ctx: ctx };
          const keys = Object.entries(parts).map(([name, part]) => [name, Object.keys(part).sort()]);
          return Response.json(Object.fromEntries(keys));`,
        ),
      );
      const received: Record<string, string[]> = JSON.parse((await get(server, "/p")).text);
      assertEquals(Object.keys(received).length, 7);
      for (const [name, keys] of Object.entries(received)) {
        assertEquals(await membersOf(name), keys, name);
      }
    })
  ));

Deno.test("types.d.ts and the types of the server accept the same values", () =>
  withTempFolder(async (folder) => {
    const pairs = [
      ["Files", "wire/file_types.ts", "Files"],
      ["FileInfo", "wire/file_types.ts", "FileInfo"],
      ["FileResponseOptions", "wire/file_types.ts", "FileResponseOptions"],
      ["ReplaceOptions", "wire/file_types.ts", "ReplaceOptions"],
      ["Sql", "realm/env_sql.ts", "Sql"],
      ["SqlOptions", "realm/sql_types.ts", "SqlOptions"],
      ["SqlResult", "realm/sql_types.ts", "SqlResult"],
      ["Kv", "realm/env_kv.ts", "EnvKv"],
      ["ServerFetch", "realm/env_fetch.ts", "EnvFetch"],
      ["GrantMode", "manifest/manifest.ts", "GrantMode"],
    ];
    const lines = pairs.map(([ours, file, theirs], at) => {
      const module = new URL(`lib/plugin/${file}`, ROOT).href;
      return `import type { ${theirs} as T${at} } from "${module}";
        export const a${at} = (value: T${at}): Types.${ours} => value;
        export const b${at} = (value: Types.${ours}): T${at} => value;
        export const c${at}: Same<Keys<T${at}>, Keys<Types.${ours}>> = true;`;
    });
    const change = new URL("lib/plugin/host/plugin_change.ts", ROOT).href;
    const text = `import type * as Types from "${TYPES.href}";
      import type { PluginChange } from "${change}";
      type Same<A, B> = [A] extends [B] ? [B] extends [A] ? true : false : false;
      type Keys<T> = T extends object ? keyof T : T;
      export const event: Same<keyof PluginChange | "type" | "signal", keyof Types.ChangeEvent> = true;
      export const change = (value: Types.ChangeEvent): PluginChange => value;
      export const unchanged = (value: PluginChange): Omit<Types.ChangeEvent, "type" | "signal"> => value;
      ${lines.join("\n")}`;
    assertEquals(await check(text, { folder }), "");
  }));

Deno.test("all shipped plugins check against types.d.ts", () =>
  withTempFolder(async (folder) => {
    const sources = ["example.ts"];
    for await (const { name, isDirectory } of Deno.readDir(new URL("plugins", ROOT))) {
      if (isDirectory && name !== "kit") sources.push(`${name}/mod.ts`);
    }
    assert(sources.length >= 9, String(sources));
    const lines = sources.map((path, at) =>
      `import * as p${at} from "${
        new URL(`plugins/${path}`, ROOT).href
      }";\np${at} satisfies Plugin;`
    );
    const text = `import type { Plugin } from "${TYPES.href}";\n${lines.join("\n")}`;
    assertEquals(await check(text, { folder }), "");
  }));

/** Expressions that are not a plugin, by what is wrong. */
const WRONG: Readonly<Record<string, string>> = {
  "no functions": "({ routes: ['/p'], default: {} }) satisfies Plugin",
  "a misspelled function": "({ default: { fetsh: () => new Response() } }) satisfies Plugin",
  "no response": "({ fetch: () => 'text' }) satisfies Handlers",
  "a route that is not a list": "({ default: handlers, routes: '/p' }) satisfies Plugin",
  "an unknown tier": "({ default: handlers, auth: 'T4' }) satisfies Plugin",
  "an unknown mode": "({ default: handlers, grants: { '/x': 'w' } }) satisfies Plugin",
  "an unknown export": "({ default: handlers, route: ['/p'] }) satisfies Plugin",
  "an unknown permission": "({ default: handlers, permissions: { run: ['x'] } }) satisfies Plugin",
  "patience as text": "({ default: handlers, patience: '5' }) satisfies Plugin",
  "kv without a check":
    "({ fetch: async (_, env) => { await env.kv.get('x'); return new Response(); } }) satisfies Handlers",
  "files without a check": "({ fetch: (_, env) => env.files.respond('/x') }) satisfies Handlers",
  "an unknown member of env":
    "({ fetch: (_, env) => new Response(env.secret) }) satisfies Handlers",
  "a caller in scheduled": "({ scheduled: (_, env) => env.caller.fetch('/x') }) satisfies Handlers",
  "an unchecked value":
    "({ fetch: async (_, env) => new Response((await env.kv?.get('x'))?.value) }) satisfies Handlers",
  "a text as values":
    "({ fetch: async (_, env) => Response.json(await env.sql.query('/x', 'select 1', 'a')) }) satisfies Handlers",
};

Deno.test("wrong plugins do not check against types.d.ts", () =>
  withTempFolder(async (folder) => {
    const head = [
      `import type { Handlers, Plugin } from "${TYPES.href}";`,
      "const handlers: Handlers = { fetch: (request, env) => env.caller.fetch(request) };",
      '({ default: handlers, routes: ["/p"], auth: "T2", kv: true }) satisfies Plugin;',
      "({ fetch: async (_, env) => Response.json(await env.kv?.get('x')) }) satisfies Handlers;",
      "({ scheduled: (event, env) => env.machine.fetch(event.cron) }) satisfies Handlers;",
    ];
    const lines = Object.values(WRONG).map((code) => `${code};`);
    const faults = await check([...head, ...lines].join("\n"), { folder });
    const found = new Set(
      [...faults.matchAll(/check\.ts:(\d+):\d+/g)].map(([, line]) =>
        Number(line) - head.length - 1
      ),
    );
    assertEquals([...found].sort((a, b) => a - b), [...lines.keys()], faults);
  }));

Deno.test("a plugin imports its types from the server that it runs on", () =>
  withTempFolder((folder) =>
    withServer({ env: QUICK, lowerTexts: lowerWorlds }, async (server) => {
      const host = `127.0.0.1:${server.port}`;
      const address = `http://${host}/usr/lib/plugin/types.d.ts?raw`;
      const source = (member: string) =>
        `import type { Handlers, Plugin } from "${address}";
export const routes: Plugin["routes"] = ["/typed"];
export default {
  fetch(request, env) {
    return Response.json({ tier: env.caller.${member}, method: request.method });
  },
} satisfies Handlers;
`;
      assertEquals(await check(source("tier"), { folder, host }), "");
      assertMatch(
        await check(source("teir"), { folder, host }),
        /'teir' does not exist on type 'Caller'/,
      );
      await install(server, "typed", source("tier"));
      assertEquals((await get(server, "/typed")).text, '{"tier":"T2","method":"GET"}');
      const types = await get(server, "/usr/lib/plugin/types.d.ts?raw");
      assertEquals(types.text, lowerWorlds["usr/lib/plugin/types.d.ts"]);
    })
  ));
