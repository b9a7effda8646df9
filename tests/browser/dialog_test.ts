/** The dialogs of the shell, by keyboard and mouse. */

import { assertEquals } from "../support/assert.ts";
import { openPage, startBrowser, untilTrue } from "./browser.ts";
import { startBrowserServer } from "./browser_server.ts";

Deno.test("every dialog of the shell is made by dialog.js, and its end is shell:closed", async () => {
  const found: string[] = [];
  const late: string[] = [];
  for (const folder of ["", "lazy/"]) {
    const url = new URL(`../../shell/${folder}`, import.meta.url);
    for await (const { name } of Deno.readDir(url)) {
      if (!name.endsWith(".js")) continue;
      const text = await Deno.readTextFile(new URL(name, url));
      if (/showModal\(|"dialog"/.test(text)) found.push(folder + name);
      // The browser dispatches it with the next frame.
      if (
        /addEventListener\(\s*"close"|\bon: \{(?:[^}]*,)?\s*close\s*[,:}]|\.onclose\b/.test(text)
      ) {
        late.push(folder + name);
      }
    }
  }
  assertEquals(found, ["dialog.js"]);
  assertEquals(late, []);
});

Deno.test("a dialog of the shell", async (t) => {
  const browser = await startBrowser();
  const server = await startBrowserServer();
  const { url } = server;
  const focused = "document.activeElement.textContent";
  try {
    await server.put("/home/a.txt", "a");
    const { page, messages } = await openPage(browser);
    await page.addInitScript(
      `sessionStorage.setItem("elastik.authorization", "Bearer ${server.approve}")`,
    );
    await page.goto(`${url}/home/a.txt`);
    await page.getByText("version 1", { exact: true }).waitFor();
    const remove = page.getByRole("button", { name: "Delete" });

    await t.step(
      "closes on Escape, and the focus returns to the button that opened it",
      async () => {
        await remove.focus();
        await page.keyboard.press("Enter");
        await page.getByRole("dialog", { name: "Delete?" }).waitFor();
        assertEquals(await page.evaluate(focused), "Delete");
        await page.keyboard.press("Escape");
        await page.locator("dialog").waitFor({ state: "detached" });
        assertEquals(await page.evaluate("document.activeElement.closest('.head') !== null"), true);
        assertEquals((await fetch(`${url}/home/a.txt`)).status, 200);
      },
    );

    await t.step(
      "is over before the next frame, also if a script or the browser closes it",
      async () => {
        // The browser dispatches `close` with a frame.
        const note = `closes = [];
        document.querySelector("dialog").addEventListener("close", ({ target }) =>
          closes.push(target.isConnected), true)`;
        for (
          const close of [
            () => page.keyboard.press("Escape"),
            () => page.getByRole("button", { name: "Cancel" }).click(),
            () =>
              page.evaluate(
                "history.replaceState(history.state, ''), dispatchEvent(new Event('popstate'))",
              ),
          ]
        ) {
          await remove.click();
          await page.getByRole("dialog", { name: "Delete?" }).waitFor();
          await page.evaluate(note);
          await close();
          await untilTrue(page, "closes.length === 1");
          assertEquals(await page.evaluate("closes"), [false]);
        }
      },
    );

    await t.step("closes on a click outside, and not on one inside", async () => {
      await remove.click();
      const box = await page.getByRole("dialog").boundingBox();
      if (box === null) throw new Error("the dialog has no box");
      await page.mouse.click(box.x + 5, box.y + 5);
      assertEquals(await page.locator("dialog").count(), 1);
      await page.mouse.click(5, 5);
      await page.locator("dialog").waitFor({ state: "detached" });
    });

    await t.step("confirms on Enter", async () => {
      await remove.click();
      await page.getByRole("dialog", { name: "Delete?" }).waitFor();
      await page.keyboard.press("Enter");
      await page.getByText("This world was deleted").waitFor();
    });

    await t.step("begins with the focus in the first field, in the sign-in, too", async () => {
      const { page, messages } = await openPage(browser);
      await page.goto(`${url}/home/`);
      await page.locator("#who").click();
      await page.getByRole("dialog", { name: "Sign in" }).waitFor();
      assertEquals(await page.evaluate("document.activeElement.name"), "secret");
      assertEquals(messages, []);
    });
    assertEquals(messages.filter((line) => !line.startsWith("Failed to load resource")), []);
  } finally {
    await browser.close();
    await server.stop();
  }
});
