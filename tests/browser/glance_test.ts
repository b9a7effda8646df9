/** Details of the shell's pages in Chromium: health of plugins, collections, audio, video, PDF. */

import { assertEquals, assertMatch } from "../support/assert.ts";
import { healthOf } from "../../shell/health_facts.js";
import { openPage, type Page, startBrowser, untilTrue } from "./browser.ts";
import { startBrowserServer } from "./browser_server.ts";

const SHOTS = new URL("./shots/", import.meta.url).pathname;

/** The fields of a plugin's state that the page uses. */
interface PluginStatus {
  readonly state: string;
  readonly up?: boolean;
  readonly fault?: string;
  readonly health?: { readonly crashes?: number };
}

/** A plugin without faults. */
const WELL = `export const routes = ["/well"];
export default { fetch: () => new Response("well") };`;

Deno.test("healthOf() returns the health of a plugin in one word", () => {
  const words = (status: PluginStatus) => {
    const { word, tone, detail } = healthOf(status);
    return [word, tone, detail];
  };
  assertEquals(words({ state: "pending" }), ["pending", "pending", ""]);
  assertEquals(words({ state: "disabled", up: false }), ["disabled", "disabled", ""]);
  assertEquals(words({ state: "active", up: true, health: {} }), ["up", "good", ""]);
  assertEquals(words({ state: "active", up: false, fault: "no net" }), [
    "down",
    "bad",
    "no net",
  ]);
  assertEquals(words({ state: "active", up: true, health: { crashes: 1 } }), [
    "up",
    "pending",
    "ended once",
  ]);
  assertEquals(
    words({ state: "active", up: true, health: { crashes: 3 } })[2],
    "ended 3 times",
  );
});

Deno.test("the shell shows health, collections and media", async (t) => {
  const browser = await startBrowser();
  const server = await startBrowserServer();
  const { url } = server;
  try {
    await t.step(
      "GET / shows the health of each plugin and follows its activation",
      async () => {
        await server.put("/lib/well", WELL);
        await server.put("/lib/waiting", WELL.replace("/well", "/waiting"));
        const { page, messages } = await openPage(browser);
        await page.goto(url);
        const rows = page.locator(".plugins li");
        await rows.filter({ hasText: "well" }).getByText("pending").waitFor();
        await page.locator("#live.live").waitFor();
        await server.put("/lib/well/state", "active");
        await rows.filter({ hasText: "well" }).getByText("up", { exact: true }).waitFor();
        await rows.filter({ hasText: "waiting" }).getByText("pending").waitFor();
        await page.screenshot({ path: `${SHOTS}home-plugins-1440-light.png` });
        assertEquals(messages, []);
        await page.context().close();
      },
    );

    await t.step("GET /home/both links to the collection of the same name", async () => {
      await server.put("/home/both", "# both");
      await server.put("/home/both/one", "1");
      await server.put("/home/both/two", "2");
      await server.put("/home/alone", "# alone");
      const { page, messages } = await openPage(browser);
      await page.goto(`${url}/home/both`);
      await page.getByRole("link", { name: "also a collection of 2" }).click();
      await page.waitForURL(`${url}/home/both/`);
      await page.getByRole("link", { name: "one" }).waitFor();
      await page.goto(`${url}/home/alone`);
      await page.getByText("✓ verified").waitFor();
      assertEquals(await page.getByText("also a collection").count(), 0);
      assertEquals(messages, []);
      await page.context().close();
    });

    await t.step("audio and video play, and a PDF has its own frame", async () => {
      const { page, messages } = await openPage(browser);
      await server.put("/home/tone.wav", tone());
      await page.goto(`${url}/home/tone.wav`);
      const duration = "document.querySelector('.media audio')?.duration > 0.4";
      await untilTrue(page, duration);
      await page.goto(`${url}/home/`);
      await server.put("/home/video.webm", Uint8Array.fromBase64(await recordVideo(page)));
      await page.goto(`${url}/home/video.webm`);
      await untilTrue(page, "document.querySelector('.media video')?.videoWidth === 64");
      await server.put("/home/page.pdf", pdf("elastik as PDF"));
      await page.goto(`${url}/home/page.pdf`);
      const frame = page.locator(".media.pdf iframe");
      await frame.waitFor();
      assertMatch(await frame.getAttribute("src") ?? "", /^blob:/);
      await page.screenshot({ path: `${SHOTS}pdf-1440-light.png` });
      assertEquals(messages, []);
      await page.context().close();
    });
  } finally {
    await browser.close();
    await server.stop();
  }
});

/** 0.5 s of 440 Hz as RIFF WAVE, 8 bits mono. */
function tone(): Uint8Array<ArrayBuffer> {
  const rate = 8000;
  const samples = rate / 2;
  const wave = new Uint8Array(44 + samples);
  const view = new DataView(wave.buffer);
  const text = (at: number, word: string) => wave.set(new TextEncoder().encode(word), at);
  text(0, "RIFF");
  view.setUint32(4, 36 + samples, true);
  text(8, "WAVEfmt ");
  view.setUint32(16, 16, true);
  view.setUint16(20, 1, true);
  view.setUint16(22, 1, true);
  view.setUint32(24, rate, true);
  view.setUint32(28, rate, true);
  view.setUint16(32, 1, true);
  view.setUint16(34, 8, true);
  text(36, "data");
  view.setUint32(40, samples, true);
  for (let i = 0; i < samples; i++) {
    wave[44 + i] = 128 + 60 * Math.sin(i * 440 * 2 * Math.PI / rate);
  }
  return wave;
}

/** A short video that the browser records, as base64. */
async function recordVideo(page: Page): Promise<string> {
  return String(
    await page.evaluate(`(async () => {
      const canvas = document.createElement("canvas");
      canvas.width = 64;
      canvas.height = 48;
      const context = canvas.getContext("2d");
      const recorder = new MediaRecorder(canvas.captureStream(20), { mimeType: "video/webm" });
      const parts = [];
      let size = 0;
      recorder.ondataavailable = ({ data }) => {
        parts.push(data);
        size += data.size;
      };
      const stopped = new Promise((resolve) => recorder.onstop = resolve);
      recorder.start(100);
      // Until there are some frames: a slow computer records nothing for a while.
      for (let i = 0; i < 12 || size < 1000 && i < 600; i++) {
        context.fillStyle = i % 2 ? "red" : "blue";
        context.fillRect(0, 0, 64, 48);
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
      recorder.stop();
      await stopped;
      const bytes = new Uint8Array(await new Blob(parts).arrayBuffer());
      return btoa(String.fromCharCode(...bytes));
    })()`),
  );
}

/** A PDF of one page with one line of text. */
function pdf(line: string): string {
  const content = `BT /F1 24 Tf 72 700 Td (${line}) Tj ET`;
  const objects = [
    "<</Type/Catalog/Pages 2 0 R>>",
    "<</Type/Pages/Kids[3 0 R]/Count 1>>",
    "<</Type/Page/Parent 2 0 R/MediaBox[0 0 612 792]/Contents 4 0 R/Resources<</Font<</F1 5 0 R>>>>>>",
    `<</Length ${content.length}>>stream\n${content}\nendstream`,
    "<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
  ];
  let text = "%PDF-1.4\n";
  const places = objects.map((object, at) => {
    const place = text.length;
    text += `${at + 1} 0 obj${object}endobj\n`;
    return String(place).padStart(10, "0");
  });
  const table = text.length;
  text += `xref\n0 6\n0000000000 65535 f \n${
    places.map((place) => `${place} 00000 n \n`).join("")
  }`;
  return `${text}trailer<</Size 6/Root 1 0 R>>\nstartxref\n${table}\n%%EOF\n`;
}
