import { deepStrictEqual as equal, match, ok } from "node:assert/strict";
import { needing, runTool } from "../dav/tool.ts";
import { certify } from "../support/certificate.ts";
import { EventReader } from "../support/event_reader.ts";
import {
  APPROVE,
  bearer,
  CLOSED,
  startTestMachine,
  type TestMachine,
  TOKEN,
} from "../support/machine.ts";
import { inFolder } from "./program.ts";

const PAGE = new URL("../../worlds/usr/share/doc/proxy.md", import.meta.url);
/** Most milliseconds until a proxy listens. */
const PATIENCE_MS = 20_000;

/** A proxy that is up, in front of a machine that has tokens. */
interface Proxied {
  readonly url: string;
  readonly machine: TestMachine;
  /** What the machine wrote to its access log. */
  log(): string;
  /** Asks with curl, which trusts the proxy's certificate alone. */
  curl(args: readonly string[]): Promise<string>;
}

/** The configuration of a page, with other addresses in it and nothing else changed. */
function configOf(
  page: string,
  language: string,
  changes: Readonly<Record<string, string>>,
): string {
  let text = new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\`$`, "m").exec(page)?.[1] ?? "";
  for (const [from, to] of Object.entries(changes)) {
    equal(text.split(from).length, 2, `${from} must be there once`);
    text = text.replace(from, to);
  }
  return text;
}

/** As root nginx would take another user, who may not write to a test's folder. */
function asRoot(): string {
  return Deno.uid() === 0 ? "user root;\n" : "";
}

interface Setup {
  readonly page: string;
  readonly folder: string;
  readonly machinePort: number;
  readonly port: number;
  readonly cert: string;
  readonly key: string;
}

/** How each proxy is started on the page's own text. */
const PROXIES: Readonly<Record<string, (setup: Setup) => Promise<readonly string[]>>> = {
  nginx: async ({ page, folder, machinePort, port, cert, key }) => {
    const site = configOf(page, "nginx", {
      "127.0.0.1:3005": `127.0.0.1:${machinePort}`,
      "listen 443 ssl http2": `listen 127.0.0.1:${port} ssl http2`,
      "/etc/ssl/elastik.crt": cert,
      "/etc/ssl/elastik.key": key,
    });
    const temps = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
      .map((name) => `  ${name}_temp_path ${folder}/${name};\n`).join("");
    // What Debian's nginx.conf has round a site: gzip on, and merging of slashes.
    await Deno.writeTextFile(
      `${folder}/nginx.conf`,
      `${asRoot()}daemon off;\nworker_processes 1;\npid ${folder}/nginx.pid;\nevents {}\n` +
        `http {\n  access_log off;\n  gzip on;\n  sendfile on;\n${temps}${site}\n}\n`,
    );
    return ["nginx", "-e", `${folder}/error.log`, "-c", `${folder}/nginx.conf`];
  },
  caddy: async ({ page, folder, machinePort, port, cert, key }) => {
    const site = configOf(page, "caddy", {
      "127.0.0.1:3005": `127.0.0.1:${machinePort}`,
      "elastik.example {": `https://elastik.example:${port} {\n    tls ${cert} ${key}`,
    });
    await Deno.writeTextFile(
      `${folder}/Caddyfile`,
      `{\n  admin off\n  auto_https disable_redirects\n}\n${site}`,
    );
    return ["caddy", "run", "--adapter", "caddyfile", "--config", `${folder}/Caddyfile`];
  },
};

async function behind(
  name: string,
  act: (proxied: Proxied) => Promise<void>,
): Promise<void> {
  await inFolder(async (folder) => {
    const { cert, key } = await certify(folder, "proxy");
    const decoder = new TextDecoder();
    let log = "";
    const machine = await startTestMachine({
      env: {
        ...CLOSED,
        ELASTIK_TRUST_PROXY_HEADER: "X-Forwarded-For",
        ELASTIK_TRUST_PROXY_FROM: "127.0.0.1,::1",
        ELASTIK_LOG: "line",
      },
      write: (bytes) => {
        log += decoder.decode(bytes, { stream: true });
        return Promise.resolve(bytes.length);
      },
    });
    const port = freePort();
    const page = await Deno.readTextFile(PAGE);
    const start = PROXIES[name];
    ok(start !== undefined);
    const setup = { page, folder, machinePort: machine.port, port, cert, key };
    const [command = "", ...args] = await start(setup);
    const proxy = new Deno.Command(command, {
      args,
      cwd: folder,
      clearEnv: true,
      env: { HOME: folder, PATH: `${Deno.env.get("PATH") ?? ""}:/usr/sbin:/sbin` },
      stdin: "null",
      stdout: "null",
      stderr: "null",
    }).spawn();
    try {
      await listening(port, proxy);
      await act({
        url: `https://elastik.example:${port}`,
        machine,
        log: () => log,
        curl: async (args) => {
          const here = ["--noproxy", "*", "--resolve", `elastik.example:${port}:127.0.0.1`];
          const all = ["-sS", ...here, "--cacert", cert, ...args];
          const { code, text } = await runTool("curl", all, { cwd: folder });
          equal(code, 0, text);
          return text;
        },
      });
    } finally {
      proxy.kill("SIGTERM");
      await proxy.status;
      await machine.close();
    }
  });
}

function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return listener.addr.port;
}

/** Waits until somebody listens, or the proxy ended instead. */
async function listening(port: number, proxy: Deno.ChildProcess): Promise<void> {
  let ended: number | undefined;
  void proxy.status.then(({ code }) => ended = code);
  for (const until = Date.now() + PATIENCE_MS; Date.now() < until && ended === undefined;) {
    try {
      (await Deno.connect({ hostname: "127.0.0.1", port })).close();
      return;
    } catch (error) {
      if (!(error instanceof Deno.errors.ConnectionRefused)) throw error;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
  throw new Error(`the proxy does not listen (ended with ${ended})`);
}

const TOKEN_HEADER = ["-H", `Authorization: Bearer ${TOKEN}`];
const APPROVE_HEADER = ["-H", `Authorization: Bearer ${APPROVE}`];
const STATUS = ["-o", "/dev/null", "-w", "%{http_code}"];

for (const name of Object.keys(PROXIES)) {
  Deno.test({
    ...needing(name, `proxy.md's ${name} configuration carries everything the machine does`),
    fn: async (t) => {
      await behind(name, async (proxied) => {
        await t.step(
          "nobody gets in without a credential, whatever they say of themselves",
          () => refusesStrangers(proxied),
        );
        await t.step("paths reach the machine as they were sent", () => leavesPaths(proxied));
        await t.step("event streams come as they are made", () => streams(proxied));
        await t.step("WebDAV works, with its Destination under https", () => webdav(proxied));
        await t.step("conditions and ranges hold", () => conditions(proxied));
        await t.step(
          "bodies of any size go through, and the machine's bound is the one",
          () => bodies(proxied),
        );
        await t.step("the shell's policy names the public host", () => policy(proxied));
        await t.step("the log names the client", () => logs(proxied));
      });
    },
  });
}

async function refusesStrangers({ url, curl }: Proxied): Promise<void> {
  equal(await curl([...STATUS, `${url}/home/`]), "401");
  for (const forged of ["127.0.0.1", "203.0.113.9, 127.0.0.1", "::1, 127.0.0.1", "unknown"]) {
    const status = await curl([
      ...STATUS,
      "-H",
      `X-Forwarded-For: ${forged}`,
      "-X",
      "PUT",
      `${url}/home/x`,
    ]);
    equal(status, "401", forged);
  }
  equal(await curl([...STATUS, ...TOKEN_HEADER, `${url}/home/`]), "200");
  const foreign = ["-H", "Origin: https://evil.example", "-X", "PUT", "-d", "x"];
  equal(await curl([...STATUS, ...TOKEN_HEADER, ...foreign, `${url}/home/x`]), "403");
  equal(
    await curl([
      ...STATUS,
      ...TOKEN_HEADER,
      "-H",
      `Origin: ${url}`,
      "-X",
      "PUT",
      "-d",
      "x",
      `${url}/home/own`,
    ]),
    "201",
  );
}

async function leavesPaths({ url, curl }: Proxied): Promise<void> {
  const put = ["-X", "PUT", "-d", "x", ...TOKEN_HEADER];
  equal(await curl([...STATUS, ...put, `${url}/home/a%20b/%E4%BD%A0%25`]), "201");
  equal(await curl([...TOKEN_HEADER, `${url}/home/a%20b/%E4%BD%A0%25?raw`]), "x");
  for (const path of ["/home//x", "/home/%2e%2e/etc/x", "/home/a%2Fb"]) {
    equal(await curl([...STATUS, "--path-as-is", ...put, `${url}${path}`]), "400", path);
  }
}

async function streams({ url, curl, machine }: Proxied): Promise<void> {
  await curl([...TOKEN_HEADER, "-X", "PUT", "-d", "one", `${url}/home/live`]);
  // Through the proxy with a reader of our own, which asks for the next event only after the first.
  const child = new Deno.Command("curl", {
    args: [
      ...["-sNk", "--noproxy", "*", "--connect-to", `::127.0.0.1:${new URL(url).port}`],
      ...[...TOKEN_HEADER, `${url}/stream/home/live`],
    ],
    stdout: "piped",
    stderr: "null",
  }).spawn();
  const reader = new EventReader(new Response(child.stdout), new AbortController());
  try {
    match((await reader.next())?.data ?? "", /"stage_html":"one"/);
    for (const word of ["two", "three"]) {
      await machine.send({
        method: "PUT",
        target: "/home/live",
        headers: bearer(TOKEN),
        body: word,
      });
      match((await reader.next())?.data ?? "", new RegExp(`"stage_html":"${word}"`));
    }
  } finally {
    child.kill("SIGTERM");
    await child.status;
    await reader.close();
  }
}

async function webdav({ url, curl }: Proxied): Promise<void> {
  const dav = `${url}/dav/home/work`;
  const ask = (method: string, target: string, ...more: string[]) =>
    curl([...STATUS, ...APPROVE_HEADER, "-X", method, ...more, target]);
  equal(await ask("MKCOL", `${dav}/`), "201");
  equal(await ask("PUT", `${dav}/a.txt`, "-d", "text"), "201");
  equal(await ask("COPY", `${dav}/a.txt`, "-H", `Destination: ${dav}/b.txt`), "201");
  equal(await ask("MOVE", `${dav}/b.txt`, "-H", `Destination: ${dav}/c%20c.txt`), "201");
  equal(await ask("MOVE", `${dav}/`, "-H", `Destination: ${url}/dav/home/moved/`), "201");
  equal(
    await ask(
      "COPY",
      `${url}/dav/home/moved/a.txt`,
      "-H",
      "Destination: https://evil.example/dav/home/x",
    ),
    "502",
  );
  const listed = await curl([
    ...APPROVE_HEADER,
    "-X",
    "PROPFIND",
    "-H",
    "Depth: 1",
    `${url}/dav/home/moved/`,
  ]);
  match(listed, /moved\/a\.txt<[\s\S]*moved\/c%20c\.txt</);
  const lock =
    '<lockinfo xmlns="DAV:"><lockscope><exclusive/></lockscope><locktype><write/></locktype></lockinfo>';
  const locked = await curl([
    ...APPROVE_HEADER,
    "-i",
    "-X",
    "LOCK",
    "-d",
    lock,
    `${url}/dav/home/moved/a.txt`,
  ]);
  const token = /lock-token: (<[^>]+>)/i.exec(locked)?.[1] ?? "";
  equal(await ask("PUT", `${url}/dav/home/moved/a.txt`, "-d", "no"), "423");
  // A tagged list names the resource by its public URL.
  const tagged = `If: <${url}/dav/home/moved/a.txt> (${token})`;
  equal(await ask("PUT", `${url}/dav/home/moved/a.txt`, "-d", "yes", "-H", tagged), "204");
  equal(await ask("UNLOCK", `${url}/dav/home/moved/a.txt`, "-H", `Lock-Token: ${token}`), "204");
  equal(await ask("DELETE", `${url}/dav/home/moved/`), "204");
}

async function conditions({ url, curl }: Proxied): Promise<void> {
  const page = `<h1>${"long ".repeat(1000)}</h1>`;
  await curl([...TOKEN_HEADER, "-X", "PUT", "-d", page, `${url}/home/page`]);
  // A browser says that it takes compressed answers; the tag must stay a strong one.
  const compressed = ["-H", "Accept-Encoding: gzip, deflate, br"];
  const head = await curl([
    ...TOKEN_HEADER,
    ...compressed,
    "-D",
    "-",
    "-o",
    "/dev/null",
    `${url}/home/page?raw`,
  ]);
  const tag = /^etag: ("[^"]+")\r$/im.exec(head)?.[1] ?? "";
  ok(tag !== "", head);
  const write = ["-X", "PUT", "-d", "next", "-H", `If-Match: ${tag}`];
  equal(await curl([...STATUS, ...TOKEN_HEADER, ...write, `${url}/home/page`]), "200");
  equal(await curl([...STATUS, ...TOKEN_HEADER, ...write, `${url}/home/page`]), "412");
  equal(await curl([...TOKEN_HEADER, "-r", "1-2", `${url}/home/page?raw`]), "ex");
  equal(await curl([...STATUS, ...TOKEN_HEADER, "-I", `${url}/home/page`]), "200");
}

async function bodies({ url, curl, machine }: Proxied): Promise<void> {
  const bytes = crypto.getRandomValues(new Uint8Array(65_536));
  const whole = new Uint8Array(5 * 1024 * 1024);
  for (let at = 0; at < whole.length; at += bytes.length) whole.set(bytes, at);
  await inFolder(async (folder) => {
    await Deno.writeFile(`${folder}/whole`, whole);
    await Deno.writeFile(`${folder}/more`, new Uint8Array(whole.length + 1));
    const put = [...TOKEN_HEADER, "-T"];
    match(await curl([...put, `${folder}/whole`, `${url}/home/big`]), /"version":1/);
    await curl([...TOKEN_HEADER, "-o", `${folder}/back`, `${url}/home/big?raw`]);
    equal(await Deno.readFile(`${folder}/back`), whole);
    match(await curl([...put, `${folder}/more`, `${url}/home/big`]), /"status":413/);
    const { text } = await machine.approve("GET", "/proc/log/home/big");
    equal(JSON.parse(text).length, 1);
  });
}

async function policy({ url, curl }: Proxied): Promise<void> {
  const head = await curl([...TOKEN_HEADER, "-I", "-H", "Accept: text/html", `${url}/home/`]);
  const host = url.slice("https://".length);
  match(head, new RegExp(`script-src ${host.replaceAll(".", "\\.")}/usr/lib/shell/;`));
}

async function logs({ url, curl, log }: Proxied): Promise<void> {
  await curl([...TOKEN_HEADER, `${url}/proc/version`]);
  while (!log().includes(" /proc/version ")) await new Promise((resolve) => setTimeout(resolve, 5));
  match(log(), /^\S+ (?:127\.0\.0\.1|::1) T2 GET \/proc\/version 200 /m);
}
