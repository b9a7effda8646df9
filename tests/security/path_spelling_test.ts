/**
 * Hundreds of spellings that some URL parsers read as another path, sent without normalization. No
 * response may contain a private world, and no request may write outside the prefix of its capability.
 */

import { assert, assertEquals, assertStrictEquals } from "../support/assert.ts";
import { APPROVE, bearer, CLOSED, suite, type TestServer, TOKEN } from "../support/test_server.ts";
import type { Reply } from "../support/wire.ts";
import { SLASHES, traversalTargets } from "./path_spellings.ts";

const test = suite("no spelling of a path bypasses the policy", { env: CLOSED });

const SECRET = "5h4d0w-m4rk3r";

/** Request targets that some URL parsers read as this path. */
function spellings(path: string): string[] {
  const bare = path.slice(1);
  const [first = "", ...rest] = bare.split("/");
  const last = rest.join("/");
  const encodeAll = (text: string, lower = false) =>
    [...text].map((c) => {
      const hex = c.charCodeAt(0).toString(16).padStart(2, "0");
      return `%${lower ? hex : hex.toUpperCase()}`;
    }).join("");
  const toFullWidth = (text: string) =>
    encodeURIComponent(String.fromCharCode(...[...text].map((c) => c.charCodeAt(0) + 0xfee0)));
  return [
    ...SLASHES.map((slash) => `/${first}${slash}${last}`),
    ...SLASHES.map((slash) => `${slash}${bare}`),
    ...SLASHES.map((slash) => `/${bare}${slash}`),
    `/${encodeAll(first)}/${last}`,
    `/${first}/${encodeAll(last, true)}`,
    `/${encodeAll(bare)}`,
    `/%25${bare}`,
    `/${bare.toUpperCase()}`,
    `/${first}/${last.toUpperCase()}`,
    `/${first.toUpperCase()}/${last}`,
    `/${toFullWidth(first)}/${last}`,
    `/${first}/${toFullWidth(last)}`,
    ...[
      ".",
      "..",
      "%20",
      "%00",
      "%0a",
      "::$DATA",
      ":x",
      "~",
      ";",
      ";x=y",
      "%3b",
      "%e2%80%8b",
      "%cc%81",
      "%ef%bb%bf",
      "%ad",
      "%c2%ad",
      "?",
      "?raw",
      "?raw&at=1",
      "#",
      "#x",
      "%23",
      "%3f",
      "*",
      "%2a",
      ".bak",
      "/.",
      "/..",
      "/%2e",
      "/x/..",
      "/%2e%2e/shadow",
      "\\",
      "%5c",
      "|",
      "<",
      '"',
      "'",
      "`",
    ]
      .map((tail) => `/${bare}${tail}`),
    `/${bare.replace(/[s]/, "%C5%BF")}`, // long s; its upper case is S
    `/${bare.replace("e", "%D0%B5")}`, // a Cyrillic e
    `/bin/${bare}`,
    `/bin/bin/${bare}`,
    `/dev/${bare}`,
    `/mnt/${bare}`,
    `/dav/${bare}`,
    `/stream/${bare}`,
    `/stream//${bare}`,
    `/bin/stream/${bare}`,
    `/proc/audit/${bare}`,
    `/proc/audit//${bare}`,
    `/proc/log/${bare}`,
    `/proc/log/${bare}?limit=1`,
    `/proc/log/home/../${bare}`,
    `/proc/self/root/${bare}`,
    `/proc/worlds/${bare}`,
    `/shaped/${bare}`,
    `/home/${bare}`,
    `/usr/lib/shell/${bare}`,
    `/usr/lib/shell/../../../${bare}`,
    `/usr/lib/shell/%2e%2e/%2e%2e/%2e%2e/${bare}`,
    `http://127.0.0.1/${bare}`,
    `http://127.0.0.1//${bare}`,
    `http://127.0.0.1/%2f${bare}`,
    `http://127.0.0.1/home/../${bare}`,
    `http://user@127.0.0.1/${bare}`,
    `http://127.0.0.1:80/${bare}`,
    `http://127.0.0.1?/${bare}`,
    `http://127.0.0.1#/${bare}`,
    `HTTP://127.0.0.1/${bare}`,
    `https://127.0.0.1/${bare}`,
    `file:///${bare}`,
    `file://127.0.0.1/${bare}`,
    `ftp://127.0.0.1/${bare}`,
    `http:///${bare}`,
    `http:/${bare}`,
    `//127.0.0.1/${bare}`,
    `/http://127.0.0.1/${bare}`,
    `/home/x?/../../${bare}`,
    `/home/x;/../../${bare}`,
    `/home/x#/../../${bare}`,
    `/.//${bare}`,
    `/./${bare}`,
    `/x/../${bare}`,
    `/home/./../${bare}`,
    `?/${bare}`,
    bare,
    `*/${bare}`,
  ];
}

async function send(
  server: TestServer,
  method: string,
  target: string,
  headers: Record<string, string>,
) {
  const body = method === "PUT" || method === "POST" ? "tricked" : undefined;
  const sent = { method, target, headers: { ...headers, connection: "close" } };
  return await server.send(body === undefined ? sent : { ...sent, body });
}

function assertHidden(reply: Reply, request: string): void {
  assert(!`${reply.head}${reply.text}`.includes(SECRET), `${request} shows the secret`);
  assert(reply.status < 500 || reply.status === 501, `${request} is ${reply.status}`);
}

test("GET with any spelling shows no private world to a caller that cannot read it", async (server) => {
  await server.approve("PUT", "/etc/shadow", `ada:${SECRET}`);
  await server.approve("PUT", "/boot/secret", SECRET);
  await server.approve("PUT", "/home/o", SECRET);
  const cap = bearer(server.capability("/home/s", "rw"));
  const targets = [
    ...spellings("/etc/shadow"),
    ...traversalTargets("/home", "/etc/shadow"),
    ...traversalTargets("/home/s", "/etc/shadow"),
    ...traversalTargets("/usr/lib/shell", "/etc/shadow"),
    ...spellings("/boot/secret"),
    ...traversalTargets("/home", "/boot/secret"),
    ...traversalTargets("/stream/home", "/boot/secret"),
    ...traversalTargets("/proc/log/home", "/boot/secret"),
  ].filter((target) => !target.includes(" ") && !target.includes("\n"));
  assert(targets.length > 500, `${targets.length} spellings`);
  for (const target of targets) {
    // A stream that the caller can read does not end, so only its head is requested.
    const method = target.includes("stream") ? "HEAD" : "GET";
    for (const headers of [{}, bearer(TOKEN)]) {
      assertHidden(await send(server, method, target, headers), `${method} ${target}`);
    }
  }
  for (const target of [...spellings("/home/o"), ...traversalTargets("/home/s", "/home/o")]) {
    if (target.includes(" ")) continue;
    const method = target.includes("stream") ? "HEAD" : "GET";
    assertHidden(await send(server, method, target, cap), `${method} ${target}`);
  }
  // The canonical path, with T3: the marker is stored, so the checks above can fail.
  const { text } = await server.approve("GET", "/etc/shadow?raw");
  assert(text.includes(SECRET));
});

test("PUT and DELETE with any spelling change nothing outside the rights of the caller", async (server) => {
  for (const name of ["home/o", "home/sx", "home/s", "etc/x", "usr/x", "boot/x", "lib/x"]) {
    await server.approve("PUT", `/${name}`, "untouched");
  }
  const cap = bearer(server.capability("/home/s", "rw"));
  const worlds = async () => {
    const headers = { ...bearer(APPROVE), accept: "application/json" };
    const { text } = await server.send({ method: "GET", target: "/proc/worlds", headers });
    const rows: unknown = JSON.parse(text);
    assert(Array.isArray(rows));
    return rows.map(({ name, version }) => `${name} ${version}`);
  };
  const before = await worlds();
  const outside = (list: string[], prefix: string) =>
    list.filter((line) => !line.startsWith(`${prefix}/`) && !line.startsWith(`${prefix} `));
  let sent = 0;
  for (const protectedPath of ["/home/o", "/home/sx", "/etc/x", "/boot/x", "/usr/x", "/lib/x"]) {
    for (
      const target of [...spellings(protectedPath), ...traversalTargets("/home/s", protectedPath)]
    ) {
      if (target.includes(" ") || target.includes("\n")) continue;
      for (const method of ["PUT", "DELETE"]) {
        sent++;
        const reply = await send(server, method, target, cap);
        assert(
          reply.status < 500 || reply.status === 501,
          `${method} ${target} is ${reply.status}`,
        );
        if (reply.status < 300 && method === "PUT") {
          assert(target.startsWith("/home/s"), `${target} was written`);
        }
      }
    }
  }
  assert(sent > 1000, `${sent} requests`);
  assertEquals(outside(await worlds(), "home/s"), outside(before, "home/s"));
  const t2 = await worlds();
  for (const protectedPath of ["/etc/x", "/boot/x", "/usr/x"]) {
    for (
      const target of [...spellings(protectedPath), ...traversalTargets("/home/s", protectedPath)]
    ) {
      if (target.includes(" ") || target.includes("\n")) continue;
      await send(server, "PUT", target, bearer(TOKEN));
    }
  }
  assertEquals(outside(await worlds(), "home"), outside(t2, "home"));
  await server.audit();
});

test("PUT with an accepted spelling stores the world under its canonical name", async (server) => {
  for (const target of [...traversalTargets("/home/s", "/home/o"), ...spellings("/home/s/x")]) {
    if (target.includes(" ") || target.includes("\n") || target.startsWith("http")) continue;
    const reply = await send(server, "PUT", target, bearer(TOKEN));
    if (reply.status !== 201) continue;
    const location = reply.headers.get("location") ?? "";
    const read = await server.send({ method: "GET", target: `${location}?raw` });
    assertEquals(read.text, "tricked", `${target} is at ${location}`);
    assertStrictEquals(
      new URL(location, "http://127.0.0.1").pathname,
      location,
      `${target} is at ${location}`,
    );
  }
  const folders = [...Deno.readDirSync(server.data)].map(({ name }) => name);
  for (const folder of folders.filter((name) => name.includes("%2F"))) {
    assert(!/%2F\.{1,2}(%2F|$)/.test(folder), folder);
  }
});
