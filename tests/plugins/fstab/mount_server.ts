/**
 * A server with the fstab plugin, a mounted folder with symlinks to targets inside and outside it, and a mounted
 * web server. Shared by the tests of mounts.
 */

import { assertEquals } from "../../support/assert.ts";
import { eventually } from "../../plugin/plugin_test_server.ts";
import { APPROVE, bearer, type TestServer, TOKEN } from "../../support/test_server.ts";
import { withPluginServer } from "../../support/plugin_server.ts";
import type { Reply } from "../../support/wire.ts";

/** The bearer of the mounted web server. */
export const BEARER = "upstream-5ecret-of-the-mount";
export const T2 = bearer(TOKEN);
export const T3 = bearer(APPROVE);

/** The mounted web server: how it answers, and the requests so far. */
export interface Upstream {
  readonly origin: string;
  readonly requests: { readonly url: string; readonly headers: Headers }[];
  answer: (request: Request, path: string) => Response | Promise<Response>;
}

/** A server with the fstab plugin, and functions for its tests. */
export interface MountServer {
  readonly server: TestServer;
  /** The mounted folder. The folder `secret` next to it is not mounted. */
  readonly folder: string;
  readonly upstream: Upstream;
  /** Writes the mount table and waits until it is used. */
  mount(...lines: string[]): Promise<void>;
  get(path: string, headers?: Record<string, string>): Promise<Reply>;
  send(
    method: string,
    path: string,
    body?: string | Uint8Array,
    headers?: Record<string, string>,
  ): Promise<Reply>;
}

let tables = 0;

/** Runs a test with a server and folders, and removes them afterwards. */
export async function withMountServer(test: (mounts: MountServer) => Promise<void>): Promise<void> {
  const base = await Deno.realPath(await Deno.makeTempDir({ prefix: "elastik-fstab-" }));
  const folder = `${base}/files`;
  const requests: { url: string; headers: Headers }[] = [];
  const ended = new AbortController();
  const listener = Deno.serve({
    port: 0,
    hostname: "127.0.0.1",
    signal: ended.signal,
    onListen: () => {},
  }, (request) => {
    requests.push({ url: request.url, headers: new Headers(request.headers) });
    return upstream.answer(request, new URL(request.url).pathname);
  });
  const upstream: Upstream = {
    origin: `http://127.0.0.1:${listener.addr.port}`,
    requests,
    answer: () => new Response("nothing", { status: 404 }),
  };
  await fill(base, folder);
  try {
    await withPluginServer({ plugins: ["fstab"] }, async (server) => {
      server.secrets.add(BEARER);
      const mounts = mountServer(server, folder, upstream);
      await mounts.mount(
        `${folder} /mnt/works rw`,
        `${folder}/a b /mnt/docs ro`,
        `${upstream.origin} /mnt/api ro,timeout=25,bearer=${BEARER}`,
      );
      await test(mounts);
    });
  } finally {
    ended.abort();
    await listener.finished;
    await Deno.remove(base, { recursive: true });
  }
}

function mountServer(server: TestServer, folder: string, upstream: Upstream): MountServer {
  const send: MountServer["send"] = (method, path, body, headers = {}) =>
    server.send({ method, target: path, headers, ...(body === undefined ? {} : { body }) });
  return {
    server,
    folder,
    upstream,
    send,
    get: (path, headers) => send("GET", path, undefined, headers),
    async mount(...lines) {
      const marker = `t${++tables}`;
      const table = [...lines, `marker://x /mnt/${marker} ro`].join("\n");
      const put = await server.send(
        { method: "PUT", target: "/etc/fstab", headers: T3, body: table },
        true,
      );
      assertEquals(put.status === 200 || put.status === 201, true, put.text);
      await eventually(async () => {
        const { text } = await send("GET", "/mnt/");
        return text.split("\n").includes(`${marker}/`) || undefined;
      }, "the table is used");
    },
  };
}

async function fill(base: string, folder: string): Promise<void> {
  await Deno.mkdir(`${folder}/a b/ü`, { recursive: true });
  await Deno.mkdir(`${base}/secret`);
  await Deno.writeTextFile(`${base}/secret/key`, "the secret next to it");
  await Deno.writeTextFile(`${folder}/hello.txt`, "0123456789");
  await Deno.writeTextFile(`${folder}/page.html`, "<script>fetch('/home/x')</script>");
  await Deno.writeTextFile(`${folder}/a b/ü/100% sure?#1.md`, "# odd name\n");
  await Deno.writeTextFile(`${folder}/a b/note.md`, "# note\n");
  await Deno.symlink("hello.txt", `${folder}/inner`);
  await Deno.symlink("a b", `${folder}/inner-folder`);
  await Deno.symlink(`${base}/secret/key`, `${folder}/escape`);
  await Deno.symlink(`${base}/secret`, `${folder}/escape-folder`);
  await Deno.symlink(`${base}/none`, `${folder}/dangling`);
  await Deno.symlink("loop", `${folder}/loop`);
}
