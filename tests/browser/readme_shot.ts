/**
 * Creates the picture of the README, `tests/browser/readme.png`. Run it after the shell's design
 * changed: `deno run -A tests/browser/readme_shot.ts`.
 */

import { openPage, startBrowser } from "./browser.ts";
import { startBrowserServer } from "./browser_server.ts";

const PICTURE = new URL("./readme.png", import.meta.url).pathname;
const PAGE = `<!doctype html>
<style>
  body { font: 17px/1.5 system-ui, sans-serif; margin: 2.5rem; color: #1d2b2a; background: #f5f7f4 }
  h1 { margin: 0 0 .2em; font-size: 2rem } p { margin: .2em 0 1.4em; color: #5a6b69 }
  .row { display: flex; align-items: end; gap: 14px; height: 190px; border-bottom: 2px solid #cfd8d4 }
  .row div { flex: 1; background: #2f7d6d; border-radius: 5px 5px 0 0; position: relative }
  .row span { position: absolute; bottom: -1.9em; width: 100%; text-align: center; font-size: 13px }
  .row b { position: absolute; top: -1.7em; width: 100%; text-align: center; font-size: 13px }
</style>
<h1>What the parser dropped</h1>
<p>written by an agent with PUT, shown live to everyone who has this page open</p>
<div class="row">
  <div style="height:32%"><b>9</b><span>Mon</span></div><div style="height:55%"><b>16</b><span>Tue</span></div>
  <div style="height:90%"><b>27</b><span>Wed</span></div><div style="height:41%"><b>12</b><span>Thu</span></div>
  <div style="height:12%"><b>3</b><span>Fri</span></div>
</div>`;

const server = await startBrowserServer();
const browser = await startBrowser();
try {
  await server.put("/home/scratch/notes.md", "# Notes\n\n- read the manual\n- wrote a page\n");
  await server.put("/home/scratch/findings/odd-lengths", "odd lengths lose a byte", {
    "x-meta-author": "agent-7",
    "x-meta-confidence": "0.8",
  });
  await server.put("/home/scratch/log", "09:12 read the manual\n09:14 wrote a page\n");
  for (const page of [PAGE.replace("27", "21"), PAGE]) {
    await server.put("/home/scratch/report", page, {
      "x-meta-author": "agent-7",
      "x-meta-confidence": "0.95",
    });
  }
  const { page } = await openPage(browser, {
    viewport: { width: 1180, height: 640 },
    colorScheme: "light",
  });
  await page.goto(`${server.url}/home/scratch/report`);
  // The history is drawn last, after the audit of the event chain.
  await page.getByText("verified").waitFor();
  await page.screenshot({ path: PICTURE });
  console.log(`${PICTURE}: ${Math.round((await Deno.stat(PICTURE)).size / 1024)} KiB`);
} finally {
  await browser.close();
  await server.stop();
}
