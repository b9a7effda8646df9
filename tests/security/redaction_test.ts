/**
 * Property: a caller below T3 can read no secret of `/etc/fstab`, in any spelling and in any way, and
 * no response depends on a secret, its length included.
 */

import { assert, assertEquals, assertMatch } from "../support/assert.ts";
import { EventReader } from "../support/event_reader.ts";
import { putWorld, withPluginServer } from "../support/plugin_server.ts";
import { bearer, CLOSED, type TestServer, TOKEN, withServer } from "../support/test_server.ts";

const SPELLINGS: readonly ((secret: string) => string | Uint8Array)[] = [
  (secret) => `https://x /mnt/a ro,bearer=${secret}`,
  (secret) => `https://x /mnt/a ro,timeout=3,bearer=aaaa,${secret}`,
  (secret) => `https://x /mnt/a ro,Bearer = ${secret}`,
  (secret) => `https://x /mnt/a ro,token=${secret}`,
  (secret) => `https://x /mnt/a ro,${secret}`,
  (secret) => `https://x /mnt/a ${secret}`,
  (secret) => `https://x/?key=${secret} /mnt/a ro`,
  (secret) => `https://x/${secret} /mnt/a ro`,
  (secret) => `https://u:${secret}@x /mnt/a ro`,
  (secret) => `https://u:p/${secret}@x /mnt/a ro`,
  (secret) => `s3://x/${secret} /mnt/a ro`,
  (secret) => `Authorization: Bearer ${secret}`,
  (secret) => `# old: bearer ${secret}`,
  (secret) => `/srv/a /mnt/a ro # ${secret}`,
  (secret) => `/srv/a bearer=${secret} /mnt/a ro`,
  (secret) => `{"bearer":"${secret}"}`,
  (secret) => `\ufeff${secret}`,
  (secret) => new Uint8Array([0xff, ...new TextEncoder().encode(secret)]),
  (secret) =>
    new Uint8Array(Uint16Array.from([...`\ufeff${secret}`], (c) => c.charCodeAt(0)).buffer),
];

/** Every way to read the world `/etc/fstab/<name>`: target, and headers. */
const READS: readonly (readonly [target: string, headers?: Record<string, string>])[] = [
  ["GET /etc/fstab/NAME"],
  ["GET /etc/fstab/NAME", { accept: "text/plain" }],
  ["GET /etc/fstab/NAME", { accept: "text/html" }],
  ["GET /etc/fstab/NAME?raw"],
  ["HEAD /etc/fstab/NAME?raw"],
  ["GET /etc/fstab/NAME?raw", { range: "bytes=-1" }],
  ["GET /etc/fstab/NAME?raw", { range: "bytes=9999-" }],
  ["GET /etc/fstab/NAME?at=1"],
  ["GET /etc/fstab/NAME?at=1&raw"],
  ["GET /etc/fstab/", { accept: "application/json" }],
  ["GET /proc/log/etc/fstab/NAME"],
  ["GET /proc/audit/etc/fstab/NAME"],
  ["GET /proc/snapshot/etc/fstab/NAME"],
  ["GET /proc/worlds", { accept: "application/json" }],
  ["GET /dav/etc/fstab/NAME"],
  ["HEAD /dav/etc/fstab/NAME"],
  ["PROPFIND /dav/etc/fstab/NAME", { depth: "0" }],
  ["COPY /dav/etc/fstab/NAME", { destination: "/dav/home/NAME" }],
  ["GET /home/NAME?raw"],
  ["GET /proc/log/home/NAME"],
];
const STREAMS = ["/stream/etc/fstab/NAME", "/stream/etc/fstab/", "/stream/etc/fstab/?brief"];

/** Replaces what differs between two worlds with the same content: names, times, chains. */
function normalize(text: string, name: string): string {
  return text.replaceAll(name, "NAME")
    .replace(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, "TIME")
    .replace(/[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} [\d:]+ GMT/g, "DATE")
    .replace(/(hmac":")[0-9a-f]{64}/g, "$1HMAC")
    .replace(/"\d+-[0-9a-f]{12}\.dav/g, '"TAG.dav')
    .replace(/&quot;\d+-[0-9a-f]{12}\.dav/g, "&quot;TAG.dav")
    // Names and times are part of these tags.
    .replace(/"[0-9a-f]{16}\.list(?:-json)?"/g, "LIST")
    .replace(/^(?:id|date|elastik-at|x-request-id|server-timing): .*$/gim, "");
}

async function readAll(
  server: TestServer,
  name: string,
  credential: Record<string, string>,
): Promise<string[]> {
  const found: string[] = [];
  for (const [line, headers = {}] of READS) {
    const [method = "", target = ""] = line.split(" ");
    const own = Object.entries({ ...headers, ...credential })
      .map(([key, value]) => [key, value.replaceAll("NAME", name)]);
    const request = { method, target: target.replaceAll("NAME", name) };
    const reply = await server.send({ ...request, headers: Object.fromEntries(own) });
    found.push(normalize(`${line}\n${reply.head}\n${reply.text}`, name));
  }
  for (const target of STREAMS) {
    const url = `http://127.0.0.1:${server.port}${target.replaceAll("NAME", name)}`;
    const reader = await EventReader.open(url, credential);
    await reader.next();
    server.assertNoSecret(reader.wire, target);
    found.push(normalize(`${target}\n${reader.wire}`, name));
    await reader.close();
  }
  return found;
}

Deno.test("no response to a caller below T3 depends on a secret of the mount table", async (t) => {
  const short = "s3kr";
  const long = "s3kr3t-0f-f0rty-letters-and-a-few-more-x";
  await withServer({ env: CLOSED }, async (server) => {
    for (const secret of [short, long]) server.secrets.add(secret);
    const capability = bearer(server.capability("/etc", "r"));
    for (const [at, spell] of SPELLINGS.entries()) {
      await t.step(`spelling ${at}`, async () => {
        const callers = at === 0 ? [bearer(TOKEN), {}, capability] : [bearer(TOKEN)];
        const readings: string[][][] = [];
        for (const [name, secret] of [[`wa-${at}`, short], [`wb-${at}`, long]] as const) {
          const put = await server.approve("PUT", `/etc/fstab/${name}`, spell(secret));
          assertEquals(put.status, 201);
          const found: string[][] = [];
          for (const caller of callers) found.push(await readAll(server, name, caller));
          readings.push(found);
          for (const path of [`/etc/fstab/${name}`, `/home/${name}`]) {
            await server.approve("DELETE", path);
          }
        }
        assertEquals(readings[1], readings[0]);
      });
    }
  });
});

Deno.test("T3 reads the mount table as it was written, and T2 reads mounts, modes and hosts", async () => {
  await withServer({ env: CLOSED }, async (server) => {
    const table = "/srv/docs /mnt/docs ro\nhttps://api.example /mnt/api ro,bearer=s3kr3t\n";
    await server.approve("PUT", "/etc/fstab", table);
    const request = { method: "GET", target: "/etc/fstab?raw" };
    const full = await server.send({ ...request, headers: bearer(server.approveToken) });
    assertEquals(full.text, table);
    const seen = await server.send({ ...request, headers: bearer(TOKEN) });
    assertEquals(seen.text, table.replace("s3kr3t", "***"));
    assert(full.headers.get("etag") !== seen.headers.get("etag"));
    const listing = await server.approve("GET", "/etc/");
    assertMatch(listing.text, /fstab/);
  });
});

Deno.test("the permissions of the plugin of the mount table show no secret of a misspelt line", async () => {
  const options = { plugins: ["fstab"], worlds: { "/etc/fstab": "# none\n" } };
  await withPluginServer(options, async (server) => {
    const reads = [
      "/lib/fstab/state",
      "/proc/log/lib/fstab",
      "/proc/snapshot/lib/fstab",
      "/mnt",
      "/mnt/a/",
      "/dav/mnt/a/",
      "/bin",
    ];
    const lines = [
      "https://user:47113/s3kr3t@host.example/ /mnt/a ro",
      "/srv/docs;bearer=s3kr3t /mnt/a ro",
      "/srv/docs bearer=s3kr3t /mnt/a ro",
      "file:///srv/docs?bearer=s3kr3t /mnt/a ro",
    ];
    for (const secret of ["s3kr3t", "47113"]) server.secrets.add(secret);
    for (const line of lines) {
      await putWorld(server, "/etc/fstab", `${line}\n`);
      for (const target of reads) {
        for (const headers of [{}, bearer(TOKEN)]) {
          await server.send({ method: "GET", target, headers });
        }
      }
    }
  });
});
