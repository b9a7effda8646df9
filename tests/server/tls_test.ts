import { assert, assertEquals, assertMatch, assertThrows } from "../support/assert.ts";
import { ConfigError } from "../../lib/config.ts";
import { readTls, toTlsError } from "../../lib/server/tls.ts";
import { canCertify, certify, certifyEndEntity, openssl } from "../support/certificate.ts";
import { APPROVE, CLOSED, TOKEN } from "../support/test_server.ts";
import { fromCheckout, onPath, runProgram, startProgram } from "../project/program.ts";
import { withTempFolder } from "../support/temp_folder.ts";

const able = canCertify() && onPath("curl");
const skipped = able ? "" : " (skipped: no openssl and curl here)";

function test(name: string, act: (folder: string) => Promise<void>): void {
  Deno.test({ name: `${name}${skipped}`, ignore: !able, fn: () => withTempFolder(act) });
}

/** Runs a test with a server that has its own certificate. */
async function withTlsServer(
  folder: string,
  env: Record<string, string>,
  act: (cert: string, port: string) => Promise<void>,
): Promise<void> {
  const { cert, key } = await certify(folder, "own");
  const tls = { ELASTIK_TLS_CERT: cert, ELASTIK_TLS_KEY: key, ELASTIK_SYNC: "normal" };
  const program = await startProgram(fromCheckout(folder, [], { ...tls, ...env }));
  try {
    await act(cert, new URL(program.url).port);
  } finally {
    await program.stop();
  }
  assert(!program.output().includes("PRIVATE"), program.output());
}

/** Sends a request with curl, which trusts this certificate only. */
async function curl(cert: string, args: readonly string[], code = 0): Promise<string> {
  const { code: ended, stdout, stderr } = await runProgram({
    command: "curl",
    args: ["-s", "--show-error", "--noproxy", "*", "--cacert", cert, ...args],
    cwd: "/",
  });
  assertEquals(ended, code, stderr);
  return stdout;
}

test("a server with a certificate speaks HTTP/2 and HTTP/1.1 over TLS", (folder) =>
  withTlsServer(folder, {}, async (cert, port) => {
    const url = `https://localhost:${port}`;
    for (const [flag, version] of [["--http2", "2"], ["--http1.1", "1.1"]] as const) {
      const world = `${url}/home/h${version}`;
      const put = await curl(cert, [flag, "-w", " %{http_version}", "-T", cert, world]);
      assertMatch(
        put,
        new RegExp(`^\\{"version":1,"ext":"txt"\\}\\n ${version.replace(".", "\\.")}$`),
      );
      assertEquals(await curl(cert, [flag, `${world}?raw`]), await Deno.readTextFile(cert));
      // A stream does not end; 28 is the exit code of curl for a timeout.
      let stream = "";
      for (const seconds of ["1", "8", "60"]) {
        const target = `${url}/stream/home/h${version}`;
        stream = await curl(cert, [flag, "-Nm", seconds, target], 28);
        if (stream.includes("data: ")) break;
      }
      assertMatch(stream, /^event: update\nid: 1\ndata: \{/m);
    }
    // Handlers answer HEAD like GET; the body must be removed before HTTP/2 sends it.
    for (
      const path of ["/home/h2?raw", "/home/", "/proc/status", "/bin", "/dav/home/h2", "/stream/"]
    ) {
      assertMatch(await curl(cert, ["--http2", "-I", `${url}${path}`]), /^HTTP\/2 200/, path);
    }
    assertMatch(await curl(cert, ["--http2", "-I", `${url}/nothing`]), /^HTTP\/2 404/);
    const head = await curl(cert, ["--http2", "-I", `${url}/home/h2`]);
    assertMatch(head, /^content-length: [1-9]/m);
    // Other services of the same name may speak plain HTTP, which HSTS would block.
    assert(!/strict-transport-security/i.test(head), head);
  }));

test("createGate() uses :authority over HTTP/2 for unknown hosts, foreign pages and the policy", (folder) =>
  withTlsServer(folder, {}, async (cert, port) => {
    const ask = (args: readonly string[]) =>
      curl(cert, ["--http2", "-o", "/dev/null", "-D", "-", ...args]);
    const rebound = ["--resolve", `evil.example:${port}:127.0.0.1`, "-k"];
    assertMatch(await ask([...rebound, `https://evil.example:${port}/home/`]), /^HTTP\/2 403/);
    const own = `https://localhost:${port}`;
    const put = ["-X", "PUT", "-d", "x", `${own}/home/x`];
    assertMatch(await ask(["-H", "Origin: https://evil.example", ...put]), /^HTTP\/2 403/);
    assertMatch(await ask(["-H", `Origin: ${own}`, ...put]), /^HTTP\/2 201/);
    const shell = await ask(["-H", "Accept: text/html", `${own}/`]);
    assertMatch(shell, new RegExp(`script-src localhost:${port}/usr/lib/shell/;`));
    assertMatch(
      await ask(["-X", "COPY", "-H", `Destination: ${own}/dav/home/y`, `${own}/dav/home/x`]),
      /^HTTP\/2 201/,
    );
    assertMatch(
      await ask([
        "-X",
        "COPY",
        "-H",
        "Destination: https://evil.example/dav/home/z",
        `${own}/dav/home/x`,
      ]),
      /^HTTP\/2 502/,
    );
  }));

test("createGate() with tokens requires a credential under an unknown name over HTTP/2", (folder) =>
  withTlsServer(folder, { ...CLOSED }, async (cert, port) => {
    const url = `https://box.example:${port}/home/`;
    const args = ["--http2", "-k", "--resolve", `box.example:${port}:127.0.0.1`];
    const status = ["-o", "/dev/null", "-w", "%{http_code}", url];
    assertEquals(await curl(cert, [...args, ...status]), "401");
    assertEquals(
      await curl(cert, [...args, "-H", `Authorization: Bearer ${TOKEN}`, ...status]),
      "200",
    );
  }));

test("readTls() explains what is wrong with a file, without its content", async (folder) => {
  const own = await certify(folder, "own");
  const other = await certify(folder, "other");
  const secret = (await Deno.readTextFile(own.key)).split("\n")[1] ?? "";
  const locked = `${folder}/locked.key`;
  await openssl(["ec", "-in", own.key, "-aes128", "-passout", "pass:x", "-out", locked]);
  await Deno.writeFile(`${folder}/binary`, new Uint8Array([255, 0, 254]));
  await Deno.writeTextFile(`${folder}/torn.crt`, "-----BEGIN CERTIFICATE-----\nAAAA\n");
  const rows: readonly [string, string, RegExp][] = [
    [`${folder}/none`, own.key, /ELASTIK_TLS_CERT=.*none: there is no such file/],
    [own.cert, `${folder}/none`, /ELASTIK_TLS_KEY=.*none: there is no such file/],
    [own.key, own.key, /ELASTIK_TLS_CERT=.*: it contains no PEM certificate/],
    [own.cert, own.cert, /ELASTIK_TLS_KEY=.*: it contains no PEM private key/],
    [own.cert, locked, /the key is encrypted/],
    [own.cert, `${folder}/binary`, /ELASTIK_TLS_KEY=.*: it contains no PEM private key/],
    [folder, own.key, /ELASTIK_TLS_CERT=.*it is a folder, not a file/],
  ];
  for (const [cert, key, words] of rows) {
    assertThrows(() => readTls({ cert, key }, () => {}), (error: Error) => {
      assert(error instanceof ConfigError);
      assertMatch(error.message, words);
      return !error.message.includes(secret);
    });
  }
  const warnings: string[] = [];
  for (
    const [mode, warned] of [[0o600, 0], [0o640, 0], [0o660, 1], [0o644, 1], [0o602, 1]] as const
  ) {
    await Deno.chmod(own.key, mode);
    warnings.length = 0;
    readTls(own, (line) => void warnings.push(line));
    assertEquals(warnings.length, warned, mode.toString(8));
    for (const line of warnings) assertMatch(line, /other users .*chmod 600/);
  }
  assertEquals(other.cert === own.cert, false);
});

test("serve exits with one sentence if certificate and key do not match or one is missing", async (folder) => {
  const own = await certify(folder, "own");
  const other = await certify(folder, "other");
  await Deno.writeTextFile(`${folder}/torn.crt`, "-----BEGIN CERTIFICATE-----\nAAAA\n");
  const rows: readonly [Record<string, string>, RegExp][] = [
    [{ ELASTIK_TLS_CERT: own.cert }, /^Cannot use ELASTIK_TLS_CERT: ELASTIK_TLS_KEY is not set/],
    [{ ELASTIK_TLS_KEY: own.key }, /^Cannot use ELASTIK_TLS_KEY: ELASTIK_TLS_CERT is not set/],
    [
      { ELASTIK_TLS_CERT: own.cert, ELASTIK_TLS_KEY: other.key },
      /^Cannot use ELASTIK_TLS_KEY=\S+: it is not the key of the certificate \S+$/m,
    ],
    [
      { ELASTIK_TLS_CERT: `${folder}/torn.crt`, ELASTIK_TLS_KEY: own.key },
      /^Cannot use ELASTIK_TLS_CERT=\S+ with ELASTIK_TLS_KEY=\S+: Deno rejects them/,
    ],
  ];
  for (const [env, words] of rows) {
    const { code, stderr } = await runProgram(fromCheckout(folder, [], env));
    assertEquals(code, 1);
    assertMatch(stderr, words);
    assertEquals(stderr.trimEnd().split("\n").length, 1, stderr);
  }
});

test("serve prints an https URL, and its suggested command works with the certificate", async (folder) => {
  const { cert, key } = await certify(folder, "own");
  const env = { ELASTIK_TLS_CERT: cert, ELASTIK_TLS_KEY: key };
  const program = await startProgram(fromCheckout(folder, [], env));
  const command = /^try: (.*)$/m.exec(program.output())?.[1] ?? "";
  const tried = await runProgram({
    command: "bash",
    args: ["-c", `${command} --cacert '${cert}'`],
    cwd: folder,
  });
  await program.stop();
  assertMatch(program.url, /^https:\/\/127\.0\.0\.1:\d+$/);
  assertEquals(tried.stdout, '{"version":1,"ext":"html"}\n', tried.stderr);
});

test("boot, plugins and mint trust the certificate of the settings", async (folder) => {
  const { cert, key } = await certifyEndEntity(folder, "own");
  const env = { ELASTIK_TLS_CERT: cert, ELASTIK_TLS_KEY: key };
  const program = await startProgram(fromCheckout(folder, [], env));
  const settings = { ...env, ELASTIK_PORT: new URL(program.url).port };
  for (const words of [["boot"], ["plugins"], ["mint", "/home/x"]]) {
    const { code, stdout, stderr } = await runProgram(fromCheckout(folder, words, settings));
    assertEquals(code, 0, `${words[0]} ${stdout}${stderr}`);
  }
  await program.stop();
});

test("a plugin cannot be granted the folder of the key, by name, by symlink or by a parent", async (folder) => {
  const keys = `${folder}/keys`;
  await Deno.mkdir(keys);
  await Deno.symlink(keys, `${folder}/link`);
  await withTlsServer(keys, { ...CLOSED, ELASTIK_DATA: `${folder}/data` }, async (cert, port) => {
    const ask = (method: string, path: string, body: string) =>
      curl(cert, [
        "-X",
        method,
        "-H",
        `Authorization: Bearer ${APPROVE}`,
        "--data-binary",
        body,
        `https://127.0.0.1:${port}${path}`,
      ]);
    for (const path of [`${keys}/own.key`, keys, `${folder}/link`, `${folder}/link/own.key`]) {
      const source = `export const description = "a thief";
export const routes = ["/thief"];
export const permissions = { read: [${JSON.stringify(path)}] };
export default { fetch: () => new Response("") };
`;
      await ask("PUT", "/lib/thief", source);
      const refused = await ask("PUT", "/lib/thief/state", "active");
      assertMatch(refused, /"status":422.*overlaps the server's own data, key or settings/, path);
    }
  });
});

Deno.test("toTlsError() returns errors that are not about certificates unchanged", () => {
  const files = { cert: "c", key: "k" };
  for (const error of [new Deno.errors.AddrInUse("key"), new Error("disk"), "text"]) {
    assertEquals(toTlsError(error, files), error);
  }
});
