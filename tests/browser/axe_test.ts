/** Checks the shell with axe-core: the rules of WCAG 2.2 A and AA that a program can check. */

// deno-lint-ignore-file no-import-prefix -- lib/deps/ is for packages that the server loads

import { assertEquals } from "../support/assert.ts";
import axe from "npm:axe-core@4.14.1";
import { openPage, startBrowser } from "./browser.ts";
import { startBrowserServer } from "./browser_server.ts";

const RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];

interface Finding {
  readonly id: string;
  readonly impact: string | null;
  readonly nodes: readonly { readonly html: string; readonly failureSummary?: string }[];
}

Deno.test("the shell violates no rule of axe-core", async (t) => {
  const browser = await startBrowser();
  const server = await startBrowserServer();
  try {
    await server.put("/home/hello", "<h1>hi</h1>", { "x-meta-author": "ada" });
    await server.put(
      "/home/plan.md",
      "# A\n\n- [x] b\n\n|a|b|\n|-|-|\n|1|2|\n\n`c` [d](https://e)[^1]\n\n> [!TIP]\n> f\n\n[^1]: g\n",
    );
    await server.put("/home/data.json", '{"a":[1,"b",null,true]}');
    await server.put("/home/table.csv", "a,b\n1,2\n");
    await server.put("/home/code.ts", "// c\nconst a = 'b' + 1;\n");
    await server.put("/home/bytes.bin", new Uint8Array([0, 255, 128]));
    await server.put("/home/old.txt", new Uint8Array([0x67, 0x72, 0xfc, 0x6e]));
    await server.put("/home/empty.txt", "");
    await server.put("/home/past.txt", "one line\n");
    await server.put("/home/past.txt", "another line\n");
    await server.put("/home/gone.txt", "x");
    await fetch(`${server.url}/home/gone.txt`, {
      method: "DELETE",
      headers: { authorization: `Bearer ${server.approve}` },
    }).then((response) => response.body?.cancel());
    await server.put("/home/sub/x", "x");
    await server.put("/home/sub", "x");
    await server.put("/lib/example", "export const routes = ['/example'];\n");
    await server.put(
      "/lib/lamp?ext=ts",
      "export const routes = ['/dev/lamp'];\nexport default { fetch: () => Response.json({ watts: 7 }) };\n",
    );
    await server.put("/lib/lamp/state", "active");
    const pages: Record<string, string> = {
      "/": "Server",
      "/home/": "plan.md",
      "/home/hello": "verified",
      "/home/plan.md": "verified",
      "/home/data.json": "verified",
      "/home/table.csv": "verified",
      "/home/code.ts": "verified",
      "/home/bytes.bin": "verified",
      "/home/old.txt": "This text is not UTF-8",
      "/home/empty.txt": "This world is empty",
      "/home/nothing": "Nothing is here yet",
      "/lib/example": "verified",
      "/boot/env": "Stored in this tab only",
      "/home/past.txt?at=1": "an earlier version",
      "/home/past.txt?compare=1..2": "1 line added",
      "/home/gone.txt": "is in the trash",
      "/proc/trash/": "/home/gone.txt",
      "/bin": "/auth/mint",
      "/dev/": "lamp",
      "/dev/lamp": "watts",
      "/lib/lamp": "verified",
      "/proc/log/": "Changes below",
      "/proc/search/home/?q=line": "another line",
      "/proc/search/home/?q=nowhere": "Nothing found",
      "/usr/share/doc/shell.md": "The browser interface",
    };
    // Colours depend on the scheme only, and sizes on the width only.
    for (const [colorScheme, width] of [["light", 390], ["dark", 1440]] as const) {
      await t.step(`on any page in ${colorScheme} mode, ${width} px wide`, async () => {
        const { page, messages } = await openPage(browser, {
          colorScheme,
          viewport: { width, height: 900 },
          reducedMotion: "reduce",
        });
        const violations: string[] = [];
        for (const [path, text] of Object.entries(pages)) {
          await page.goto(server.url + path);
          await page.getByText(text).first().waitFor();
          violations.push(...await check(page, path));
        }
        await page.goto(`${server.url}/home/`);
        await page.getByRole("button", { name: "New", exact: true }).click();
        await page.getByRole("menuitem", { name: "Note" }).waitFor();
        violations.push(...await check(page, "the menu New"));
        await page.getByRole("menuitem", { name: "Note" }).click();
        await page.getByLabel("Name", { exact: true }).waitFor();
        violations.push(...await check(page, "the dialog for a new note"));
        await page.keyboard.press("Escape");
        await page.getByLabel("Select code.ts").check();
        await page.getByRole("button", { name: "Actions for code.ts" }).click();
        await page.getByRole("menuitem", { name: "Copy link" }).waitFor();
        violations.push(...await check(page, "a selection and the menu of a row"));
        await page.goto(`${server.url}/home/code.ts`);
        await page.getByText("verified").waitFor();
        await page.keyboard.press("e");
        await page.getByLabel("Text of").waitFor();
        violations.push(...await check(page, "the editor"));
        await page.keyboard.press("Escape");
        // Until the editor is hidden, it takes the keys.
        await page.getByLabel("Text of").waitFor({ state: "hidden" });
        await page.goto(`${server.url}/home/plan.md`);
        await page.getByText("verified").waitFor();
        await page.keyboard.press("e");
        await page.locator(".code-editor").waitFor();
        await page.keyboard.type("mine");
        if (width > 1000) await page.locator(".preview").getByText("mine").waitFor();
        violations.push(...await check(page, "the editor with a preview"));
        await page.getByRole("button", { name: "Cancel" }).click();
        await page.getByRole("dialog").waitFor();
        violations.push(...await check(page, "the question about unsaved text"));
        await page.keyboard.press("Escape");
        await server.put("/home/plan.md", `# Theirs, ${colorScheme} ${width}\n`);
        await page.locator(".editor").getByRole("button", { name: "Compare", exact: true }).click();
        await page.locator(".conflict").waitFor();
        violations.push(...await check(page, "the editor with another version"));
        await page.getByRole("button", { name: "Cancel" }).click();
        await page.getByRole("button", { name: "Discard the text" }).click();
        await page.getByText("verified").waitFor();
        await page.keyboard.press("/");
        await page.getByRole("option").first().waitFor();
        violations.push(...await check(page, "the search"));
        await page.keyboard.type("no such name");
        await page.getByText("Nothing found").waitFor();
        violations.push(...await check(page, "the search without a result"));
        await page.keyboard.press("Escape");
        await page.getByRole("listbox").waitFor({ state: "hidden" });
        await page.keyboard.press("?");
        await page.getByRole("dialog", { name: "Keys" }).waitFor();
        violations.push(...await check(page, "the keys"));
        await page.keyboard.press("Escape");
        await page.getByRole("dialog").waitFor({ state: "detached" });
        await page.keyboard.press("f");
        await page.locator(".full-bar").waitFor();
        violations.push(...await check(page, "the full window"));
        await page.keyboard.press("Escape");
        await page.getByRole("button", { name: "Sign in" }).click();
        await page.getByLabel("Token or password").fill(server.approve);
        await page.keyboard.press("Enter");
        await page.getByRole("button", { name: "T3" }).click();
        await page.getByRole("button", { name: "Mint a capability" }).click();
        await page.getByRole("button", { name: "Mint", exact: true }).click();
        await page.getByLabel("Token", { exact: true }).waitFor();
        violations.push(...await check(page, "the minting dialog"));
        await page.keyboard.press("Escape");
        await page.getByRole("button", { name: "T3" }).click();
        await page.getByText("Kept in this tab only").waitFor();
        violations.push(...await check(page, "the dialog of a caller"));
        await page.getByRole("button", { name: "Use another credential" }).click();
        await page.getByLabel("Keep me signed in on this computer").check();
        violations.push(...await check(page, "the sign-in"));
        assertEquals(violations, []);
        assertEquals(messages.filter((line) => !/40[14]|inline script/.test(line)), []);
        await page.context().close();
      });
    }
  } finally {
    await browser.close();
    await server.stop();
  }
});

async function check(
  page: Awaited<ReturnType<typeof openPage>>["page"],
  where: string,
): Promise<string[]> {
  // Animations are finished first, because colours change during them.
  await page.evaluate(
    "Promise.all(document.getAnimations().map((animation) => animation.finish()))",
  );
  await page.evaluate(axe.source);
  const run = `axe.run({ exclude: [".stage"] }, { runOnly: ${
    JSON.stringify(RULES)
  }, iframes: false })`;
  const found: Finding[] = await page.evaluate(`${run}.then(({ violations }) => violations)`);
  return found.map(({ id, impact, nodes }) =>
    `${where}: ${id} (${impact}) ${
      nodes.map(({ html, failureSummary }) => `${html.slice(0, 200)} ${failureSummary}`).join("\n")
    }`
  );
}
