/**
 * Property: a configuration world of a plugin means the same in every encoding and with every line
 * end that an editor writes; what is not text is reported with its line, and never used.
 */

import { assertEquals, assertMatch } from "../support/assert.ts";
import { installPlugin, putWorld, withPluginServer } from "../support/plugin_server.ts";
import { bearer, type TestServer, TOKEN } from "../support/test_server.ts";

/** Encodings of a text, by name. */
const ENCODINGS: Readonly<Record<string, (text: string) => Uint8Array>> = {
  "UTF-8": (text) => new TextEncoder().encode(text),
  "UTF-8 with a byte order mark": (text) => new TextEncoder().encode(`\ufeff${text}`),
  "UTF-16 little endian": (text) => utf16(`\ufeff${text}`, true),
  "UTF-16 big endian": (text) => utf16(`\ufeff${text}`, false),
};
/** The line ends that are tried with each encoding. */
const LINE_ENDS = ["\r", "\r\n", "\r\n", "\n"];

function utf16(text: string, isLittleEndian: boolean): Uint8Array {
  const view = new DataView(new ArrayBuffer(2 * text.length));
  for (let at = 0; at < text.length; at++) {
    view.setUint16(2 * at, text.charCodeAt(at), isLittleEndian);
  }
  return new Uint8Array(view.buffer);
}

async function ask(server: TestServer, target: string): Promise<[number, string]> {
  const { status, text } = await server.send({ method: "GET", target, headers: bearer(TOKEN) });
  return [status, text];
}

/** Installs a plugin with a configuration, runs a check, and removes both. */
async function withConfig(
  server: TestServer,
  [plugin, path, content]: readonly [plugin: string, path: string, content: Uint8Array],
  check: () => Promise<void>,
): Promise<void> {
  await putWorld(server, path, content);
  await installPlugin(server, plugin);
  try {
    await check();
  } finally {
    await server.approve("DELETE", `/lib/${plugin}`);
  }
}

Deno.test("configuration worlds of plugins are read in every encoding, with every line end", async (t) => {
  await withPluginServer({ plugins: [] }, async (server) => {
    const folder = await Deno.makeTempDir();
    try {
      await Deno.writeTextFile(`${folder}/a.txt`, "mounted");
      for (const [at, [name, encode]] of Object.entries(ENCODINGS).entries()) {
        for (const end of LINE_ENDS.slice(at, at + 1)) {
          await t.step(`${name}, lines end with ${JSON.stringify(end)}`, async () => {
            // Both normalization forms of a name are one name.
            const targets = ["# ziele", "", "\thome/gr\u00fcn  ", "gru\u0308n", "b"].join(end);
            await withConfig(server, ["fanout", "/etc/fanout.conf", encode(targets)], async () => {
              const [, list] = await ask(server, "/dev/fanout");
              assertEquals(JSON.parse(list), [
                { line: 3, target: "/home/gr\u00fcn" },
                { line: 5, target: "/home/b" },
              ]);
            });
            const table = ["# mounts", `${folder}\t/mnt/do\u0308cs\tro`].join(end);
            await withConfig(server, ["fstab", "/etc/fstab", encode(table)], async () => {
              assertEquals(await ask(server, "/mnt/d%C3%B6cs/a.txt?raw"), [200, "mounted"]);
            });
            const backend = ["ollama://localhost:1", "model\tm1"].join(end);
            await withConfig(server, ["gpu", "/etc/gpu.conf", encode(backend)], async () => {
              const [, text] = await ask(server, "/dev/gpu");
              assertMatch(text, /^\{"backend":"ollama","model":"m1"|^ollama m1/);
            });
          });
        }
      }
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  });
});

Deno.test("a line of a configuration world that is not text is reported and not used", async () => {
  await withPluginServer({ plugins: [] }, async (server) => {
    const bytes = new Uint8Array([...new TextEncoder().encode("good\nba"), 0xff, 0x0a, 0x62]);
    await withConfig(server, ["fanout", "/etc/fanout.conf", bytes], async () => {
      const [, list] = await ask(server, "/dev/fanout");
      const rows: { line: number; fault?: string }[] = JSON.parse(list);
      assertEquals(rows.map(({ line, fault }) => [line, fault !== undefined]), [
        [1, false],
        [2, true],
        [3, false],
      ]);
      const { text } = await server.approve("GET", "/lib/fanout/state");
      assertMatch(text, /fanout\.conf line 2: it contains characters that are not text/);
    });
    // UTF-16 without a byte order mark.
    const unmarked = utf16("ollama://localhost:1\n", true);
    await withConfig(server, ["gpu", "/etc/gpu.conf", unmarked], async () => {
      const { text } = await server.approve("GET", "/lib/gpu/state");
      assertMatch(text, /gpu\.conf line 1: it contains characters that are not text/);
    });
  });
});
