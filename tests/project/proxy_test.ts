/** The configurations of proxy.md, each with its proxy in front of a server with tokens. */

import { assert, assertEquals, assertMatch } from "../support/assert.ts";
import { requireTool, runTool } from "../dav/tool.ts";
import { certify } from "../support/certificate.ts";
import { EventReader } from "../support/event_reader.ts";
import {
  APPROVE,
  bearer,
  CLOSED,
  startTestServer,
  type TestServer,
  TOKEN,
} from "../support/test_server.ts";
import { withTempFolder } from "../support/temp_folder.ts";
import { freePort } from "../support/free_port.ts";

const PAGE = new URL("../../worlds/usr/share/doc/proxy.md", import.meta.url);
/** Most milliseconds until a proxy listens. */
const MAX_START_MS = 60_000;
/** Longest wait for a line of the access log, in milliseconds. */
const MAX_WAIT_MS = 60_000;

/** A running proxy in front of a server with tokens. */
interface ProxiedServer {
  readonly url: string;
  readonly server: TestServer;
  /** The access log of the server. */
  log(): string;
  /** Runs curl, which trusts only the certificate of the proxy. */
  curl(args: readonly string[]): Promise<string>;
}

/** The configuration of a page with other addresses and without other changes. */
function configOf(
  page: string,
  language: string,
  changes: Readonly<Record<string, string>>,
): string {
  let text = new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\`$`, "m").exec(page)?.[1] ?? "";
  for (const [from, to] of Object.entries(changes)) {
    assertEquals(text.split(from).length, 2, `${from} must occur once`);
    text = text.replace(from, to);
  }
  return text;
}

/** Started as root, nginx changes to a user that cannot write to the folder of the test. */
function asRoot(): string {
  return Deno.uid() === 0 ? "user root;\n" : "";
}

interface Setup {
  readonly page: string;
  readonly folder: string;
  readonly serverPort: number;
  readonly port: number;
  readonly cert: string;
  readonly key: string;
}

/** Returns the command that starts each proxy with the text of the page. */
const PROXIES: Readonly<Record<string, (setup: Setup) => Promise<readonly string[]>>> = {
  nginx: async ({ page, folder, serverPort, port, cert, key }) => {
    const site = configOf(page, "nginx", {
      "127.0.0.1:3005": `127.0.0.1:${serverPort}`,
      "listen 443 ssl http2": `listen 127.0.0.1:${port} ssl http2`,
      "/etc/ssl/elastik.crt": cert,
      "/etc/ssl/elastik.key": key,
    });
    const temps = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
      .map((name) => `  ${name}_temp_path ${folder}/${name};\n`).join("");
    // As in Debian's nginx.conf: gzip is on, and slashes are merged.
    await Deno.writeTextFile(
      `${folder}/nginx.conf`,
      `${asRoot()}daemon off;\nworker_processes 1;\npid ${folder}/nginx.pid;\nevents {}\n` +
        `http {\n  access_log off;\n  gzip on;\n  sendfile on;\n${temps}${site}\n}\n`,
    );
    return ["nginx", "-e", `${folder}/error.log`, "-c", `${folder}/nginx.conf`];
  },
  caddy: async ({ page, folder, serverPort, port, cert, key }) => {
    const site = configOf(page, "caddy", {
      "127.0.0.1:3005": `127.0.0.1:${serverPort}`,
      "elastik.example {": `https://elastik.example:${port} {\n    tls ${cert} ${key}`,
    });
    await Deno.writeTextFile(
      `${folder}/Caddyfile`,
      `{\n  admin off\n  auto_https disable_redirects\n}\n${site}`,
    );
    return ["caddy", "run", "--adapter", "caddyfile", "--config", `${folder}/Caddyfile`];
  },
};

async function withProxy(
  name: string,
  test: (proxied: ProxiedServer) => Promise<void>,
): Promise<void> {
  await withTempFolder(async (folder) => {
    const { cert, key } = await certify(folder, "proxy");
    const decoder = new TextDecoder();
    let log = "";
    const server = await startTestServer({
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
    assert(start !== undefined);
    const setup = { page, folder, serverPort: server.port, port, cert, key };
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
      await waitForPort(port, proxy);
      await test({
        url: `https://elastik.example:${port}`,
        server,
        log: () => log,
        curl: async (args) => {
          const local = ["--noproxy", "*", "--resolve", `elastik.example:${port}:127.0.0.1`];
          const all = ["-sS", ...local, "--cacert", cert, ...args];
          const { code, text } = await runTool("curl", all, { cwd: folder });
          assertEquals(code, 0, text);
          return text;
        },
      });
    } finally {
      proxy.kill("SIGTERM");
      await proxy.status;
      await server.close();
    }
  });
}

/**
 * Waits until the proxy listens.
 *
 * @throws {Error} if it ends or takes too long
 */
async function waitForPort(port: number, proxy: Deno.ChildProcess): Promise<void> {
  let ended: number | undefined;
  void proxy.status.then(({ code }) => ended = code);
  for (const until = Date.now() + MAX_START_MS; Date.now() < until && ended === undefined;) {
    try {
      (await Deno.connect({ hostname: "127.0.0.1", port })).close();
      return;
    } catch (error) {
      if (!(error instanceof Deno.errors.ConnectionRefused)) throw error;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
  throw new Error(`Cannot start the proxy: it does not listen (exit code ${ended})`);
}

const TOKEN_HEADER = ["-H", `Authorization: Bearer ${TOKEN}`];
const APPROVE_HEADER = ["-H", `Authorization: Bearer ${APPROVE}`];
const STATUS = ["-o", "/dev/null", "-w", "%{http_code}"];

for (const name of Object.keys(PROXIES)) {
  Deno.test({
    ...requireTool(
      name,
      `the ${name} configuration of proxy.md passes on every feature of the server`,
    ),
    fn: async (t) => {
      await withProxy(name, async (proxied) => {
        await t.step(
          "requests without a credential get 401, also with forged headers",
          () => assertRefused(proxied),
        );
        await t.step("paths reach the server unchanged", () => assertPaths(proxied));
        await t.step("events are passed on at once", () => assertStreams(proxied));
        await t.step(
          "WebDAV works with a Destination header with https",
          () => assertWebDav(proxied),
        );
        await t.step("preconditions and ranges are passed on", () => assertConditions(proxied));
        await t.step(
          "only the server limits the size of a body",
          () => assertBodies(proxied),
        );
        await t.step("the policy of the shell names the public host", () => assertPolicy(proxied));
        await t.step("the access log has the address of the client", () => assertLog(proxied));
      });
    },
  });
}

async function assertRefused({ url, curl }: ProxiedServer): Promise<void> {
  assertEquals(await curl([...STATUS, `${url}/home/`]), "401");
  for (const forged of ["127.0.0.1", "203.0.113.9, 127.0.0.1", "::1, 127.0.0.1", "unknown"]) {
    const status = await curl([
      ...STATUS,
      "-H",
      `X-Forwarded-For: ${forged}`,
      "-X",
      "PUT",
      `${url}/home/x`,
    ]);
    assertEquals(status, "401", forged);
  }
  assertEquals(await curl([...STATUS, ...TOKEN_HEADER, `${url}/home/`]), "200");
  const foreign = ["-H", "Origin: https://evil.example", "-X", "PUT", "-d", "x"];
  assertEquals(await curl([...STATUS, ...TOKEN_HEADER, ...foreign, `${url}/home/x`]), "403");
  assertEquals(
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

async function assertPaths({ url, curl }: ProxiedServer): Promise<void> {
  const put = ["-X", "PUT", "-d", "x", ...TOKEN_HEADER];
  assertEquals(await curl([...STATUS, ...put, `${url}/home/a%20b/%E4%BD%A0%25`]), "201");
  assertEquals(await curl([...TOKEN_HEADER, `${url}/home/a%20b/%E4%BD%A0%25?raw`]), "x");
  for (const path of ["/home//x", "/home/%2e%2e/etc/x", "/home/a%2Fb"]) {
    assertEquals(await curl([...STATUS, "--path-as-is", ...put, `${url}${path}`]), "400", path);
  }
}

async function assertStreams({ url, curl, server }: ProxiedServer): Promise<void> {
  await curl([...TOKEN_HEADER, "-X", "PUT", "-d", "one", `${url}/home/live`]);
  // The next world is written only after its event was read, so that a delay in the proxy fails.
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
    assertMatch((await reader.next())?.data ?? "", /"stage_html":"one"/);
    for (const word of ["two", "three"]) {
      await server.send({
        method: "PUT",
        target: "/home/live",
        headers: bearer(TOKEN),
        body: word,
      });
      assertMatch((await reader.next())?.data ?? "", new RegExp(`"stage_html":"${word}"`));
    }
  } finally {
    child.kill("SIGTERM");
    await child.status;
    await reader.close();
  }
}

async function assertWebDav({ url, curl }: ProxiedServer): Promise<void> {
  const dav = `${url}/dav/home/work`;
  const ask = (method: string, target: string, ...more: string[]) =>
    curl([...STATUS, ...APPROVE_HEADER, "-X", method, ...more, target]);
  assertEquals(await ask("MKCOL", `${dav}/`), "201");
  assertEquals(await ask("PUT", `${dav}/a.txt`, "-d", "text"), "201");
  assertEquals(await ask("COPY", `${dav}/a.txt`, "-H", `Destination: ${dav}/b.txt`), "201");
  assertEquals(await ask("MOVE", `${dav}/b.txt`, "-H", `Destination: ${dav}/c%20c.txt`), "201");
  assertEquals(await ask("MOVE", `${dav}/`, "-H", `Destination: ${url}/dav/home/moved/`), "201");
  assertEquals(
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
  assertMatch(listed, /moved\/a\.txt<[\s\S]*moved\/c%20c\.txt</);
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
  assertEquals(await ask("PUT", `${url}/dav/home/moved/a.txt`, "-d", "no"), "423");
  // A tagged list names the resource by its public URL.
  const tagged = `If: <${url}/dav/home/moved/a.txt> (${token})`;
  assertEquals(await ask("PUT", `${url}/dav/home/moved/a.txt`, "-d", "yes", "-H", tagged), "204");
  assertEquals(
    await ask("UNLOCK", `${url}/dav/home/moved/a.txt`, "-H", `Lock-Token: ${token}`),
    "204",
  );
  assertEquals(await ask("DELETE", `${url}/dav/home/moved/`), "204");
}

async function assertConditions({ url, curl }: ProxiedServer): Promise<void> {
  const page = `<h1>${"long ".repeat(1000)}</h1>`;
  await curl([...TOKEN_HEADER, "-X", "PUT", "-d", page, `${url}/home/page`]);
  // Browsers accept compressed responses; the entity tag must stay strong.
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
  assert(tag !== "", head);
  const write = ["-X", "PUT", "-d", "next", "-H", `If-Match: ${tag}`];
  assertEquals(await curl([...STATUS, ...TOKEN_HEADER, ...write, `${url}/home/page`]), "200");
  assertEquals(await curl([...STATUS, ...TOKEN_HEADER, ...write, `${url}/home/page`]), "412");
  assertEquals(await curl([...TOKEN_HEADER, "-r", "1-2", `${url}/home/page?raw`]), "ex");
  assertEquals(await curl([...STATUS, ...TOKEN_HEADER, "-I", `${url}/home/page`]), "200");
}

async function assertBodies({ url, curl, server }: ProxiedServer): Promise<void> {
  const bytes = crypto.getRandomValues(new Uint8Array(65_536));
  const whole = new Uint8Array(5 * 1024 * 1024);
  for (let at = 0; at < whole.length; at += bytes.length) whole.set(bytes, at);
  await withTempFolder(async (folder) => {
    await Deno.writeFile(`${folder}/whole`, whole);
    await Deno.writeFile(`${folder}/more`, new Uint8Array(whole.length + 1));
    const put = [...TOKEN_HEADER, "-T"];
    assertMatch(await curl([...put, `${folder}/whole`, `${url}/home/big`]), /"version":1/);
    await curl([...TOKEN_HEADER, "-o", `${folder}/back`, `${url}/home/big?raw`]);
    assertEquals(await Deno.readFile(`${folder}/back`), whole);
    assertMatch(await curl([...put, `${folder}/more`, `${url}/home/big`]), /"status":413/);
    const { text } = await server.approve("GET", "/proc/log/home/big");
    assertEquals(JSON.parse(text).length, 1);
  });
}

async function assertPolicy({ url, curl }: ProxiedServer): Promise<void> {
  const head = await curl([...TOKEN_HEADER, "-I", "-H", "Accept: text/html", `${url}/home/`]);
  const host = url.slice("https://".length);
  assertMatch(head, new RegExp(`script-src ${host.replaceAll(".", "\\.")}/usr/lib/shell/;`));
}

async function assertLog({ url, curl, log }: ProxiedServer): Promise<void> {
  await curl([...TOKEN_HEADER, `${url}/proc/version`]);
  for (const end = Date.now() + MAX_WAIT_MS; !log().includes(" /proc/version ");) {
    assert(Date.now() < end, `the access log has no line for the request: ${log()}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  assertMatch(log(), /^\S+ (?:127\.0\.0\.1|::1) T2 GET \/proc\/version 200 /m);
}
