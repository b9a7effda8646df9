/**
 * No secret leaves the server. One run requests every path with every credential and media type,
 * collects every response, header, event, log line, file name and listing, and searches them for the
 * secrets, also in other encodings.
 */

import {
  assert,
  assertEquals,
  assertMatch,
  assertNotStrictEquals,
  assertStrictEquals,
} from "../support/assert.ts";
import { narrow } from "../../lib/auth/capability.ts";
import { sha256Hex } from "../../lib/base/hash.ts";
import { EventReader } from "../support/event_reader.ts";
import {
  APPROVE,
  basic,
  bearer,
  CLOSED,
  KEY,
  oneServerTest,
  startTestServer,
  type TestServer,
  TOKEN,
} from "../support/test_server.ts";

const PASSWORD = "passw0rd-0f-ada";
const MOUNT = "b34r3r-0f-a-mount";

/** A secret in every encoding in which it could appear. */
function encodingsOf(secret: string): string[] {
  const bytes = new TextEncoder().encode(secret);
  const base64 = (text: string) => btoa(text).replace(/=+$/, "");
  return [
    secret,
    encodeURIComponent(secret),
    base64(secret).slice(2, -2),
    base64(`:${secret}`).slice(2, -2),
    base64(`x:${secret}`).slice(4, -2),
    [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join(""),
    sha256Hex(secret),
    [...secret].reverse().join(""),
    JSON.stringify([...bytes]).slice(1, -1),
  ].filter((text) => text.length > 8);
}

// deno-fmt-ignore
const TARGETS = [
  "/", "/home/", "/home/x", "/home/x?raw", "/home/x?at=1", "/home/absent", "/etc/", "/etc/passwd",
  "/etc/shadow", "/etc/shadow?raw", "/etc/shadow?at=1", "/etc/shadow?at=1&raw", "/etc/shadow?v=1",
  "/etc/fstab", "/etc/fstab?raw", "/etc/fstab?at=1", "/etc/fstab?at=2&raw", "/etc/fstab?v=2",
  "/boot/", "/boot/env", "/boot/plugins", "/usr/share/doc/note.md", "/usr/lib/shell/index.html",
  "/lib/", "/lib/p", "/var/", "/bin", "/dev/", "/mnt/", "/proc/", "/proc/status", "/proc/worlds",
  "/proc/uptime", "/proc/version", "/proc/audit/home/x", "/proc/log/home/x", "/proc/audit/etc/fstab",
  "/proc/log/etc/fstab", "/proc/audit/etc/shadow", "/proc/log/etc/shadow", "/proc/log/boot/env",
  "/proc/audit/boot/env", "/dav/", "/dav/etc/", "/dav/etc/shadow", "/dav/etc/fstab", "/dav/boot/",
  "/dav/home/x", "/auth/whoami", "/nowhere", "/home/a%00", "/home/x?at=x", "/home/x?at=99",
];
const MEDIA_TYPES = ["*/*", "text/plain", "application/json", "text/html"];

async function requestEverything(server: TestServer, callers: Record<string, string>[]) {
  for (const headers of callers) {
    const isT3 = headers.authorization === `Bearer ${server.approveToken}`;
    for (const target of TARGETS) {
      for (const accept of MEDIA_TYPES) {
        for (const method of ["GET", "HEAD"]) {
          // T3 can read these two worlds, the only ones that contain secrets.
          const mayContainSecret = isT3 && /^(\/dav)?\/etc\/(shadow|fstab)/.test(target) &&
            method === "GET";
          await server.send({ method, target, headers: { ...headers, accept } }, mayContainSecret);
        }
      }
      const range = { range: "bytes=0-200", "if-none-match": '"none"' };
      if (!isT3) await server.send({ method: "GET", target, headers: { ...headers, ...range } });
    }
    for (
      const method of ["PUT", "POST", "DELETE", "PATCH", "OPTIONS", "BREW", "TRACE", "PROPFIND"]
    ) {
      for (
        const target of ["/home/refused:", "/boot", "/etc/", "/nowhere", "/proc/status", "/bin"]
      ) {
        await server.send({ method, target, headers, body: "x" });
      }
    }
    // Secrets in a wrong place must not be echoed either.
    for (const secret of server.secrets) {
      const text = encodeURIComponent(secret);
      for (
        const target of [
          `/home/x?at=${text}`,
          `/home/x?v=${text}`,
          `/auth/whoami?token=${text}`,
          `/nowhere?token=${text}`,
        ]
      ) {
        const sent = { method: "GET", target, headers };
        // The error for an invalid query quotes the beginning of the value to its sender.
        await server.send(sent, /\?(at|v)=/.test(target));
      }
      const put = { method: "PUT", target: "/home/y?ext=x%2Fy", headers, body: secret };
      await server.send(put);
    }
  }
}

Deno.test("no response, header, event, log line, listing or file name contains a secret", async () => {
  const server = await startTestServer({ env: CLOSED });
  const hash = sha256Hex(PASSWORD);
  await server.approve("PUT", "/home/x", "content");
  await server.approve("PUT", "/lib/p", "export {}");
  await server.approve("PUT", "/etc/passwd", "ada:T2");
  await server.approve("PUT", "/etc/shadow", `ada:${hash}`);
  await server.approve("PUT", "/etc/fstab", `https://a /mnt/a bearer=${MOUNT}`);
  await server.approve("PUT", "/etc/fstab", `https://b /mnt/b ro,bearer=${MOUNT} rw`);
  const exp = Math.floor(Date.now() / 1000) + 600;
  const wide = server.capability("/home", "rw");
  const tight = narrow(wide, { prefix: "/home/x", mode: "rw", exp });
  const etc = server.capability("/etc", "rw");
  const callers = [
    {},
    bearer(TOKEN),
    bearer(APPROVE),
    basic("", TOKEN),
    basic("ada", PASSWORD),
    basic("ada", "wrong"),
    bearer(wide),
    bearer(tight),
    bearer(etc),
    bearer("wrong"),
  ];
  for (const secret of [tight, hash, PASSWORD, MOUNT]) server.secrets.add(secret);
  const streams = await Promise.all(
    callers.map((headers) =>
      EventReader.open(`http://127.0.0.1:${server.port}/stream/etc/`, headers)
    ),
  );
  for (const stream of streams) await stream.next();
  await requestEverything(server, callers);
  // Each of them writes once, so that its name appears in an event log.
  for (const headers of [bearer(TOKEN), basic("ada", PASSWORD), bearer(wide), bearer(tight)]) {
    await server.send({ method: "PUT", target: "/home/x", headers, body: "content" });
  }
  const log = await server.send({ method: "GET", target: "/proc/log/home/x" });
  assertMatch(log.text, /"by":"cap:\/home\/x".*"by":"cap:\/home".*"by":"user:ada".*"by":"T2"/);
  await server.approve("PUT", "/etc/fstab", `https://c /mnt/c bearer=${MOUNT}`);
  await server.approve("PUT", "/etc/shadow", `# end\nada:${hash}`);
  await server.approve("PUT", "/etc/last", "end");
  for (const [i, stream] of streams.entries()) {
    if (stream.response.status === 200) {
      while (!stream.wire.includes('"name":"etc/last"')) await stream.next();
    }
    await stream.close();
    if (i !== 2) server.assertNoSecret(stream.wire, `the stream of caller ${i}`);
    else assert(stream.wire.includes(MOUNT));
  }
  await server.stop();
  // The nodes of a cluster have no data folder.
  const files = server.isCluster ? [] : [...walk(server.data)];
  const everything = [...server.answers, ...server.log, ...files].join("\n");
  for (const secret of server.secrets) {
    for (const encoding of encodingsOf(secret)) {
      assert(!everything.includes(encoding), `${secret} as ${encoding}`);
    }
  }
  // No file of the data folder contains a secret of the settings. A password hash is in its own world.
  for (const file of files) {
    const bytes = await Deno.readFile(file);
    const text = new TextDecoder("latin1").decode(bytes);
    for (const secret of [TOKEN, APPROVE, KEY, wide, tight, etc, PASSWORD]) {
      assert(!text.includes(secret), `${file} contains ${secret}`);
    }
  }
  assert(server.answers.length > 4000, `${server.answers.length} answers`);
  await server.close();
});

function* walk(folder: string): Generator<string> {
  for (const { name, isDirectory } of Deno.readDirSync(folder)) {
    if (isDirectory) yield* walk(`${folder}/${name}`);
    else yield `${folder}/${name}`;
  }
}

const GENERATED = "generated secrets are stored in files that only the user of the server can read";
oneServerTest(GENERATED, "a node gets its secrets from its settings", async () => {
  const folder = await Deno.makeTempDir({ prefix: "elastik-test-" });
  const env = { ELASTIK_KEY: undefined, ELASTIK_APPROVE_TOKEN: undefined };
  try {
    const data = `${folder}/data`;
    const first = await startTestServer({ env, data });
    const key = (await Deno.readTextFile(`${data}/.key`)).trim();
    assertMatch(key, /^[0-9a-f]{64}$/);
    assertMatch(first.approveToken, /^[0-9a-f]{64}$/);
    assertNotStrictEquals(key, first.approveToken);
    assertEquals(first.hasNewToken, true);
    first.secrets.add(key);
    await requestEverything(first, [{}, bearer("wrong"), bearer(first.approveToken)]);
    assertEquals((await first.approve("PUT", "/etc/x", "x")).status, 201);
    await first.stop();
    const second = await startTestServer({ env, data });
    assertEquals([second.hasNewToken, second.approveToken], [false, first.approveToken]);
    await second.audit();
    await second.stop();
    for (const file of walk(data)) {
      const { mode } = await Deno.stat(file);
      const text = new TextDecoder("latin1").decode(await Deno.readFile(file));
      const containsSecret = [key, first.approveToken].some((secret) => text.includes(secret));
      assertStrictEquals(containsSecret, /\/\.(key|approve-token)$/.test(file), file);
      if (containsSecret && Deno.build.os !== "windows") {
        assertEquals((mode ?? 0) & 0o777, 0o600, file);
      }
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
