import { assert, assertEquals, assertMatch, assertRejects } from "../support/assert.ts";
import { sha256Hex } from "../../lib/base/hash.ts";
import { Problem } from "../../lib/http/problem.ts";
import { respondShell, shellPolicy } from "../../lib/response/shell_page.ts";
import type { Store, World } from "../../lib/world/store.ts";
import { bytesOf } from "../support/wire.ts";

function world(name: string, text: string, more: Partial<World> = {}): World {
  const body = new Uint8Array(bytesOf(text));
  return {
    name,
    version: 1,
    ext: "html",
    meta: [],
    state: "",
    updatedAt: "2026-01-02T03:04:05.678Z",
    body,
    sha256: sha256Hex(body),
    layer: "upper",
    ...more,
  };
}

const PAGE = world("usr/lib/shell/index.html", "<!doctype html>");

/** The part of a store that the shell needs. */
function holding(page: World | undefined): Pick<Store, "read"> {
  return { read: (name) => Promise.resolve(name === PAGE.name ? page : undefined) };
}

function ask(headers: Record<string, string> = {}, method = "GET"): Request {
  return new Request("http://localhost/home/x", {
    method,
    headers: { host: "localhost:3005", ...headers },
  });
}

/** The sources of one directive. */
function directive(policy: string, name: string): string[] {
  const found = policy.split("; ").map((part) => part.split(" ")).find(([first]) => first === name);
  assert(found !== undefined, `no ${name}`);
  return found.slice(1);
}

Deno.test("shellPolicy() allows scripts, styles and frames from the shell's folder only", () => {
  const policy = shellPolicy("localhost:3005");
  for (const name of ["script-src", "style-src"]) {
    const sources = directive(policy, name);
    assertEquals(sources.join(), "localhost:3005/usr/lib/shell/", name);
  }
  assert(directive(policy, "frame-src").every((source) => source !== "'self'"));
  for (const name of ["default-src", "base-uri", "form-action", "frame-ancestors"]) {
    assertEquals(directive(policy, name).join(), "'none'", name);
  }
  assert(!/unsafe|\*|https?:|data:[^ ]*script/.test(directive(policy, "script-src").join(" ")));
});

Deno.test("shellPolicy() never allows a stored world as a script", () => {
  for (const host of ["localhost", "box.lan:80", "127.0.0.1:3005"]) {
    for (const source of directive(shellPolicy(host), "script-src")) {
      assert(source.endsWith("/usr/lib/shell/"), source);
    }
  }
});

Deno.test("respondShell() sends one page for all paths, with its policy, and forbids framing", async () => {
  const response = await respondShell(holding(PAGE), ask());
  assertEquals(response.status, 200);
  assertEquals(await response.text(), "<!doctype html>");
  assertEquals(response.headers.get("content-type"), "text/html; charset=utf-8");
  assertEquals(response.headers.get("vary"), "Accept");
  assertEquals(response.headers.get("x-content-type-options"), "nosniff");
  assertEquals(response.headers.get("cache-control"), "no-cache");
  assertMatch(response.headers.get("content-security-policy") ?? "", /frame-ancestors 'none'/);
});

Deno.test("respondShell() contains only the metadata of the world", async () => {
  const subject = world("home/x", "<script>alert(1)</script>", {
    meta: [["x-meta-author", "codex"], ["x-meta-set-cookie", "a=b"]],
  });
  const response = await respondShell(holding(PAGE), ask(), { world: subject });
  assertEquals(await response.text(), "<!doctype html>");
  assertEquals(response.headers.get("x-meta-author"), "codex");
  assertEquals(response.headers.get("set-cookie"), null);
});

Deno.test("respondShell() has a tag that changes with the world and with the page", async () => {
  const tags = new Set<string | null>();
  for (const page of [PAGE, world(PAGE.name, "<p>re-skinned")]) {
    for (const subject of [undefined, world("home/x", "a"), world("home/x", "a", { version: 2 })]) {
      const shown = subject === undefined ? {} : { world: subject };
      tags.add((await respondShell(holding(page), ask(), shown)).headers.get("etag"));
    }
  }
  assertEquals(tags.size, 6);
});

Deno.test("respondShell() answers 304 to its own tag, but not for an error status", async () => {
  const subject = { world: world("home/x", "a") };
  const tag = (await respondShell(holding(PAGE), ask(), subject)).headers.get("etag") ?? "";
  assertEquals(
    (await respondShell(holding(PAGE), ask({ "if-none-match": tag }), subject)).status,
    304,
  );
  const refused = await respondShell(holding(PAGE), ask({ "if-none-match": "*" }), {
    status: 404,
    headers: { "www-authenticate": "Bearer" },
  });
  assertEquals(refused.status, 404);
  assertEquals(refused.headers.get("www-authenticate"), "Bearer");
  assertEquals(refused.headers.get("etag"), null);
});

Deno.test("respondShell() keeps a script of the page for the extensions that it names only", async () => {
  const script =
    '  <script type="module" src="/usr/lib/shell/md.js?raw" data-for="md markdown"></script>\n';
  const store = holding(world(PAGE.name, `<!doctype html>\n${script}<body></body>`));
  const bodyFor = async (ext?: string) => {
    const subject = ext === undefined ? {} : { world: world("home/x", "text", { ext }) };
    return await (await respondShell(store, ask(), subject)).text();
  };
  for (const ext of ["md", "markdown"]) assert((await bodyFor(ext)).includes(script), ext);
  for (const ext of ["html", "m", "", "down", undefined]) {
    assertEquals(await bodyFor(ext), "<!doctype html>\n<body></body>", ext);
  }
});

Deno.test("respondShell() throws not-found if the page is missing", async () => {
  await assertRejects(
    respondShell(holding(undefined), ask()),
    (error: unknown) => error instanceof Problem && error.type === "not-found",
  );
});
