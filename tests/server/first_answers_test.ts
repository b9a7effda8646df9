import { assert, assertEquals, assertMatch } from "../support/assert.ts";
import { MAX_FIRST_ANSWER_BYTES } from "../../lib/limits.ts";
import { startTestServer, type TestServer } from "../support/test_server.ts";

const PAGE = "<!doctype html><title>the shell</title><body></body>";
const LOWER = { "usr/lib/shell/index.html": PAGE };

function urlOf({ port }: TestServer, path: string): string {
  return `http://127.0.0.1:${port}${path}`;
}

async function readFirst(
  server: TestServer,
  path: string,
  headers: Record<string, string> = {},
): Promise<Record<string, unknown>> {
  const response = await fetch(urlOf(server, path), {
    headers: { accept: "text/html", ...headers },
  });
  const html = await response.text();
  const data = /<script type="application\/json" id="first">(.*)<\/script>/s.exec(html)?.[1];
  return data === undefined ? {} : JSON.parse(data);
}

Deno.test("the page of the shell has the answers that it would request first", async () => {
  const server = await startTestServer({ lowerTexts: LOWER });
  try {
    await server.approve("PUT", "/home/x%20y", "text");
    const first = await readFirst(server, "/home/x%20y");
    assertEquals(Object.keys(first), ["/auth/whoami", "/home/x%20y", "OPTIONS /home/x%20y"]);
    const json = await (await fetch(urlOf(server, "/home/x%20y"))).json();
    assertEquals(first["/home/x%20y"], json);
    const options = await fetch(urlOf(server, "/home/x%20y"), { method: "OPTIONS" });
    assertEquals(first["OPTIONS /home/x%20y"], options.headers.get("allow"));
    const home = await readFirst(server, "/");
    assertEquals(
      Object.keys(home),
      [
        "/auth/whoami",
        "/proc/log/?limit=24",
        "/proc/plugins",
        "/mnt/",
        "/proc/status",
        "/home/?limit=51",
        "OPTIONS /home/new",
      ],
    );
    assertEquals(
      Object.keys(await readFirst(server, "/home/")),
      ["/auth/whoami", "/home/", "OPTIONS /home/new"],
    );
    // What has a query is requested by the shell.
    assertEquals(await readFirst(server, "/home/x%20y?at=1"), {});
  } finally {
    await server.stop();
  }
});

Deno.test("stored text cannot leave the data of the page", async () => {
  const server = await startTestServer({ lowerTexts: LOWER });
  try {
    const text = "</script><script>steal()</script><!-- \u2028 ' \" \\u003c";
    await server.approve("PUT", "/home/x", text);
    const response = await fetch(urlOf(server, "/home/x"), { headers: { accept: "text/html" } });
    const html = await response.text();
    assertEquals(html.split("<script").length, 2, "one script element, the data");
    assertEquals(html.split("</script").length, 2);
    const first = await readFirst(server, "/home/x");
    const world = first["/home/x"];
    assert(typeof world === "object" && world !== null && "stage_html" in world);
    assertEquals(world.stage_html, text);
  } finally {
    await server.stop();
  }
});

Deno.test("the page has no answer that its caller would not get", async () => {
  const server = await startTestServer({
    lowerTexts: LOWER,
    env: {
      ELASTIK_TOKEN: "t2",
      ELASTIK_TRUST_PROXY_HEADER: "x-forwarded-for",
      ELASTIK_TRUST_PROXY_FROM: "127.0.0.1",
    },
  });
  try {
    await server.approve("PUT", "/boot/x", "secret of T3");
    await server.approve("PUT", "/home/x", "for callers with a token");
    // A caller from another computer, through the trusted proxy.
    const away = { "x-forwarded-for": "203.0.113.9" };
    for (const path of ["/", "/home/x", "/boot/x", "/boot/"]) {
      const html = await (await fetch(urlOf(server, path), {
        headers: { accept: "text/html", ...away },
      })).text();
      assert(!html.includes("for callers") && !html.includes("secret of"), path);
    }
    const here = await readFirst(server, "/boot/x");
    assertEquals("/boot/x" in here, false);
  } finally {
    await server.stop();
  }
});

Deno.test("an answer that is too long is left out", async () => {
  const server = await startTestServer({ lowerTexts: LOWER });
  try {
    await server.approve("PUT", "/home/x", "x".repeat(MAX_FIRST_ANSWER_BYTES));
    assertEquals(
      Object.keys(await readFirst(server, "/home/x")),
      ["/auth/whoami", "OPTIONS /home/x"],
    );
  } finally {
    await server.stop();
  }
});

Deno.test("the entity tag of the page changes with the answers, and a HEAD has the same", async () => {
  const server = await startTestServer({ lowerTexts: LOWER });
  const headers = { accept: "text/html" };
  try {
    await server.approve("PUT", "/home/x", "one");
    const get = await fetch(urlOf(server, "/home/x"), { headers });
    await get.body?.cancel();
    const tag = get.headers.get("etag") ?? "";
    assertMatch(tag, /^"1-[0-9a-f]{16}\.html-[0-9a-f]{16}"$/);
    const head = await fetch(urlOf(server, "/home/x"), { method: "HEAD", headers });
    assertEquals(head.headers.get("etag"), tag);
    const again = await fetch(urlOf(server, "/home/x"), {
      headers: { ...headers, "if-none-match": tag },
    });
    assertEquals(again.status, 304);
    await server.approve("PUT", "/home/x", "two");
    const changed = await fetch(urlOf(server, "/home/x"), {
      headers: { ...headers, "if-none-match": tag },
    });
    assertEquals(changed.status, 200);
    await changed.body?.cancel();
  } finally {
    await server.stop();
  }
});
