/**
 * The property: text that people write with any editor means what they see, or is reported. Encoded
 * content is refused and never stored.
 */

import { assert, assertEquals, assertMatch } from "../support/assert.ts";
import { sha256Hex } from "../../lib/base/hash.ts";
import { basic, bearer, CLOSED, OPEN, TOKEN, withServer } from "../support/test_server.ts";

const encoder = new TextEncoder();

function utf16(text: string): Uint8Array {
  const bytes = new Uint8Array(2 + text.length * 2);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, 0xfeff, true);
  for (let i = 0; i < text.length; i++) view.setUint16(2 + i * 2, text.charCodeAt(i), true);
  return bytes;
}

Deno.test("content with a Content-Encoding is refused with 415 and nothing is stored", () =>
  withServer({ env: OPEN }, async (server) => {
    const t3 = bearer(server.approveToken);
    const requests: readonly [string, string][] = [
      ["PUT", "/home/x"],
      ["POST", "/home/x"],
      ["PATCH", "/home/x"],
      ["PUT", "/dav/home/x"],
      ["PROPPATCH", "/dav/home/"],
      ["PROPFIND", "/dav/home/"],
      ["LOCK", "/dav/home/x"],
      ["PUT", "/lib/x"],
      ["PUT", "/lib/x/state"],
      ["PUT", "/mnt/x/y"],
      ["PUT", "/etc/passwd"],
      ["POST", "/auth/mint?prefix=/home"],
    ];
    const codings = [
      "gzip",
      "x-gzip",
      "br",
      "zstd",
      "deflate",
      "aes128gcm",
      "identity, gzip",
      "gzip,",
      "GZIP",
    ];
    for (const [method, target] of requests) {
      for (const coding of codings) {
        const about = `${method} ${target} ${coding}`;
        const reply = await server.send({
          method,
          target,
          headers: { ...t3, "content-encoding": coding },
          body: "\u001f\u008b",
        });
        assertEquals([about, reply.status], [about, 415]);
        assertMatch(reply.head, /accept-encoding: identity/i, about);
        assertMatch(reply.text, /unsupported-media-type/, about);
      }
    }
    for (const name of ["/home/x", "/lib/x", "/etc/passwd"]) {
      assertEquals((await server.send({ method: "GET", target: name, headers: t3 })).status, 404);
    }
    for (const coding of ["identity", "Identity", "", "identity, identity"]) {
      const { status } = await server.send({
        method: "PUT",
        target: "/home/x",
        headers: { "content-encoding": coding },
        body: "x",
      });
      assert(status < 300, `${coding}: ${status}`);
    }
  }));

Deno.test("accounts mean the same in every text encoding, and other bytes are reported", () =>
  withServer({ env: CLOSED }, async (server) => {
    const name = "jos\u00e9";
    const passwd = `# accounts\r\n${name.normalize("NFD")}:T3 \t\r\n`;
    const shadow = `${name}:${sha256Hex("correct horse")}\r\n`;
    const tier = async () => {
      const headers = basic(name, "correct horse");
      const { status, text } = await server.send({
        method: "GET",
        target: "/auth/whoami",
        headers,
      });
      return status === 200 ? JSON.parse(text).tier : status;
    };
    const encodings: Record<string, (text: string) => Uint8Array> = {
      "UTF-8": (text) => encoder.encode(text),
      "byte order mark": (text) => encoder.encode(`\ufeff${text}`),
      "UTF-16": utf16,
      "CR": (text) => encoder.encode(text.replaceAll("\r\n", "\r")),
    };
    for (const [encoding, encode] of Object.entries(encodings)) {
      await server.approve("PUT", "/etc/passwd", encode(passwd));
      await server.approve("PUT", "/etc/shadow", encode(shadow));
      assertEquals([encoding, await tier()], [encoding, "T3"]);
    }
    const broken: Record<string, Uint8Array> = {
      "UTF-16 without a mark": utf16(shadow).subarray(2),
      "Latin-1": Uint8Array.from(shadow, (char) => char.charCodeAt(0)),
    };
    for (const [encoding, bytes] of Object.entries(broken)) {
      const lines = server.log.length;
      await server.approve("PUT", "/etc/shadow", bytes);
      assertEquals([encoding, await tier()], [encoding, 401]);
      assertMatch(
        server.log.slice(lines).join("\n"),
        /accounts are disabled: \/etc\/shadow is not text/,
      );
      assertEquals(
        (await server.send({ method: "GET", target: "/auth/whoami", headers: bearer(TOKEN) }))
          .status,
        200,
      );
    }
    await server.approve("PUT", "/etc/shadow", shadow);
    await server.approve("PUT", "/etc/passwd", `${passwd}eve: T3\nmallory\n`);
    assertEquals(await tier(), "T3");
    assertMatch(
      server.log.join("\n"),
      /accounts: \/etc\/passwd has lines that are ignored, .*: 3, 4/,
    );
  }));
