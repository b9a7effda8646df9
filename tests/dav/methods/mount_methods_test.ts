import { assertEquals, assertMatch, assertStrictEquals } from "../../support/assert.ts";
import { hasMounts, isMountPath } from "../../../lib/dav/resource/mount_client.ts";
import type { RequestContext } from "../../../lib/request/request_context.ts";
import type { PluginRoute, PluginRoutes } from "../../../lib/request/plugin_routes.ts";
import { type TestApp, withApp } from "../../support/app.ts";
import { createAsk, hrefs, live, propBody, resources } from "../ask.ts";

const CHANGED = "2026-02-03T04:05:06.000Z";
const ROUTE: PluginRoute = {
  path: "/mnt",
  plugin: "lib/mounts",
  description: "mounts",
  auth: "T1",
};

/** A request that the mount plugin received. */
interface PluginRequest {
  readonly line: string;
  readonly headers: Headers;
  readonly body: string;
}

/** A plugin with one folder; the test adds responses. */
function mounting(
  requests: PluginRequest[] = [],
  more: (line: string) => Response | undefined = () => undefined,
): Partial<PluginRoutes> {
  return {
    list: () => [ROUTE],
    match: (path) => isMountPath(path) ? { ...ROUTE, handle } : undefined,
  };

  async function handle({ request, target }: RequestContext): Promise<Response> {
    const line = `${request.method} ${target.path}${target.isCollection ? "/" : ""}`;
    requests.push({ line, headers: request.headers, body: await request.text() });
    return more(line) ?? answerOf(line);
  }
}

function answerOf(line: string): Response {
  const space = line.indexOf(" ");
  const [method, path] = [line.slice(0, space), line.slice(space + 1)];
  const rows = (list: readonly unknown[]) =>
    new Response(method === "HEAD" ? null : JSON.stringify(list), {
      headers: { "content-type": "application/json" },
    });
  if (path === "/mnt/") return rows([{ name: "docs", dir: true }]);
  if (path === "/mnt/docs" || path === "/mnt/docs/") {
    return rows([
      { name: "a b.md", dir: false, len: 5, updated_at: CHANGED },
      { name: "sub", dir: true },
      { name: "nowhere", dir: false, reachable: false },
      { name: "line 3", dir: false, problem: "it is not a mount" },
      { name: "x/../../etc", dir: true },
      { name: 7, dir: true },
      "no row",
    ]);
  }
  if (path !== "/mnt/docs/a b.md") {
    return Response.json({ detail: `Cannot read ${path}: it is not there` }, { status: 404 });
  }
  if (method === "PUT") return Response.json({}, { headers: { etag: '"new"' } });
  return new Response(method === "HEAD" ? null : "bytes", {
    headers: {
      "content-type": "text/markdown; charset=utf-8",
      "content-length": "5",
      "last-modified": new Date(CHANGED).toUTCString(),
      "x-mount-version": "mtime:1",
      etag: '"one"',
    },
  });
}

Deno.test("isMountPath() is true only for /mnt and paths below it", () => {
  const paths = ["/mnt", "/mnt/docs", "/mnt/docs/a", "/mnts", "/home/mnt", "/"];
  assertEquals(paths.map(isMountPath), [true, true, true, false, false, false]);
});

Deno.test("DavRouter lists no mounts without a plugin that has them", async () => {
  await withApp({}, async (app) => {
    const ask = createAsk(app);
    assertEquals(hasMounts(app.server.plugins), false);
    assertEquals(
      hrefs(await ask("PROPFIND /dav/", 207, { depth: "1" })).includes("/dav/mnt/"),
      false,
    );
    await ask("PROPFIND /dav/mnt/", 404, { depth: "0" });
    await ask("GET /dav/mnt/docs/a", 404);
    await ask("PUT /dav/mnt/a", 400, {}, "x");
  });
});

Deno.test("findMountResource() and listMountFolder() distinguish files and folders and drop invalid rows", async () => {
  await withApp({ plugins: mounting() }, async (app) => {
    const ask = createAsk(app);
    const root = hrefs(await ask("PROPFIND /dav/", 207, { depth: "1" }));
    assertEquals(root.includes("/dav/mnt/"), true);
    const mounts = await ask("PROPFIND /dav/mnt/", 207, { depth: "1" });
    assertEquals(hrefs(mounts), ["/dav/mnt/", "/dav/mnt/docs/"]);
    const work = await ask("PROPFIND /dav/mnt/docs", 207, { depth: "1" });
    assertEquals(hrefs(work), [
      "/dav/mnt/docs/",
      "/dav/mnt/docs/a%20b.md",
      "/dav/mnt/docs/sub/",
    ]);
    const [, file] = resources(work.text);
    assertEquals([...file?.properties["200"]?.keys() ?? []].sort(), [
      "{DAV:}displayname",
      "{DAV:}getcontentlength",
      "{DAV:}getcontenttype",
      "{DAV:}getlastmodified",
      "{DAV:}resourcetype",
    ]);
    await ask("PROPFIND /dav/mnt/docs/a%20b.md/", 404, { depth: "0" });
    assertMatch((await ask("PROPFIND /dav/mnt/docs/none", 404, { depth: "0" })).text, /404/);
    assertMatch((await ask("PROPFIND /dav/mnt/docs/none/", 404, { depth: "1" })).text, /not-found/);
  });
});

Deno.test("handleMount() returns the properties that GET returns and reports missing ones", async () => {
  await withApp({ plugins: mounting() }, async (app) => {
    const ask = createAsk(app);
    const found = await ask("PROPFIND /dav/mnt/docs/a%20b.md", 207, { depth: "0" });
    const got = await ask("GET /dav/mnt/docs/a%20b.md", 200);
    assertEquals(got.text, "bytes");
    assertStrictEquals(live(found, "getetag"), got.headers.get("etag"));
    assertStrictEquals(live(found, "getlastmodified"), got.headers.get("last-modified"));
    assertStrictEquals(live(found, "getcontenttype"), got.headers.get("content-type"));
    assertEquals(live(found, "getcontentlength"), "5");
    const listed = await ask(
      "PROPFIND /dav/mnt/docs/a%20b.md",
      207,
      { depth: "0" },
      propBody("getetag", "creationdate"),
    );
    const [resource] = resources(listed.text);
    assertEquals([...resource?.properties["404"]?.keys() ?? []], ["{DAV:}creationdate"]);
    const names = '<propfind xmlns="DAV:"><propname/></propfind>';
    assertEquals(
      live(await ask("PROPFIND /dav/mnt/docs/a%20b.md", 207, { depth: "0" }, names), "getetag"),
      "",
    );
    assertMatch((await ask("PROPFIND /dav/mnt/", 403)).text, /propfind-finite-depth/);
  });
});

Deno.test("handleMount() forwards the needed headers and no credential", async () => {
  const requests: PluginRequest[] = [];
  await withApp({ plugins: mounting(requests) }, async (app) => {
    const ask = createAsk(app);
    const sent = {
      "if-match": '"one"',
      cookie: "a=b",
      destination: "/x",
      "content-type": "text/x",
    };
    assertEquals(
      (await ask("PUT /dav/mnt/docs/a%20b.md", 204, sent, "new")).headers.get("etag"),
      '"new"',
    );
    const { line, headers, body } = requests[0] ?? {};
    assertEquals([line, body].join(" "), "PUT /mnt/docs/a b.md new");
    assertEquals([...headers?.keys() ?? []], ["accept", "content-type", "if-match"]);
    await ask("GET /dav/mnt/docs/a%20b.md?x=1", 200, { range: "bytes=0-1" });
    assertEquals(requests[1]?.headers.get("range"), "bytes=0-1");
  });
});

Deno.test("handleMount() refuses methods that require a world", async () => {
  await withApp({ plugins: mounting() }, async (app) => {
    const ask = createAsk(app);
    for (const method of ["DELETE", "MKCOL", "LOCK", "UNLOCK", "PROPPATCH", "COPY", "MOVE"]) {
      const { headers } = await ask(`${method} /dav/mnt/docs/x`, 405);
      assertEquals(headers.get("allow"), "OPTIONS, GET, HEAD, PUT, PROPFIND");
    }
    assertEquals((await ask("OPTIONS /dav/mnt/docs/x", 200)).headers.get("dav"), "1, 2");
    await ask("PUT /home/a", 201, {}, "x");
    await ask("MOVE /dav/home/a", 400, { destination: "http://localhost/dav/mnt/docs/a" });
    await ask("GET /home/a", 200);
  });
});

Deno.test("listMountFolder() ignores invalid data in responses of a plugin", async () => {
  const long = "x".repeat(1000);
  const more = (line: string): Response | undefined => {
    if (line === "GET /mnt/docs/") return new Response("<html>no listing</html>");
    if (line === "GET /mnt/big/") {
      const chunk = new TextEncoder().encode(long.repeat(1000));
      return new Response(
        new ReadableStream({ pull: (controller) => controller.enqueue(chunk) }),
      );
    }
    if (line === "HEAD /mnt/big") return new Response(null);
    if (line === "HEAD /mnt/docs/odd") {
      return new Response(null, {
        headers: {
          "x-mount-version": "1",
          "content-length": "-3",
          "last-modified": "never",
          "content-type": "<&",
          etag: '"&<"',
        },
      });
    }
    if (line.endsWith("/down")) return Response.json({ detail: "down" }, { status: 502 });
    if (line.endsWith("/closed")) return Response.json({ detail: "closed" }, { status: 403 });
    return undefined;
  };
  await withApp({ plugins: mounting([], more) }, async (app: TestApp) => {
    const ask = createAsk(app);
    assertEquals(hrefs(await ask("PROPFIND /dav/mnt/docs/", 207, { depth: "1" })), [
      "/dav/mnt/docs/",
    ]);
    const odd = await ask("PROPFIND /dav/mnt/docs/odd", 207, { depth: "0" });
    assertEquals([live(odd, "getetag"), live(odd, "getcontenttype")], ['"&<"', "<&"]);
    assertEquals([live(odd, "getlastmodified"), live(odd, "getcontentlength")], [
      undefined,
      undefined,
    ]);
    assertMatch((await ask("PROPFIND /dav/mnt/big", 502, { depth: "1" })).text, /longer than/);
    await ask("PROPFIND /dav/mnt/down", 502, { depth: "0" });
    await ask("PROPFIND /dav/mnt/closed", 403, { depth: "0" });
  });
});
