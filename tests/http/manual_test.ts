import { deepStrictEqual as equal, match, ok } from "node:assert/strict";
import { readConfig } from "../../lib/config.ts";
import { startMachine } from "../../lib/server/start.ts";

/**
 * The manual's commands, run in order as a reader would paste them, each page on a machine of its
 * own. Beside each page stand patterns that its output must show, in this order.
 */
const PAGES: Readonly<Record<string, readonly RegExp[]>> = {
  "http.md": [
    /\{"version":1,"ext":"html"\}/,
    /"stage_html":"<h1>I am alive<\/h1>","version":1/,
    /<h1>I am alive<\/h1>HTTP\/1\.1 200 OK/,
    /<h1>/,
    /env\/\n.*log\nwork/s,
    /\[\{"name":"uname"/,
    /\{"version":1,"ext":"md"\}\n\{"version":1,"ext":"json"\}/,
    /x-meta-author: codex\r\nx-meta-confidence: 0\.95/,
    /\{"version":2,"ext":"txt"\}\n.*"status":412/,
    /304 Not Modified/,
    /step one\{"version":3/,
    /"from_version":1/,
    /\{"deleted":\["home\/plan"\]\}\n\{"deleted":\["home\/env\/uname"\]\}/,
    /"status":404/,
    /# 404 Not found/,
  ],
  "auth.md": [
    /\{"tier":"T2","by":"T2:local"\}\n\{"tier":"T3","by":"T3"\}\n\{"tier":"T3","by":"T3"\}/,
    /"prefix":"\/home\/scratch","mode":"rw","ttl_sec":3600/,
    /\{"version":1,"ext":"txt"\}\n.*"status":403/,
    /"by":"cap:\/home\/scratch\/sub".*"mode":"r".*\n.*"status":403/,
    /\{"tier":"T2","by":"user:ada"\}/,
  ],
  "webdav.md": [
    /<D:href>\/dav\/home\/notes\/<\/D:href>.*<D:href>\/dav\/home\/notes\/today\.md<\/D:href>/s,
    /201 Created\r\n.*location: \/dav\/home\/notes\/copy\.md/s,
    /\{"version":1,"ext":"txt"\}\n.*"status":423.*\n\{"version":2,"ext":"txt"\}/,
    /204 No Content/,
  ],
  "events.md": [
    /"type":"stage_appended".*"type":"stage_written".*\["x-meta-author","ada"\]/,
    /\{"op":"append","append_len":8/,
    /"ok":true,"events":2,"version":2/,
    /Monday\. \{"version":3/,
    /event: update\nid: 3\ndata: \{"stage_html":"Monday\. "/,
  ],
};

const DOC = new URL("../../worlds/usr/share/doc/", import.meta.url);
const WORKER = import.meta.resolve("../../lib/world/worker/worker_main.ts");

/** The page's shell blocks as one script against a machine that listens at `url`. */
function script(page: string, url: string): string {
  const blocks = [...page.matchAll(/^```sh\n(.*?)^```$/gms)].map(([, block]) => block ?? "");
  return blocks
    // These start or check a machine from the outside and have tests of their own.
    .filter((block) => !block.includes("deno task"))
    // A stream does not end by itself.
    .map((block) => block.replace(/^(curl) -N (.*)$/gm, "$1 -sNm 1 $2 || true"))
    .map((block) => block.replaceAll("http://localhost:3005", url))
    .join("\n");
}

async function paste(commands: string, cwd: string, approve: string): Promise<string> {
  const { code, stdout, stderr } = await new Deno.Command("bash", {
    args: ["-euo", "pipefail", "-c", commands],
    cwd,
    env: { ELASTIK_APPROVE_TOKEN: approve },
    stdin: "null",
  }).output();
  equal(code, 0, new TextDecoder().decode(stderr));
  return new TextDecoder().decode(stdout);
}

function missingTools(): string[] {
  return ["bash", "curl", "openssl", "sqlite3"].filter((tool) => {
    try {
      return !new Deno.Command(tool, { args: ["--version"], stdout: "null", stderr: "null" })
        .outputSync();
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return true;
      throw error;
    }
  });
}

const missing = missingTools();

for (const [name, patterns] of Object.entries(PAGES)) {
  Deno.test({
    name: `${name} holds commands that run as pasted`,
    // They are shell commands; without these programs there is nobody to run them.
    ignore: missing.length > 0,
    async fn() {
      const folder = await Deno.makeTempDir({ prefix: "elastik-manual-" });
      const text = await Deno.readTextFile(new URL(name, DOC));
      const problem = await Deno.readTextFile(new URL("problems/not-found.md", DOC));
      const settings: Record<string, string> = {
        ELASTIK_PORT: "0",
        ELASTIK_DATA: `${folder}/data`,
      };
      const machine = await startMachine({
        config: readConfig((setting) => settings[setting]),
        env: (setting) => settings[setting],
        birthWorlds: { "usr/share/doc/problems/not-found.md": problem },
        storeWorkerUrl: WORKER,
        log: () => {},
        onDeath: (reason) => ok(false, reason),
      });
      try {
        const approve = machine.freshApproveToken ?? "";
        const output = await paste(script(text, machine.url), folder, approve);
        let rest = output;
        for (const pattern of patterns) {
          match(rest, pattern);
          const at = pattern.exec(rest);
          rest = rest.slice((at?.index ?? 0) + (at?.[0].length ?? 0));
        }
        ok(!/"status":5\d\d/.test(output), output);
      } finally {
        await machine.close();
        await Deno.remove(folder, { recursive: true });
      }
    },
  });
}
