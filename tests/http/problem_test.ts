import { assert, assertEquals } from "../support/assert.ts";
import { Problem, PROBLEMS, toProblemResponse } from "../../lib/http/problem.ts";

const PAGES = new URL("../../worlds/usr/share/doc/problems/", import.meta.url);
const BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";

function absent(): Problem {
  return new Problem("not-found", "Cannot read /home/x: nothing is here");
}

Deno.test("Problem is an error with the status of its type", () => {
  const problem = absent();
  assert(problem instanceof Error);
  assertEquals([problem.name, problem.status, problem.message], ["Problem", 404, problem.detail]);
});

Deno.test("toProblemResponse() sends RFC 9457 JSON unless text is preferred", async () => {
  for (const accept of [null, "*/*", "application/json", "text/event-stream", "image/png"]) {
    const response = toProblemResponse(absent(), accept);
    assertEquals(response.status, 404);
    assertEquals(response.headers.get("content-type"), "application/problem+json");
    assertEquals(await response.json(), {
      type: "/usr/share/doc/problems/not-found.md",
      title: PROBLEMS["not-found"].title,
      status: 404,
      detail: "Cannot read /home/x: nothing is here",
    });
  }
});

Deno.test("toProblemResponse() sends the same text to browsers and clients that prefer text", async () => {
  for (const accept of [BROWSER, "text/plain", "text/html"]) {
    const response = toProblemResponse(absent(), accept);
    assertEquals(response.headers.get("content-type"), "text/plain; charset=utf-8");
    assertEquals(
      await response.text(),
      `404 ${PROBLEMS["not-found"].title}\nCannot read /home/x: nothing is here\n`,
    );
  }
});

Deno.test("toProblemResponse() never lets a browser treat a detail as markup", async () => {
  const response = toProblemResponse(
    new Problem("bad-path", "Cannot read <script>alert(1)</script>"),
    BROWSER,
  );
  assertEquals(response.headers.get("content-type"), "text/plain; charset=utf-8");
  assertEquals(response.headers.get("x-content-type-options"), "nosniff");
  await response.body?.cancel();
});

Deno.test("toProblemResponse() is never cached and varies with Accept", async () => {
  const response = toProblemResponse(absent(), null);
  assertEquals(response.headers.get("cache-control"), "no-store");
  assertEquals(response.headers.get("vary"), "Accept");
  await response.body?.cancel();
});

Deno.test("toProblemResponse() includes the headers of the problem", async () => {
  const busy = new Problem("unavailable", "Cannot shape: no model", { "retry-after": "5" });
  const response = toProblemResponse(busy, null);
  assertEquals([response.status, response.headers.get("retry-after")], [503, "5"]);
  await response.body?.cancel();
});

Deno.test("toProblemResponse() for a HEAD has the headers and no body", async () => {
  const response = toProblemResponse(absent(), null, true);
  assertEquals([response.status, response.body, await response.text()], [404, null, ""]);
  assertEquals(response.headers.get("content-type"), "application/problem+json");
});

Deno.test("PROBLEMS have an error status and a title each", () => {
  for (const [type, { status, title }] of Object.entries(PROBLEMS)) {
    assert(status >= 400 && status < 600, type);
    assert(/^[a-z]+(?:-[a-z]+)*$/.test(type), type);
    assert(/^[A-Z].*[^.]$/.test(title), title);
  }
});

Deno.test("PROBLEMS have one page each, and there are no other pages", () => {
  const pages = [...Deno.readDirSync(PAGES)].map(({ name }) => name).sort();
  assertEquals(pages, Object.keys(PROBLEMS).map((type) => `${type}.md`).sort());
});

Deno.test("the pages of PROBLEMS are short and start with status and title", () => {
  for (const [type, { status, title }] of Object.entries(PROBLEMS)) {
    const page = Deno.readTextFileSync(new URL(`${type}.md`, PAGES));
    const lines = page.trimEnd().split("\n");
    assertEquals(lines[0], `# ${status} ${title}`);
    assert(lines.length >= 5 && lines.length <= 35, `${type}.md has ${lines.length} lines`);
  }
});

Deno.test("PROBLEMS have titles of at most six words without a final period", () => {
  for (const { title } of Object.values(PROBLEMS)) {
    assert(title.split(" ").length <= 6 && /^[A-Z].*[^.]$/.test(title), title);
  }
});

Deno.test("toProblemResponse() sends the extension as members, and its excerpt to clients that prefer text", async () => {
  const problem = new Problem("unprocessable", "Cannot use x: no", {}, {
    line: 3,
    excerpt: "a\n^",
  });
  const { line, excerpt, detail } = await toProblemResponse(problem, null).json();
  assertEquals([line, excerpt, detail], [3, "a\n^", "Cannot use x: no"]);
  const text = await toProblemResponse(problem, "text/plain").text();
  assertEquals(text, `422 ${PROBLEMS.unprocessable.title}\nCannot use x: no\na\n^\n`);
});
