import { deepStrictEqual as equal, ok, rejects, throws } from "node:assert/strict";
import { UsageError } from "../../../lib/cli/parse_args.ts";
import {
  addressed,
  field,
  MachineClient,
  ownUrl,
  Unreachable,
  words,
} from "../../../lib/cli/client/server_client.ts";
import { nobodyAt, startStranger } from "./impostor.ts";

const env = (settings: Record<string, string>) => (name: string) => settings[name];

Deno.test("addressed() takes the settings' machine unless a URL is given", () => {
  equal(addressed(env({}), undefined).machine.base, "http://127.0.0.1:3005");
  equal(addressed(env({ ELASTIK_PORT: "8080" }), undefined).machine.base, "http://127.0.0.1:8080");
  const rows: readonly [string, string][] = [
    ["http://x.example/", "http://x.example"],
    ["https://x.example:444/sub/", "https://x.example:444/sub"],
    ["localhost:3005", "http://localhost:3005"],
    ["[::1]:3005", "http://[::1]:3005"],
  ];
  for (const [url, base] of rows) equal(addressed(env({}), url).machine.base, base);
});

Deno.test("addressed() refuses what is no address, credentials in it included", () => {
  for (
    const url of ["ftp://x", "http://", "http://u:p@x", "http://x/?q", "javascript://x", "", "a b"]
  ) {
    throws(() => addressed(env({}), url), UsageError, url);
  }
});

Deno.test("ownUrl() names an address that can be connected to", () => {
  equal(ownUrl({ host: "0.0.0.0", port: 1 }), "http://127.0.0.1:1");
  equal(ownUrl({ host: "::", port: 1 }), "http://[::1]:1");
  equal(ownUrl({ host: "::1", port: 1 }), "http://[::1]:1");
  equal(ownUrl({ host: "192.0.2.1", port: 1 }), "http://192.0.2.1:1");
  equal(ownUrl({ host: "::1", port: 1, tls: { cert: "c", key: "k" } }), "https://[::1]:1");
});

Deno.test("ask() carries no credential along a redirect", async () => {
  const thief = startStranger(() => Response.json({ pid: Deno.pid }));
  const stranger = startStranger(() =>
    new Response(null, { status: 307, headers: { location: thief.url } })
  );
  const { status } = await new MachineClient(stranger.url)
    .ask("GET", "/proc/status", { credential: "5ecret" });
  await stranger.stop();
  await thief.stop();
  equal(status, 307);
  equal(thief.heard.length, 0);
});

Deno.test("ask() says where nobody answers, and what to do", async () => {
  await rejects(
    new MachineClient(nobodyAt()).ask("GET", "/"),
    (error) =>
      error instanceof Unreachable &&
      /^Cannot reach http:\/\/127\.0\.0\.1:\d+: .*; start the machine, or say with --url/
        .test(error.message),
  );
});

Deno.test("words() gives a problem's detail, harmless on a terminal", () => {
  const problem = { status: 403, text: "", json: { detail: "Cannot\n\x1b]0;x\x07do it" } };
  equal(words(problem), "Cannot??]0;x?do it");
  equal(words({ status: 500, text: " plain \n", json: undefined }), "plain");
  ok(words({ status: 500, text: "x".repeat(9999), json: [] }).length === 2000);
});

Deno.test("field() looks at own properties of objects alone", () => {
  equal(field({ a: 1 }, "a"), 1);
  equal(field({}, "toString"), undefined);
  equal(field(null, "a"), undefined);
  equal(field("text", "length"), undefined);
});
