/** The editor in the browser: no text that was typed is lost. */

import { assert, assertEquals } from "../support/assert.ts";
import { openPage, startBrowser, untilTrue } from "./browser.ts";
import { type BrowserServer, startBrowserServer } from "./browser_server.ts";

type Page = Awaited<ReturnType<typeof openPage>>["page"];

const SHOTS = new URL("./shots/", import.meta.url).pathname;
const MAX_BODY = 20_000;

Deno.test("the editor keeps its text when saving fails", async (t) => {
  const browser = await startBrowser();
  const server = await startBrowserServer({ ELASTIK_MAX_BODY: String(MAX_BODY) });
  const { url } = server;
  const read = async (path: string) => await (await fetch(`${url}${path}?raw`)).text();

  try {
    await server.put("/etc/motd", "hello\n");
    await server.put("/home/a.txt", "one\n");
    await server.put("/home/b.txt", "one\n");
    await server.put("/home/c.txt", "one\n");

    await t.step("401: signs in and saves", async () => {
      const { page, messages } = await openPage(browser);
      await signInAs(page, url, server.approve);
      await page.goto(`${url}/etc/motd`);
      await edit(page);
      await page.getByLabel("Text of").fill("hello all\n");
      await page.evaluate("sessionStorage.removeItem('elastik.authorization')");
      await page.getByRole("button", { name: "Save", exact: true }).click();
      await page.getByRole("alert").getByText("Not saved.").waitFor();
      await shots(page, "editor-401");
      await page.locator(".notice").getByRole("button", { name: "Sign in" }).click();
      await page.getByLabel("Token or password").fill(server.approve);
      await page.keyboard.press("Enter");
      await page.getByText("version 2", { exact: true }).waitFor();
      assertEquals(await read("/etc/motd"), "hello all\n");
      assertEquals(messages.filter(isNotErrorStatus), []);
      await page.context().close();
    });

    await t.step("401: replaces a credential that has ended, and saves", async () => {
      const { page, messages } = await openPage(browser);
      await signInAs(page, url, server.approve);
      await page.goto(`${url}/etc/motd`);
      await edit(page);
      await page.getByLabel("Text of").fill("hello again\n");
      await page.evaluate("sessionStorage.setItem('elastik.authorization', 'Bearer ended')");
      await page.getByRole("button", { name: "Save", exact: true }).click();
      await page.locator(".notice").getByRole("button", { name: "Sign in" }).click();
      await page.getByLabel("Token or password").fill(server.approve);
      await page.keyboard.press("Enter");
      await page.getByText("version 3", { exact: true }).waitFor();
      assertEquals(await read("/etc/motd"), "hello again\n");
      assertEquals(messages.filter(isNotErrorStatus), []);
      await page.context().close();
    });

    await t.step("403: saves under another name, after a refused one", async () => {
      const minted = await fetch(`${url}/auth/mint?prefix=/home/team&ttl=600&mode=rw`, {
        method: "POST",
        headers: { authorization: `Bearer ${server.approve}` },
      });
      const { token } = await minted.json();
      const { page, messages } = await openPage(browser);
      await page.addInitScript(
        `sessionStorage.setItem("elastik.authorization", "Bearer ${token}")`,
      );
      await server.put("/home/team/plan.md", "# Plan\n");
      await page.goto(`${url}/home/team/plan.md`);
      await edit(page);
      await page.keyboard.press("Control+a");
      await page.keyboard.type("# New plan\n");
      await page.route(
        "**/home/team/plan.md**",
        (route) =>
          route.request().method() === "PUT"
            ? route.fulfill({
              status: 403,
              contentType: "application/problem+json",
              body: '{"title":"Forbidden","detail":"Cannot write: read only"}',
            })
            : route.fallback(),
      );
      await page.getByRole("button", { name: "Save", exact: true }).click();
      await page.getByText("Not saved. Cannot write: read only.").waitFor();
      await page.getByRole("button", { name: "Save under another name" }).click();
      assertEquals(
        await page.evaluate("document.activeElement.value"),
        "/home/team/plan (2).md",
      );
      await page.getByRole("textbox", { name: "Path" }).fill("home/x");
      await page.getByText("A path begins with a slash").waitFor();
      await page.getByRole("textbox", { name: "Path" }).fill("/home/other.md");
      await page.keyboard.press("Enter");
      await page.getByRole("dialog").getByText("Cannot write /home/other.md").waitFor();
      await page.getByRole("textbox", { name: "Path" }).fill("/home/team/mine.md");
      await page.keyboard.press("Enter");
      await page.waitForURL(`${url}/home/team/mine.md`);
      await page.getByRole("heading", { name: "New plan" }).waitFor();
      assertEquals(await read("/home/team/mine.md"), "# New plan\n");
      assertEquals(messages.filter(isNotErrorStatus), []);
      await page.context().close();
    });

    await t.step("412: shows both texts, takes the other one and the own one back", async () => {
      const { page, messages } = await openEditor(browser, `${url}/home/a.txt`);
      await page.getByLabel("Text of").fill("mine\n");
      await server.put("/home/a.txt", "theirs\n");
      await page.getByText("Version 2 was written while you edit.").waitFor();
      await page.locator(".notice").getByRole("button", { name: "Compare" }).click();
      await page.locator(".conflict pre").getByText("theirs").waitFor();
      await shots(page, "editor-412");
      await page.getByRole("button", { name: "Use this text" }).click();
      assertEquals(await textOf(page), "theirs\n");
      await page.getByRole("button", { name: "Back to my text" }).click();
      assertEquals(await textOf(page), "mine\n");
      await page.getByRole("button", { name: "Replace version 2" }).click();
      await page.getByText("version 3", { exact: true }).waitFor();
      assertEquals(await read("/home/a.txt"), "mine\n");
      assertEquals(messages.filter(isNotErrorStatus), []);
      await page.context().close();
    });

    await t.step("412: a key or a second click replaces nothing", async () => {
      await server.put("/home/keys.txt", "one\n");
      const { page, messages } = await openEditor(browser, `${url}/home/keys.txt`);
      await page.getByLabel("Text of").fill("mine\n");
      await server.put("/home/keys.txt", "theirs\n");
      await page.getByText("Version 2 was written while you edit.").waitFor();
      await page.keyboard.press("Control+s");
      await page.locator(".conflict pre").getByText("theirs").waitFor();
      await page.keyboard.press("Control+s");
      await page.getByText("Choose with the buttons what to keep").waitFor();
      const replace = page.getByRole("button", { name: "Replace version 2" });
      await replace.dispatchEvent("click", { detail: 2 });
      assertEquals(await read("/home/keys.txt"), "theirs\n");
      await replace.click();
      await page.getByText("version 3", { exact: true }).waitFor();
      assertEquals(await read("/home/keys.txt"), "mine\n");
      assertEquals(messages.filter(isNotErrorStatus), []);
      await page.context().close();
    });

    await t.step("a world that was deleted is written again", async () => {
      const { page, messages } = await openEditor(browser, `${url}/home/b.txt`);
      await page.getByLabel("Text of").fill("still here\n");
      await remove(server, "/home/b.txt");
      await page.getByText("was deleted while you edited").waitFor();
      await page.getByRole("button", { name: "Write it again" }).click();
      await page.locator(".text").getByText("still here").waitFor();
      assertEquals(await read("/home/b.txt"), "still here\n");
      assertEquals(messages.filter(isNotErrorStatus), []);
      await page.context().close();
    });

    await t.step("413: names the limit, and saves the shortened text", async () => {
      const { page, messages } = await openEditor(browser, `${url}/home/c.txt`);
      await page.getByLabel("Text of").fill("x".repeat(MAX_BODY + 1));
      await page.getByRole("button", { name: "Save", exact: true }).click();
      await page.getByText(`at most ${MAX_BODY} are allowed`).waitFor();
      const [download] = await Promise.all([
        page.waitForEvent("download"),
        page.getByRole("button", { name: "Download the text" }).click(),
      ]);
      assertEquals(download.suggestedFilename(), "c.txt");
      await page.getByLabel("Text of").fill("shorter");
      await page.getByRole("button", { name: "Save", exact: true }).click();
      await page.getByText("version 2", { exact: true }).waitFor();
      assertEquals(messages.filter(isNotErrorStatus), []);
      await page.context().close();
    });

    for (const status of [0, 409, 423, 500, 503]) {
      await t.step(`${status || "no answer"}: saves at the next attempt`, async () => {
        const path = `/home/fault-${status}.txt`;
        await server.put(path, "one\n");
        const { page, messages } = await openEditor(browser, `${url}${path}`);
        await page.getByLabel("Text of").fill("two\n");
        let left = 1;
        await page.route(`**${path}**`, (route) => {
          if (route.request().method() !== "PUT" || left-- === 0) return route.fallback();
          return status === 0 ? route.abort() : route.fulfill({ status, body: "later" });
        });
        await page.getByRole("button", { name: "Save", exact: true }).click();
        await page.getByText("Your text stays here.").waitFor();
        assertEquals(await textOf(page), "two\n");
        await page.getByRole("button", { name: "Try again" }).click();
        await page.getByText("version 2", { exact: true }).waitFor();
        assertEquals(await read(path), "two\n");
        assertEquals(messages.filter(isNotErrorStatus), []);
        await page.context().close();
      });
    }

    await t.step("the focus returns to the text after Ctrl+S and Try again", async () => {
      await server.put("/home/again.txt", "one\n");
      const { page, messages } = await openEditor(browser, `${url}/home/again.txt`);
      await page.getByLabel("Text of").fill("two\n");
      let left = 1;
      await page.route("**/home/again.txt**", (route) => {
        if (route.request().method() !== "PUT" || left-- === 0) return route.fallback();
        return route.abort();
      });
      await page.keyboard.press("Control+s");
      await page.getByText("Not saved. The server may be restarting, or the network is down.")
        .waitFor();
      await page.getByRole("button", { name: "Try again" }).click();
      await page.getByText("Saved as version 2").waitFor();
      await page.keyboard.press("Control+a");
      await page.keyboard.type("three");
      assertEquals(await textOf(page), "three");
      assertEquals(messages.filter(isNotErrorStatus), []);
      await page.context().close();
    });

    await t.step(
      "a version that comes before the response to a save is shown after it",
      async () => {
        await server.put("/home/late.txt", "one\n");
        const { page, messages } = await openEditor(browser, `${url}/home/late.txt`);
        await page.getByLabel("Text of").fill("two\n");
        await page.route("**/home/late.txt**", async (route) => {
          if (route.request().method() !== "PUT") return route.fallback();
          const response = await route.fetch();
          await server.put("/home/late.txt", "three\n");
          await page.getByText("version 3", { exact: true }).waitFor();
          await route.fulfill({ response });
        });
        await page.keyboard.press("Control+s");
        await page.getByText("Now version 3").waitFor();
        assertEquals(await textOf(page), "three\n");
        assertEquals(messages.filter(isNotErrorStatus), []);
        await page.context().close();
      },
    );

    await t.step(
      "a deletion that comes before the response to a save is shown after it",
      async () => {
        await server.put("/home/gone.txt", "one\n");
        const { page, messages } = await openEditor(browser, `${url}/home/gone.txt`);
        await page.getByLabel("Text of").fill("two\n");
        await page.route("**/home/gone.txt**", async (route) => {
          if (route.request().method() !== "PUT") return route.fallback();
          const response = await route.fetch();
          await remove(server, "/home/gone.txt");
          await page.locator(".facts").getByText("deleted").waitFor();
          await route.fulfill({ response });
        });
        await page.keyboard.press("Control+s");
        await page.getByText("was deleted while you edited").waitFor();
        assertEquals(await textOf(page), "two\n");
        assertEquals(messages.filter(isNotErrorStatus), []);
        await page.context().close();
      },
    );

    await t.step("what happened to the text is shown until the text changes", async () => {
      await server.put("/home/state.txt", "one\n");
      const { page, messages } = await openEditor(browser, `${url}/home/state.txt`);
      const state = page.locator(".state");
      /** Does what the editor does some time after each change of the text. */
      const store = () => page.evaluate("document.dispatchEvent(new Event('visibilitychange'))");
      await server.put("/home/state.txt", "two\n");
      await state.getByText("Now version 2").waitFor();
      await store();
      assertEquals(await state.textContent(), "Now version 2");
      await page.keyboard.press("Control+a");
      await page.keyboard.type("three");
      assertEquals(await state.textContent(), "Not saved");
      await page.keyboard.press("Control+s");
      await state.getByText("Saved as version 3").waitFor();
      await store();
      assertEquals(await state.textContent(), "Saved as version 3");
      await page.keyboard.type(" four");
      await server.put("/home/state.txt", "five\n");
      await page.getByText("Version 4 was written while you edit.").waitFor();
      await page.locator(".notice").getByRole("button", { name: "Compare" }).click();
      await page.locator(".conflict pre").getByText("five").waitFor();
      await page.keyboard.press("Control+s");
      await store();
      assertEquals(
        await state.textContent(),
        "Not saved. Choose with the buttons what to keep",
      );
      await page.getByRole("button", { name: "Use this text" }).click();
      assertEquals(await state.textContent(), "Not saved");
      assertEquals(messages.filter(isNotErrorStatus), []);
      await page.context().close();
    });

    await t.step("a lost response does not cause a conflict", async () => {
      await server.put("/home/lost.txt", "one\n");
      const { page, messages } = await openEditor(browser, `${url}/home/lost.txt`);
      await page.getByLabel("Text of").fill("two\n");
      let left = 1;
      await page.route("**/home/lost.txt**", async (route) => {
        if (route.request().method() !== "PUT" || left-- === 0) return route.fallback();
        await route.fetch();
        // After the failure, the event of the version would show a note in place of the button.
        await page.getByText("version 2", { exact: true }).waitFor();
        await route.abort();
      });
      await page.getByRole("button", { name: "Save", exact: true }).click();
      await page.getByRole("button", { name: "Try again" }).click();
      await page.getByText("version 2", { exact: true }).waitFor();
      await page.locator(".editor").waitFor({ state: "detached" });
      assertEquals(messages.filter(isNotErrorStatus), []);
      await page.context().close();
    });

    await t.step("invalid metadata and types are named, and nothing is sent", async () => {
      await server.put("/home/meta.txt", "one\n", { "x-meta-author": "ada" });
      const { page, messages } = await openEditor(browser, `${url}/home/meta.txt`);
      await page.getByLabel("Metadata").fill("author: ada\nno colon");
      await page.getByRole("button", { name: "Save", exact: true }).click();
      await page.getByText('The metadata line "no colon" has no form').waitFor();
      await page.getByLabel("Metadata").fill("author: Grüße");
      await page.getByRole("button", { name: "Save", exact: true }).click();
      await page.getByText('The metadata of "author" has other characters').waitFor();
      await page.getByLabel("Metadata").fill("author: ada l.");
      await page.getByRole("button", { name: "Save", exact: true }).click();
      await page.getByText("version 2", { exact: true }).waitFor();
      await page.keyboard.press("e");
      await page.getByLabel("Text of").waitFor();
      assertEquals(await page.getByLabel("Metadata").inputValue(), "author: ada l.");
      assertEquals(messages.filter(isNotErrorStatus), []);
      await page.context().close();
    });
  } finally {
    await browser.close();
    await server.stop();
  }
});

Deno.test("the editor asks before its text is lost", async (t) => {
  const browser = await startBrowser();
  const server = await startBrowserServer();
  const { url } = server;
  const read = async (path: string) => await (await fetch(`${url}${path}?raw`)).text();
  const asking = (page: Page) => page.getByRole("dialog").getByText("is not saved.");

  try {
    for (const name of ["a", "b", "c", "d", "e", "f"]) {
      await server.put(`/home/${name}.txt`, "one\n");
    }

    await t.step("on links, Back, the search and Cancel", async () => {
      const { page, messages } = await openPage(browser);
      await page.goto(`${url}/home/`);
      await page.getByRole("link", { name: "a.txt" }).click();
      await edit(page);
      await page.getByLabel("Text of").fill("typed\n");
      await page.getByRole("link", { name: "home", exact: true }).click();
      await asking(page).waitFor();
      await shots(page, "editor-leave");
      await page.keyboard.press("Escape");
      await asking(page).waitFor({ state: "detached" });
      assertEquals(await textOf(page), "typed\n");

      await page.evaluate("history.back()");
      await asking(page).waitFor();
      assertEquals(page.url(), `${url}/home/a.txt`);
      // The answer counts at once: Back directly after it is the next question.
      await page.evaluate(
        "earlier = document.querySelector('dialog'), earlier.close(), history.back()",
      );
      await untilTrue(page, "![null, earlier].includes(document.querySelector('dialog'))");
      await asking(page).waitFor();
      assertEquals(page.url(), `${url}/home/a.txt`);
      await page.getByRole("button", { name: "Keep editing" }).click();
      assertEquals(await textOf(page), "typed\n");

      await page.getByRole("button", { name: "Cancel" }).click();
      await asking(page).waitFor();
      await page.getByRole("button", { name: "Keep editing" }).click();

      await page.locator("#find").click();
      await page.getByRole("combobox", { name: "Search" }).fill("b.txt");
      await page.getByRole("option", { name: "/home/b.txt" }).click();
      await asking(page).waitFor();
      await page.getByRole("button", { name: "Discard the text" }).click();
      await page.waitForURL(`${url}/home/b.txt`);
      assertEquals(await read("/home/a.txt"), "one\n");
      assertEquals(messages.filter(isNotErrorStatus), []);
      await page.context().close();
    });

    await t.step("and saves it on the way, with Back", async () => {
      const { page, messages } = await openPage(browser);
      await page.goto(`${url}/home/`);
      await page.getByRole("link", { name: "c.txt" }).click();
      await edit(page);
      await page.getByLabel("Text of").fill("typed\n");
      await page.evaluate("history.back()");
      await asking(page).waitFor();
      await page.keyboard.press("Enter");
      await page.waitForURL(`${url}/home/`);
      await page.getByRole("link", { name: "c.txt" }).waitFor();
      assertEquals(await read("/home/c.txt"), "typed\n");
      await page.goForward();
      await page.locator(".text").getByText("typed").waitFor();
      assertEquals(await page.locator(".editor").count(), 0);
      assertEquals(messages.filter(isNotErrorStatus), []);
      await page.context().close();
    });

    await t.step("when the tab is closed or reloaded, and not without changes", async () => {
      const { page } = await openEditor(browser, `${url}/home/d.txt`);
      const kinds: string[] = [];
      page.on("dialog", (dialog) => {
        kinds.push(dialog.type());
        dialog.accept();
      });
      await page.reload();
      await edit(page);
      assertEquals(kinds, []);
      await page.getByLabel("Text of").fill("typed\n");
      await page.reload();
      assertEquals(kinds, ["beforeunload"]);
      await page.context().close();
    });

    await t.step("a draft survives a reload, and is deleted after saving", async () => {
      const { page, messages } = await openEditor(browser, `${url}/home/e.txt`);
      page.on("dialog", (dialog) => dialog.accept());
      await page.getByLabel("Text of").fill("typed\n");
      await page.reload();
      await page.getByText("Your text that was not saved is here again").waitFor();
      assertEquals(await textOf(page), "typed\n");
      await shots(page, "editor-draft");
      const other = await page.context().newPage();
      await other.goto(`${url}/home/e.txt`);
      await other.locator(".text").getByText("one").waitFor();
      assertEquals([await draftsOf(other), await other.locator(".editor").count()], [0, 0]);
      await other.close();
      await page.keyboard.press("Control+s");
      await page.getByText("Saved as version 2").waitFor();
      assertEquals(await read("/home/e.txt"), "typed\n");
      assertEquals(await draftsOf(page), 0);
      await page.reload();
      await page.locator(".text").getByText("typed").waitFor();
      assertEquals(await page.locator(".editor").count(), 0);
      assertEquals(messages.filter(isNotErrorStatus), []);
      await page.context().close();
    });

    await t.step("a draft of an older version is compared", async () => {
      const { page } = await openEditor(browser, `${url}/home/f.txt`);
      page.on("dialog", (dialog) => dialog.accept());
      await page.getByLabel("Text of").fill("typed\n");
      await page.locator(".state").getByText("Not saved").waitFor();
      await page.evaluate("globalThis.dispatchEvent(new Event('pagehide'))");
      await page.goto("about:blank");
      await server.put("/home/f.txt", "theirs\n");
      await page.goto(`${url}/home/f.txt`);
      await page.getByText("The world has changed since you began").waitFor();
      await page.getByRole("button", { name: "Save", exact: true }).click();
      await page.locator(".conflict pre").getByText("theirs").waitFor();
      assertEquals(await textOf(page), "typed\n");
      await page.getByRole("button", { name: "Cancel" }).click();
      await page.getByRole("button", { name: "Discard the text" }).click();
      await page.locator(".text").getByText("theirs").waitFor();
      assertEquals(await draftsOf(page), 0);
      await page.context().close();
    });

    await t.step("says so if the storage of the tab is full", async () => {
      const { page, messages } = await openEditor(browser, `${url}/home/f.txt`);
      await page.evaluate(`sessionStorage.setItem("full", "x".repeat(5242870))`);
      await page.getByLabel("Text of").fill("typed\n".repeat(100));
      await page.getByText("The text is too long to survive a reload").waitFor();
      assertEquals(messages.filter(isNotErrorStatus), []);
      await page.context().close();
    });

    await t.step(
      "before signing out, which deletes the drafts; signing in keeps the editor",
      async () => {
        const { page, messages } = await openEditor(browser, `${url}/home/a.txt`);
        await page.getByLabel("Text of").fill("typed\n");
        await page.locator("#who").click();
        await page.getByLabel("Token or password").fill(server.approve);
        await page.keyboard.press("Enter");
        await page.locator("#who").getByText("T3").waitFor();
        assertEquals(await textOf(page), "typed\n");
        await page.locator("#who").click();
        await page.getByRole("button", { name: "Sign out" }).click();
        await asking(page).waitFor();
        await page.getByRole("button", { name: "Keep editing" }).click();
        assertEquals(await textOf(page), "typed\n");
        await page.locator("#who").click();
        await page.getByRole("button", { name: "Sign out" }).click();
        await page.getByRole("button", { name: "Discard the text" }).click();
        await page.locator("#who").getByText("Sign in").waitFor();
        await page.locator(".editor").waitFor({ state: "detached" });
        assertEquals(await draftsOf(page), 0);
        assertEquals(messages.filter(isNotErrorStatus), []);
        await page.context().close();
      },
    );

    await t.step("and keeps it if another tab signs out", async () => {
      await server.put("/boot/secret.txt", "only for T3\n");
      const { page, messages } = await openPage(browser);
      await page.goto(`${url}/home/a.txt`);
      await page.locator("#who").click();
      await page.getByLabel("Token or password").fill(server.approve);
      await page.getByLabel("Keep me signed in on this computer").check();
      await page.keyboard.press("Enter");
      await page.locator("#who").getByText("T3").waitFor();
      const other = await page.context().newPage();
      await other.goto(`${url}/boot/secret.txt`);
      await edit(other);
      await other.getByLabel("Text of").fill("typed\n");
      await page.locator("#who").click();
      await page.getByRole("button", { name: "Sign out in all tabs" }).click();
      await other.locator("#who").getByText("Sign in").waitFor();
      assertEquals(await textOf(other), "typed\n");
      await other.keyboard.press("Control+s");
      await other.locator(".notice").getByRole("button", { name: "Sign in" }).click();
      await other.getByLabel("Token or password").fill(server.approve);
      await other.keyboard.press("Enter");
      await other.getByText("Saved as version 2").waitFor();
      assertEquals(await draftsOf(other), 0);
      assertEquals(messages.filter(isNotErrorStatus), []);
      await page.context().close();
    });

    await t.step("an earlier version is shown only after the question", async () => {
      await server.put("/home/old.txt", "first\n");
      await server.put("/home/old.txt", "second\n");
      const { page, messages } = await openEditor(browser, `${url}/home/old.txt`);
      await page.getByLabel("Text of").fill("typed\n");
      await page.getByRole("button", { name: "Show v1" }).click();
      await asking(page).waitFor();
      await page.keyboard.press("Escape");
      assertEquals(await textOf(page), "typed\n");
      await page.getByRole("button", { name: "Show v1" }).click();
      await page.getByRole("button", { name: "Discard the text" }).click();
      await page.getByText("first", { exact: true }).waitFor();
      assertEquals(messages.filter(isNotErrorStatus), []);
      await page.context().close();
    });
  } finally {
    await browser.close();
    await server.stop();
  }
});

Deno.test("the editor of the shell", async (t) => {
  const browser = await startBrowser();
  const server = await startBrowserServer();
  const { url } = server;
  const read = async (path: string) => await (await fetch(`${url}${path}?raw`)).text();

  try {
    await t.step("loads without a violation of the page's policy, and highlights", async () => {
      await server.put("/home/code.ts", "// why\nconst answer = 42;\n");
      const { page, messages } = await openPage(browser);
      await page.addInitScript(
        "addEventListener('securitypolicyviolation', (event) => console.error(event.violatedDirective))",
      );
      const loaded: string[] = [];
      page.on("response", (response) => loaded.push(response.url()));
      await page.goto(`${url}/home/code.ts`);
      await page.getByText("version 1", { exact: true }).waitFor();
      assertEquals(loaded.filter((address) => address.includes("/editor.js")), []);
      await edit(page);
      assertEquals(loaded.filter((address) => /\/editor\.js\?raw&sha256=/.test(address)).length, 1);
      const style = "getComputedStyle(document.querySelector('.code-editor').shadowRoot";
      const color = `${style}.querySelector('.cm-line span')).color`;
      const plain = `${style}.querySelector('.cm-line')).color`;
      assert(await page.evaluate(color) !== await page.evaluate(plain));
      assertEquals(await page.locator(".code-editor .cm-lineNumbers").count(), 1);
      assertEquals(
        await page.evaluate(
          "document.querySelector('.code-editor').shadowRoot.querySelector('style')",
        ),
        null,
      );
      await shots(page, "editor-code");
      assertEquals(messages, []);
      await page.context().close();
    });

    await t.step("indents with Tab and Shift+Tab, and Tab leaves it after Escape", async () => {
      await server.put("/home/list.js", "if (a) {\n    b();\n}\nc\n");
      const { page, messages } = await openEditor(browser, `${url}/home/list.js`);
      for (const key of ["Control+End", "ArrowUp", "Tab"]) await page.keyboard.press(key);
      assertEquals(await textOf(page), "if (a) {\n    b();\n}\n    c\n");
      await page.keyboard.press("Shift+Tab");
      assertEquals(await textOf(page), "if (a) {\n    b();\n}\nc\n");
      // Undo takes back what was done at one place at once, so the next change is at another place.
      await page.keyboard.press("End");
      await page.keyboard.type("x");
      await page.keyboard.press("Control+z");
      assertEquals(await textOf(page), "if (a) {\n    b();\n}\nc\n");
      await page.keyboard.type("x");
      await page.keyboard.press("Escape");
      await page.keyboard.press("Tab");
      assertEquals(await page.evaluate("document.activeElement.localName"), "summary");
      assertEquals(messages, []);
      await page.context().close();
    });

    await t.step("is a text area until it is loaded, and keeps what was typed", async () => {
      await server.put("/home/slow.txt", "one\n");
      const { page, messages } = await openPage(browser);
      let release = () => {};
      const isReleased = new Promise<void>((resolve) => release = resolve);
      await page.route("**/editor.js**", async (route) => {
        await isReleased;
        await route.continue();
      });
      await page.goto(`${url}/home/slow.txt`);
      await page.getByText("version 1", { exact: true }).waitFor();
      await page.keyboard.press("e");
      await page.locator("textarea").first().waitFor();
      await page.keyboard.type("typed ");
      await page.keyboard.press("Tab");
      assertEquals(await page.getByLabel("Text of").inputValue(), "typed   one\n");
      release();
      assertEquals(await textOf(page), "typed   one\n");
      await page.keyboard.type("more ");
      assertEquals(await textOf(page), "typed   more one\n");
      assertEquals(messages, []);
      await page.context().close();
    });

    await t.step("opens once, however often the key is pressed", async () => {
      await server.put("/home/twice.txt", "one\n");
      const { page, messages } = await openPage(browser);
      await page.goto(`${url}/home/twice.txt`);
      await page.getByText("version 1", { exact: true }).waitFor();
      await page.evaluate(`for (let at = 0; at < 3; at++) {
        document.body.dispatchEvent(new KeyboardEvent("keydown", { key: "e", bubbles: true }));
      }`);
      await page.locator(".code-editor").waitFor();
      await page.keyboard.type("typed ");
      page.on("dialog", (dialog) => dialog.accept());
      await page.reload();
      await page.getByText("Your text that was not saved is here again").waitFor();
      assertEquals(await textOf(page), "typed one\n");
      assertEquals(messages, []);
      await page.context().close();
    });

    await t.step("stays a text area if it cannot be loaded", async () => {
      await server.put("/home/none.txt", "one\n");
      const { page } = await openPage(browser);
      await page.route("**/editor.js**", (route) => route.abort());
      await page.goto(`${url}/home/none.txt`);
      await page.getByText("version 1", { exact: true }).waitFor();
      await page.keyboard.press("e");
      await page.getByLabel("Text of").fill("two\n");
      await page.keyboard.press("Control+s");
      await page.getByText("Saved as version 2").waitFor();
      assertEquals(await read("/home/none.txt"), "two\n");
      await page.context().close();
    });

    await t.step("keeps CRLF, and a text without a line end", async () => {
      await server.put("/home/crlf.txt", "one\r\ntwo");
      const { page, messages } = await openEditor(browser, `${url}/home/crlf.txt`);
      await page.keyboard.press("Control+End");
      await page.keyboard.press("Enter");
      await page.keyboard.type("three");
      await page.keyboard.press("Control+s");
      await page.getByText("Saved as version 2").waitFor();
      assertEquals(await read("/home/crlf.txt"), "one\r\ntwo\r\nthree");
      assertEquals(messages, []);
      await page.context().close();
    });

    await t.step("keeps the line ends of a version that another client wrote", async () => {
      await server.put("/home/ends.txt", "one\ntwo\n");
      const { page, messages } = await openEditor(browser, `${url}/home/ends.txt`);
      await server.put("/home/ends.txt", "\r\ntwo\r\n");
      await page.getByText("Now version 2").waitFor();
      await page.keyboard.press("Control+Home");
      await page.keyboard.type("three");
      await page.keyboard.press("Control+s");
      await page.getByText("Saved as version 3").waitFor();
      assertEquals(await read("/home/ends.txt"), "three\r\ntwo\r\n");
      assertEquals(messages, []);
      await page.context().close();
    });

    await t.step("shows what is typed as Markdown, as a page and as a table", async () => {
      await server.put("/home/a.md", "# One\n");
      await server.put("/home/a.html", "<h1>One</h1>");
      await server.put("/home/a.csv", "a,b\n1,2\n");
      const { page, messages } = await openEditor(browser, `${url}/home/a.md`);
      await page.keyboard.press("Control+End");
      await page.keyboard.type("## Two");
      await page.locator(".preview").getByRole("heading", { name: "Two" }).waitFor();
      await shots(page, "editor-preview");
      await page.getByLabel("Type", { exact: true }).selectOption("txt");
      await page.locator(".preview").waitFor({ state: "hidden" });
      await page.getByRole("button", { name: "Cancel" }).click();
      await page.getByRole("button", { name: "Discard the text" }).click();

      await page.goto(`${url}/home/a.html`);
      await edit(page);
      await page.getByLabel("Text of").fill(
        "<h1>Two</h1><script>document.body.append('ran')</script>",
      );
      const inside = page.frameLocator(".preview iframe").last();
      await inside.getByRole("heading", { name: "Two" }).waitFor();
      await page.getByText("Scripts run after saving.").waitFor();
      assertEquals(
        await inside.locator("body").textContent().then((text) => text?.includes("Tworan")),
        false,
      );
      await page.getByRole("button", { name: "Save", exact: true }).click();
      await page.frameLocator(".stage iframe").last().getByText("ran").waitFor();

      await page.goto(`${url}/home/a.csv`);
      await edit(page);
      await page.getByLabel("Text of").fill("a,b\n1,three\n");
      await page.locator(".preview").getByRole("cell", { name: "three" }).waitFor();
      await page.getByRole("button", { name: "Preview" }).click();
      await page.locator(".preview").waitFor({ state: "hidden" });
      await page.setViewportSize({ width: 390, height: 900 });
      await page.getByRole("button", { name: "Preview" }).click();
      await page.locator(".preview").getByRole("cell", { name: "three" }).waitFor();
      await page.locator(".code-editor").waitFor({ state: "hidden" });
      assertEquals(messages.filter((line) => !line.includes("inline script")), []);
      await page.context().close();
    });

    await t.step("names the type that the server would choose, and sends another one", async () => {
      const { page, messages } = await openPage(browser);
      await page.goto(`${url}/home/new`);
      await page.getByText("Nothing is here yet").waitFor();
      await page.keyboard.press("e");
      await page.getByLabel("Text of").fill("# Title\n");
      const type = page.getByLabel("Type", { exact: true });
      assertEquals(await type.locator("option").first().textContent(), "automatic (txt)");
      await page.getByLabel("Text of").fill("<h1>Title</h1>\n");
      assertEquals(await type.locator("option").first().textContent(), "automatic (html)");
      await type.selectOption("md");
      await page.getByLabel("Text of").fill("# Title\n");
      await page.getByRole("button", { name: "Save", exact: true }).click();
      await page.getByRole("heading", { name: "Title" }).waitFor();
      await page.locator(".facts").getByText("md", { exact: true }).waitFor();
      await edit(page);
      await type.selectOption({ label: "other …" });
      await page.getByLabel("Other type").fill("org");
      await page.getByRole("button", { name: "Save", exact: true }).click();
      await page.locator(".facts").getByText("org", { exact: true }).waitFor();
      assertEquals(messages.filter(isNotErrorStatus), []);
      await page.context().close();
    });

    await t.step("opens and changes 1 MiB", async () => {
      await server.put("/home/long.log", "a line of the log\n".repeat(58_000));
      const { page, messages } = await openPage(browser);
      await page.goto(`${url}/home/long.log`);
      await page.getByText("version 1", { exact: true }).waitFor();
      await page.keyboard.press("e");
      await page.locator(".code-editor").waitFor();
      await page.keyboard.type("typed");
      await page.locator(".cm-line").first().getByText("typed").waitFor();
      assertEquals(messages, []);
      await page.context().close();
    });
  } finally {
    await browser.close();
    await server.stop();
  }
});

async function openEditor(browser: Awaited<ReturnType<typeof startBrowser>>, address: string) {
  const opened = await openPage(browser);
  await opened.page.goto(address);
  await edit(opened.page);
  return opened;
}

async function edit(page: Page) {
  await page.getByText(/^version \d+$/).waitFor();
  await page.keyboard.press("e");
  await page.locator(".code-editor").waitFor();
}

/** Stores a credential for the tab. */
async function signInAs(page: Page, url: string, token: string) {
  await page.goto(`${url}/home/`);
  await page.evaluate(`sessionStorage.setItem("elastik.authorization", "Bearer ${token}")`);
}

/** The text in the editor. */
async function textOf(page: Page): Promise<string> {
  await page.locator(".code-editor").waitFor();
  return (await page.locator(".code-editor .cm-line").allTextContents()).join("\n");
}

/** How many drafts the tab has. */
async function draftsOf(page: Page): Promise<number> {
  const keys = "Object.keys(sessionStorage).filter((key) => key.startsWith('elastik.draft:'))";
  return Number(await page.evaluate(`${keys}.length`));
}

async function remove(server: BrowserServer, path: string) {
  const response = await fetch(server.url + path, {
    method: "DELETE",
    headers: { authorization: `Bearer ${server.approve}` },
  });
  assert(response.ok);
  await response.body?.cancel();
}

async function shots(page: Page, name: string) {
  for (const colorScheme of ["light", "dark"] as const) {
    for (const width of [390, 1440]) {
      await page.emulateMedia({ colorScheme });
      await page.setViewportSize({ width, height: 900 });
      await page.screenshot({ path: `${SHOTS}${name}-${width}-${colorScheme}.png` });
    }
  }
}

/** The browser logs an error status on the console, whatever the page does with it. */
function isNotErrorStatus(line: string): boolean {
  return !line.startsWith("Failed to load resource");
}
