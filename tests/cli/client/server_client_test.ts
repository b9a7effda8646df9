import { assert, assertEquals, assertRejects, assertThrows } from "../../support/assert.ts";
import { UsageError } from "../../../lib/cli/parse_args.ts";
import {
  configuredUrl,
  problemText,
  readProperty,
  refusalText,
  resolveServer,
  ServerClient,
  UnreachableError,
} from "../../../lib/cli/client/server_client.ts";
import { canCertify, certify, certifyEndEntity } from "../../support/certificate.ts";
import { BreakingServer } from "../../support/breaking_server.ts";
import { withTempFolder } from "../../support/temp_folder.ts";
import { createClosedUrl, startImpostor } from "./impostor.ts";

const env = (settings: Record<string, string>) => (name: string) => settings[name];

Deno.test("resolveServer() uses the server of the settings unless a URL is given", () => {
  assertEquals(resolveServer(env({}), undefined).client.base, "http://127.0.0.1:3005");
  assertEquals(
    resolveServer(env({ ELASTIK_PORT: "8080" }), undefined).client.base,
    "http://127.0.0.1:8080",
  );
  const rows: readonly [string, string][] = [
    ["http://x.example/", "http://x.example"],
    ["https://x.example:444/sub/", "https://x.example:444/sub"],
    ["localhost:3005", "http://localhost:3005"],
    ["[::1]:3005", "http://[::1]:3005"],
  ];
  for (const [url, base] of rows) assertEquals(resolveServer(env({}), url).client.base, base);
});

Deno.test("resolveServer() throws for a malformed URL and for one with credentials", () => {
  for (
    const url of ["ftp://x", "http://", "http://u:p@x", "http://x/?q", "javascript://x", "", "a b"]
  ) {
    assertThrows(() => resolveServer(env({}), url), UsageError, url);
  }
});

Deno.test("configuredUrl() returns an address that accepts connections", () => {
  assertEquals(configuredUrl({ host: "0.0.0.0", port: 1 }), "http://127.0.0.1:1");
  assertEquals(configuredUrl({ host: "::", port: 1 }), "http://[::1]:1");
  assertEquals(configuredUrl({ host: "::1", port: 1 }), "http://[::1]:1");
  assertEquals(configuredUrl({ host: "192.0.2.1", port: 1 }), "http://192.0.2.1:1");
  assertEquals(
    configuredUrl({ host: "::1", port: 1, tls: { cert: "c", key: "k" } }),
    "https://[::1]:1",
  );
});

Deno.test("ServerClient.request() does not send a credential to a redirect target", async () => {
  const target = startImpostor(() => Response.json({ pid: Deno.pid }));
  const impostor = startImpostor(() =>
    new Response(null, { status: 307, headers: { location: target.url } })
  );
  const { status } = await new ServerClient(impostor.url)
    .request("GET", "/proc/status", { credential: "5ecret" });
  await impostor.stop();
  await target.stop();
  assertEquals(status, 307);
  assertEquals(target.requests.length, 0);
});

Deno.test("ServerClient.request() throws UnreachableError with the URL and advice", async () => {
  await assertRejects(
    new ServerClient(createClosedUrl()).request("GET", "/"),
    (error) =>
      error instanceof UnreachableError &&
      /^Cannot reach http:\/\/127\.0\.0\.1:\d+: .*; start the server, or give its URL with --url/
        .test(error.message),
  );
});

Deno.test({
  name: "ServerClient.request() explains a certificate that it does not trust",
  ignore: !canCertify(),
  fn: () =>
    withTempFolder(async (folder) => {
      const rows = [
        [certifyEndEntity, /certificate.*; give the URL with the name .*--url; if .*DENO_CERT/],
        // openssl makes the certificate of an authority by default.
        [certify, /certificate.*; make the certificate again, .*CA:FALSE$/],
      ] as const;
      for (const [create, says] of rows) {
        const { cert, key } = await create(folder, create.name);
        await using server = Deno.serve({
          port: 0,
          hostname: "127.0.0.1",
          cert: await Deno.readTextFile(cert),
          key: await Deno.readTextFile(key),
          onListen: () => {},
        }, () => new Response());
        await assertRejects(
          new ServerClient(`https://localhost:${server.addr.port}`).request("GET", "/"),
          (error) => error instanceof UnreachableError && says.test(error.message),
        );
      }
    }),
});

Deno.test("ServerClient.request() reads what any node acknowledged before, unless it is told otherwise", async () => {
  await using server = Deno.serve(
    { port: 0, hostname: "127.0.0.1", onListen: () => {} },
    ({ headers }) => new Response(headers.get("cache-control") ?? "none"),
  );
  const client = new ServerClient(`http://127.0.0.1:${server.addr.port}`);
  const stale = { headers: { "cache-control": "max-stale" } };
  assertEquals((await client.request("GET", "/")).text, "no-cache");
  assertEquals((await client.request("GET", "/", stale)).text, "max-stale");
  assertEquals((await client.request("PUT", "/home/x", { body: "x" })).text, "none");
});

Deno.test("problemText() returns the detail of a problem, sanitized", () => {
  const problem = { status: 403, text: "", json: { detail: "Cannot\n\x1b]0;x\x07do it" } };
  assertEquals(problemText(problem), "Cannot??]0;x?do it");
  assertEquals(problemText({ status: 500, text: " plain \n", json: undefined }), "plain");
  assert(problemText({ status: 500, text: "x".repeat(9999), json: [] }).length === 2000);
});

Deno.test("refusalText() names the settings if a credential is required", () => {
  const problem = { text: "", json: { detail: "Cannot read it" } };
  assertEquals(
    refusalText({ ...problem, status: 401 }),
    "Cannot read it; set ELASTIK_APPROVE_TOKEN, or ELASTIK_TOKEN, to the server's token",
  );
  assertEquals(refusalText({ ...problem, status: 404 }), "Cannot read it");
});

Deno.test("readProperty() reads own properties of objects only", () => {
  assertEquals(readProperty({ a: 1 }, "a"), 1);
  assertEquals(readProperty({}, "toString"), undefined);
  assertEquals(readProperty(null, "a"), undefined);
  assertEquals(readProperty("text", "length"), undefined);
});

Deno.test("ServerClient sends no request twice when the server closes connections that were used", async () => {
  using server = new BreakingServer();
  const client = new ServerClient(server.url);
  for (let at = 0; at < 3; at++) {
    const { status } = await client.request("POST", `/home/${at}`, { body: "one" });
    assertEquals(status, 200);
  }
  const stream = await client.open("/stream/", { signal: new AbortController().signal });
  assertEquals(await stream.text(), "{}");
  assertEquals(server.requests, ["POST /home/0", "POST /home/1", "POST /home/2", "GET /stream/"]);
});
