import { assertEquals, assertMatch } from "../support/assert.ts";
import { parseTarget } from "../../lib/http/path.ts";
import { toSiteTarget } from "../../lib/request/site_file.ts";
import { bearer, CLOSED, startTestServer, TOKEN } from "../support/test_server.ts";

const LOWER_TEXTS = {
  "usr/lib/shell/index.html": "<!doctype html><title>the shell</title>",
  "usr/lib/shell/site/llms.txt": "# elastik\n",
  "usr/lib/skills/elastik.md": "# How\n",
  "usr/share/doc/http.md": "# HTTP\n",
};

function nameOf(method: string, path: string): string | undefined {
  return toSiteTarget(method, parseTarget(`http://h${path}`))?.name;
}

Deno.test("toSiteTarget() returns a target for file names at the root only", () => {
  assertEquals(nameOf("GET", "/llms.txt?x=y"), "usr/lib/shell/site/llms.txt");
  assertEquals(nameOf("HEAD", "/apple-touch-icon.png"), "usr/lib/shell/site/apple-touch-icon.png");
  assertEquals(toSiteTarget("GET", parseTarget("http://h/a.txt?at=1"))?.query, "raw");
  const others = [
    "/",
    "/llms",
    "/.txt",
    "/a.b.txt",
    "/x/llms.txt",
    "/LLMS.TXT",
    "/llms.txt/",
    "/llms.html",
    "/llms.js",
    `/${"a".repeat(65)}.txt`,
    "/bin",
  ];
  for (const path of others) assertEquals(nameOf("GET", path), undefined, path);
  for (const method of ["PUT", "POST", "DELETE", "OPTIONS", "PROPFIND"]) {
    assertEquals(nameOf(method, "/llms.txt"), undefined, method);
  }
});

Deno.test("GET /llms.txt is public, T3 can replace it, and without its world it answers 404", async () => {
  const server = await startTestServer({ env: CLOSED, lowerTexts: LOWER_TEXTS });
  const foreign = { host: "elastik.example" };
  const ask = (method: string, target: string, headers: Record<string, string> = {}) =>
    server.send({ method, target, headers: { ...foreign, ...headers } });
  try {
    const cap = bearer(server.capability("/home/scratch", "rw"));
    for (const headers of [{}, bearer(TOKEN), cap, bearer("unknown")]) {
      const reply = await ask("GET", "/llms.txt", headers);
      assertEquals([reply.status, reply.text], [200, "# elastik\n"]);
      assertMatch(reply.headers.get("content-type") ?? "", /^text\/plain/);
      assertEquals(reply.headers.get("x-content-type-options"), "nosniff");
    }
    // Accept has no effect: a site file is always sent as its bytes.
    assertEquals((await ask("GET", "/llms.txt", { accept: "text/html" })).text, "# elastik\n");
    assertEquals((await ask("GET", "/llms.txt?at=9&secret")).status, 200);
    assertEquals((await ask("HEAD", "/llms.txt")).status, 200);
    assertEquals((await ask("GET", "/robots.txt")).status, 404);
    assertEquals((await ask("PUT", "/llms.txt", bearer(server.approveToken))).status, 404);
    assertEquals(
      (await server.approve("PUT", "/usr/lib/shell/site/llms.txt", "mine\n")).status,
      200,
    );
    assertEquals(
      (await server.approve("PUT", "/usr/lib/shell/site/icon.svg", "<svg/>")).status,
      201,
    );
    assertEquals((await ask("GET", "/llms.txt")).text, "mine\n");
    const icon = await ask("GET", "/icon.svg");
    assertMatch(icon.headers.get("content-security-policy") ?? "", /sandbox/);
  } finally {
    await server.close();
  }
});

Deno.test("GET /llms.txt of an unauthenticated client is not answered by a plugin with that route", async () => {
  const server = await startTestServer({ env: CLOSED, lowerTexts: LOWER_TEXTS });
  const source = `export const description = "secrets";
export const routes = ["/llms.txt", "/other.txt"];
export default { fetch: () => new Response("a plugin's own") };
`;
  const ask = async (target: string, headers: Record<string, string> = {}) =>
    await server.send({ method: "GET", target, headers: { host: "elastik.example", ...headers } });
  try {
    assertEquals((await server.approve("PUT", "/lib/secrets", source)).status, 201);
    assertEquals((await server.approve("PUT", "/lib/secrets/state", "active")).status, 200);
    assertEquals((await ask("/llms.txt", bearer(TOKEN))).text, "a plugin's own");
    assertEquals((await ask("/llms.txt")).text, "# elastik\n");
    assertEquals((await ask("/other.txt")).status, 404);
    assertEquals((await ask("/other.txt", bearer(TOKEN))).status, 200);
  } finally {
    await server.close();
  }
});

Deno.test("GET /usr/lib/skills needs a credential on a server with tokens", async () => {
  const server = await startTestServer({ env: CLOSED, lowerTexts: LOWER_TEXTS });
  const status = async (target: string, headers: Record<string, string>, method = "GET") =>
    (await server.send({ method, target, headers: { host: "elastik.example", ...headers } }))
      .status;
  try {
    const cap = bearer(server.capability("/home/scratch", "rw"));
    assertEquals(await status("/usr/lib/skills/elastik.md", cap), 200);
    assertEquals(await status("/usr/lib/skills/elastik.md", cap, "PUT"), 403);
    assertEquals(await status("/usr/share/doc/http.md", cap), 200);
    assertEquals(await status("/usr/lib/skills/elastik.md", {}), 401);
    assertEquals(await status("/usr/lib/skills/elastik.md", bearer("unknown")), 401);
  } finally {
    await server.close();
  }
});
