/** Search, keys, and pages of paths that do not exist, in Chromium. */

import { assert, assertEquals, assertStrictEquals } from "../support/assert.ts";
import { openPage, type Page, startBrowser, untilTrue } from "./browser.ts";
import { startBrowserServer } from "./browser_server.ts";
import { lineOf, queryOf, searchPath, snippetParts } from "../../shell/search_hits.js";
import { newName } from "../../shell/finder_list.js";

const SHOTS = new URL("./shots/", import.meta.url).pathname;

Deno.test("snippetParts() counts code points, as the server does", () => {
  const hit = { snippet: "  \u{1f980} find it ", match: { start: 4, end: 8 } };
  assertEquals(snippetParts(hit), ["\u{1f980} ", "find", " it"]);
  assertEquals(snippetParts({ snippet: "all" }), ["all", "", ""]);
});

Deno.test("searchPath() encodes names and queries", () => {
  assertStrictEquals(searchPath("", "a&b"), "/proc/search/?q=a%26b");
  assertStrictEquals(
    searchPath("home/a b", "x", { limit: 2, after: "/home/a:1" }),
    "/proc/search/home/a%20b/?q=x&limit=2&after=%2Fhome%2Fa%3A1",
  );
});

Deno.test("lineOf() and queryOf() accept only what can be shown and searched", () => {
  assertEquals(["#L1", "#L20", "#L0", "#heading", ""].map(lineOf), [
    1,
    20,
    undefined,
    undefined,
    undefined,
  ]);
  assertEquals(["  x ", "", " ", "y".repeat(257)].map(queryOf), [
    "x",
    undefined,
    undefined,
    undefined,
  ]);
});

Deno.test("newName() offers only names that a world can have", () => {
  const typed = ["plan", "/etc/motd", "/proc/x", "/home", "a/../b", "a//b", "/home/x/", ""];
  assertEquals(typed.map((text) => newName(text, "")), [
    "home/plan",
    "etc/motd",
    ...Array(6).fill(undefined),
  ]);
  assertStrictEquals(newName("plan", "home/agent"), "home/agent/plan");
});

Deno.test("the search finds names, text and new names with the keyboard only", async (t) => {
  const browser = await startBrowser();
  const server = await startBrowserServer();
  const { url } = server;
  try {
    await server.put("/home/notes/plan.md", "# A plan\n\nCall **Ada** today\n");
    await server.put("/home/notes/code.ts", "// one\n// two\nconst needle = 3;\n");
    await server.put("/home/notes/long.txt", `${"another line\n".repeat(60_000)}the last line\n`);
    for (let at = 0; at < 120; at++) await server.put(`/home/many/${at}.txt`, `haystack ${at}\n`);

    await t.step("shows names, lines with the found part, and documents apart", async () => {
      const { page, messages } = await openPage(browser);
      await page.goto(url);
      await page.locator("main:not([aria-busy])").waitFor();
      await page.keyboard.press("/");
      await page.keyboard.type("ada");
      const text = page.getByRole("group", { name: "Text" });
      await text.getByRole("option", { name: "/home/notes/plan.md" }).waitFor();
      assertStrictEquals(await text.locator("mark").first().textContent(), "Ada");
      await page.getByRole("group", { name: "Documents of the server" }).waitFor();
      assertStrictEquals(await text.getByText("/usr/").count(), 0);
      await shoot(page, "finder");
      await page.keyboard.press("Escape");
      await page.locator("dialog").waitFor({ state: "detached" });
      assertEquals(messages, []);
      await page.context().close();
    });

    await t.step("a line that was found opens its world at this line", async () => {
      const { page, messages } = await openPage(browser);
      await page.goto(url);
      await page.locator("main:not([aria-busy])").waitFor();
      await page.keyboard.press("Control+k");
      await page.keyboard.type("const needle");
      await page.getByRole("option", { name: "/home/notes/code.ts:3" }).waitFor();
      await page.keyboard.press("Enter");
      await page.waitForURL(`${url}/home/notes/code.ts#L3`);
      await untilTrue(page, marked("const needle = 3;"));
      // Of a long text the first part is shown, but not if the line is in another one.
      await page.goto(`${url}/home/notes/long.txt#L60001`);
      await untilTrue(page, marked("the last line"));
      // A line of a page is shown in its source.
      await page.goto(`${url}/home/notes/plan.md#L3`);
      await untilTrue(page, marked("Call **Ada** today"));
      await page.goBack();
      await untilTrue(page, marked("the last line"));
      assertEquals(messages, []);
      await page.context().close();
    });

    await t.step("says that nothing was found, and offers a new name", async () => {
      const { page, messages } = await openPage(browser);
      await page.goto(url);
      await page.locator("main:not([aria-busy])").waitFor();
      await page.keyboard.press("/");
      await page.keyboard.type("zebra crossing");
      await page.locator("dialog").getByText("Nothing found").waitFor();
      await page.getByRole("option", { name: "/home/zebra crossing" }).waitFor();
      await page.keyboard.press("Enter");
      await page.waitForURL(`${url}/home/zebra%20crossing`);
      await page.getByText("Nothing is here yet").waitFor();
      await shoot(page, "missing");
      await page.getByRole("button", { name: "Note", exact: true }).click();
      await page.getByRole("textbox").first().waitFor();
      const { ext, stage_html: text } = await (await fetch(`${url}/home/zebra%20crossing`)).json();
      assertEquals([ext, text], ["md", "# Zebra crossing\n\n"]);
      assertEquals(messages.filter((message) => !message.includes("404")), []);
      await page.context().close();
    });

    await t.step("Enter that is pressed early opens what is found first", async () => {
      const { page } = await openPage(browser);
      await page.route("**/proc/worlds", async (route) => {
        await new Promise((resolve) => setTimeout(resolve, 300));
        await route.continue();
      });
      await page.goto(url);
      await page.locator("main:not([aria-busy])").waitFor();
      await page.keyboard.press("/");
      await page.keyboard.type("plan.md");
      await page.keyboard.press("Enter");
      await page.waitForURL(`${url}/home/notes/plan.md`);
      await page.context().close();
    });

    await t.step("the page of a search can be linked, and shows more lines", async () => {
      const { page, messages } = await openPage(browser);
      await page.goto(url);
      await page.locator("main:not([aria-busy])").waitFor();
      await page.keyboard.press("/");
      await page.keyboard.type("haystack");
      await page.getByRole("option", { name: "Show all lines" }).click();
      await page.waitForURL(`${url}/proc/search/?q=haystack`);
      await page.getByText("first 100 lines").waitFor();
      await shoot(page, "search");
      await page.getByRole("button", { name: "More lines" }).press("Enter");
      await page.getByText("120 lines").waitFor();
      assertStrictEquals(await page.locator(".hits li").count(), 120);
      await page.getByRole("textbox", { name: "Below" }).fill("/home/notes/");
      await page.getByRole("searchbox", { name: "Text" }).fill("needle");
      await page.keyboard.press("Enter");
      await page.waitForURL(`${url}/proc/search/home/notes/?q=needle`);
      await page.getByText("1 line", { exact: true }).waitFor();
      await page.getByRole("link", { name: "const needle" }).click();
      await page.waitForURL(`${url}/home/notes/code.ts#L3`);
      await page.goBack();
      await page.getByText("1 line", { exact: true }).waitFor();
      await page.goto(`${url}/proc/search/home/?q=nothing-has-this`);
      await page.getByText("Nothing found").waitFor();
      assertEquals(messages, []);
      await page.context().close();
    });

    await t.step("a path that is not a route is offered below /home/", async () => {
      const { page } = await openPage(browser);
      await page.goto(`${url}/recipes`);
      await page.getByRole("link", { name: "/home/recipes" }).click();
      await page.getByText("Nothing is here yet").waitFor();
      await page.context().close();
    });
  } finally {
    await browser.close();
    await server.stop();
  }
});

Deno.test("? lists the keys, and no key acts while the user types", async () => {
  const browser = await startBrowser();
  const server = await startBrowserServer();
  try {
    await server.put("/home/a.txt", "text\n");
    const { page, messages } = await openPage(browser);
    await page.goto(`${server.url}/home/a.txt`);
    await page.locator("main:not([aria-busy])").waitFor();
    await page.keyboard.press("?");
    await page.getByRole("dialog", { name: "Keys" }).waitFor();
    await shoot(page, "keys");
    await page.keyboard.press("e");
    await page.keyboard.press("/");
    assertStrictEquals(await page.locator("dialog").count(), 1);
    await page.keyboard.press("Escape");
    await page.locator("dialog").waitFor({ state: "detached" });
    await page.keyboard.press("e");
    const editor = page.getByRole("textbox").first();
    await editor.waitFor();
    await editor.press("End");
    await page.keyboard.type("/?e");
    assertStrictEquals(await page.locator("dialog").count(), 0);
    await page.keyboard.press("Control+s");
    let text = "";
    while (!text.includes("/?e")) text = await (await fetch(`${server.url}/home/a.txt?raw`)).text();
    assertEquals(messages, []);
  } finally {
    await browser.close();
    await server.stop();
  }
});

Deno.test("the search of a capability covers its prefix, and offers names there", async () => {
  const browser = await startBrowser();
  const server = await startBrowserServer({ ELASTIK_TOKEN: "write-in-tests" });
  const { url } = server;
  try {
    await server.put("/home/agent/plan.txt", "the agent's needle\n");
    await server.put("/home/other/plan.txt", "another needle\n");
    const minted = await fetch(`${url}/auth/mint?prefix=/home/agent&mode=rw&ttl=600`, {
      method: "POST",
      headers: { authorization: `Bearer ${server.approve}` },
    });
    const token = (await minted.json()).token;
    const { page } = await openPage(browser);
    await page.addInitScript((value) => {
      sessionStorage.setItem("elastik.authorization", `Bearer ${value}`);
    }, token);
    await page.goto(`${url}/home/agent/`);
    await page.locator("main:not([aria-busy])").waitFor();
    await page.keyboard.press("/");
    await page.keyboard.type("needle");
    await page.getByRole("option", { name: "/home/agent/plan.txt:1" }).waitFor();
    await page.getByRole("option", { name: "/home/agent/needle" }).waitFor();
    const all = await page.locator("dialog").textContent() ?? "";
    assert(!all.includes("/home/other"), all);
  } finally {
    await browser.close();
    await server.stop();
  }
});

/** An expression: whether a text is the marked line, and in the window. */
function marked(text: string): string {
  return `(() => {
    const [range] = CSS.highlights.get("at-line") ?? [];
    const { top = -1 } = range?.getBoundingClientRect() ?? {};
    return range?.toString() === ${JSON.stringify(text)} && top > 0 && top < innerHeight;
  })()`;
}

async function shoot(page: Page, name: string): Promise<void> {
  for (const colorScheme of ["light", "dark"] as const) {
    for (const width of [390, 1440]) {
      await page.emulateMedia({ colorScheme });
      await page.setViewportSize({ width, height: 900 });
      await page.screenshot({ path: `${SHOTS}find-${name}-${width}-${colorScheme}.png` });
    }
  }
}
