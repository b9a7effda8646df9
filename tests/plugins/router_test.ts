/** Responses of the router over HTTP. */

import { assert, assertEquals, assertMatch, assertStrictEquals } from "../support/assert.ts";
import { PROBLEMS } from "../../lib/http/problem.ts";
import { BROWSER, routerSuite } from "./router/router_server.ts";

const TYPO = "/salse-report";

routerSuite("router resolves typing errors without a model", (add) => {
  add(
    "redirects at the top level, in a namespace, in a collection and in its name",
    async (router) => {
      await router.storeWorlds(
        "home/sales-report",
        "home/reports/march",
        "home/Weekly Plan.md",
        "etc/gpu.conf",
      );
      await router.assertRedirects(TYPO, "/home/sales-report");
      await router.assertRedirects("/sales_report", "/home/sales-report");
      await router.assertRedirects("/hoem/sales-report", "/home/sales-report");
      await router.assertRedirects("/home/salse-report", "/home/sales-report");
      await router.assertRedirects("/home/SALES-REPORT", "/home/sales-report");
      await router.assertRedirects("/home/reprots/march", "/home/reports/march");
      await router.assertRedirects("/march", "/home/reports/march");
      await router.assertRedirects("/home/reprots", "/home/reports/");
      await router.assertRedirects("/home/reprots/", "/home/reports/");
      await router.assertRedirects("/reprots/", "/home/reports/");
      await router.assertRedirects("/home/weekly-plan", "/home/Weekly%20Plan.md");
      await router.assertRedirects("/etc/gpu.cnof", "/etc/gpu.conf");
      assertEquals(await router.questions(), []);
    },
  );
  add("keeps the query in Location", async (router) => {
    await router.storeWorlds("home/sales-report");
    await router.assertRedirects("/home/salse-report?raw", "/home/sales-report?raw");
    await router.assertRedirects(
      `${TYPO}?raw&x=%0d%0aset-cookie:%20a`,
      "/home/sales-report?raw&x=%0d%0aset-cookie:%20a",
    );
    const read = await fetch(`http://127.0.0.1:${router.server.port}/home/salse-report?raw`);
    assertEquals(await read.text(), "bytes of home/sales-report");
  });
  add("resolves every script, percent-encoded in Location", async (router) => {
    await router.storeWorlds("home/销售饼图", "home/übersicht");
    await router.assertRedirects(encodeURI("/销售饼图"), encodeURI("/home/销售饼图"));
    await router.assertRedirects(encodeURI("/home/übresicht"), encodeURI("/home/übersicht"));
    // In NFD.
    await router.assertRedirects("/home/u%CC%88bersihct", encodeURI("/home/übersicht"));
  });
  add("sends Cache-Control: no-store with the redirect", async (router) => {
    await router.storeWorlds("home/sales-report");
    for (const method of ["GET", "HEAD"]) {
      const reply = await router.server.send({ method, target: TYPO });
      assertEquals(reply.status, 303);
      assertEquals(reply.headers.get("cache-control"), "no-store");
      assertEquals(reply.headers.get("vary"), "Accept, Authorization");
      assertStrictEquals(reply.text === "", method === "HEAD");
    }
  });
  add("answers the standard 404 for a name with another number or meaning", async (router) => {
    await router.storeWorlds(
      "home/task-12",
      "home/test",
      "home/agents/a1/inbox",
      "home/report-en",
      "home/v1",
    );
    for (
      const path of [
        "/home/task-13",
        "/home/text",
        "/home/agents/b1/inbox",
        "/home/report-de",
        "/home/v2",
      ]
    ) {
      await router.assertNotFound(path);
    }
    assertEquals(await router.questions(), [], "no question for the model");
  });
  add("does not answer for a world that exists", async (router) => {
    await router.storeWorlds("home/sales-report", "home/salse-report");
    for (const path of ["/home/salse-report", "/home/salse-report?raw"]) {
      assertEquals((await router.get(path)).status, 200);
    }
    await router.server.approve("DELETE", "/home/salse-report");
    for (let i = 0; i < 20; i++) {
      const target = `/home/sales-reprot${i % 2 === 0 ? "" : "s"}`;
      const put = await router.server.send({ method: "PUT", target, body: String(i) });
      assert(put.status === 200 || put.status === 201);
      assertStrictEquals((await router.get(`${target}?raw`)).text, String(i));
      await router.server.approve("DELETE", target);
      // Two edits in so short a word are not a typing error.
      if (target.endsWith("s")) assertEquals((await router.get(target)).status, 404);
      else await router.assertRedirects(target, "/home/sales-report");
    }
  });
});

routerSuite("router asks a model about other paths", (add) => {
  add("redirects to one name", async (router) => {
    await router.storeWorlds("home/quarterly-numbers", "home/weather");
    await router.setBehaviour({ says: "/home/quarterly-numbers" });
    await router.assertRedirects("/how-did-we-do-last-quarter", "/home/quarterly-numbers");
    await router.setBehaviour({ says: "- `/home/weather`\n" });
    await router.assertRedirects(encodeURI("/帮我画销售饼图"), "/home/weather");
    const [question = ""] = await router.questions();
    assertMatch(question, /^Typed: "\/帮我画销售饼图"$/m);
  });
  add("lists two to five names in the type that Accept prefers", async (router) => {
    const names = ["home/<b>&\"'", "home/销售"].map((name) => name.replace(/["<>]/g, ""));
    await router.storeWorlds(...names);
    const [first = "", second = ""] = names;
    await router.setBehaviour({ says: `/${second}\n/${first}` });
    const hrefs = [`/home/${encodeURIComponent("销售")}`, `/home/${encodeURIComponent("b&'")}`];
    const text = await router.get("/sales?x=1");
    assertEquals(text.status, 300);
    assertEquals(text.text, `/${second}\n/${first}\n`);
    assertStrictEquals(
      text.headers.get("link"),
      hrefs.map((href) => `<${href}?x=1>; rel="alternate"`).join(", "),
    );
    assertEquals(text.headers.get("cache-control"), "no-store");
    const json = await router.get("/sales", { accept: "application/json" });
    assertEquals(JSON.parse(json.text), [
      { path: `/${second}`, href: hrefs[0] },
      { path: `/${first}`, href: hrefs[1] },
    ]);
    const page = await router.get('/sales%3Cscript%3E?"><script>', BROWSER);
    assertEquals(page.status, 300);
    assertEquals(page.headers.get("content-type"), "text/html; charset=utf-8");
    assertEquals(
      page.headers.get("content-security-policy"),
      "sandbox allow-scripts, default-src 'none'; base-uri 'none'; form-action 'none'; " +
        "frame-ancestors 'none'",
    );
    assert(!/<script|onerror|javascript:/i.test(page.text), page.text);
    assertMatch(
      page.text,
      /<a href="\/home\/b%26&#39;\?%22%3E%3Cscript%3E">\/home\/b&amp;&#39;<\/a>/,
    );
    const head = await router.server.send({ method: "HEAD", target: "/sales?x=1" });
    assertEquals([head.status, head.text], [300, ""]);
    assertStrictEquals(head.headers.get("link"), text.headers.get("link"));
  });
  add("answers 404 with near names, and leaves HTML to the shell", async (router) => {
    await router.storeWorlds("home/sales-report", "home/sales-plan", "home/weather");
    await router.setBehaviour({ says: "NONE" });
    const problem = await router.get("/sales-of-2019");
    assertEquals(problem.status, 404);
    assertEquals(problem.headers.get("content-type"), "application/problem+json");
    const { type, title, status, detail, near } = JSON.parse(problem.text);
    assertEquals([type, title, status], [
      "/usr/share/doc/problems/not-found.md",
      PROBLEMS["not-found"].title,
      404,
    ]);
    assertMatch(
      detail,
      /^Cannot find \/sales-of-2019: nothing is here; near it are \/home\/sales-/,
    );
    assertEquals([...near].sort(), ["/home/sales-plan", "/home/sales-report"]);
    const text = await router.get("/sales-of-2019", { accept: "text/plain" });
    assertMatch(text.text, /^404 [\w ]+\nCannot find .*near it are/);
    const nothing = await router.get("/zzzz");
    assertMatch(nothing.text, /none of the 3 names that were considered fits/);
    const shell = await router.get("/sales-of-2019", BROWSER);
    assertEquals(shell.status, 404);
    assertMatch(shell.text, /the shell/);
  });
  add(
    "asks the model if several names are near, and lists them without a model",
    async (router) => {
      await router.storeWorlds("home/planes", "home/planet");
      await router.setBehaviour({ says: "/home/planet" });
      await router.assertRedirects("/home/planer", "/home/planet");
      assertEquals((await router.questions()).length, 1);
      await router.storeWorlds("home/planed2", "home/planet2");
      await router.setBehaviour({ status: 503 });
      const reply = await router.get("/home/planex2");
      assertEquals(reply.status, 300, reply.text);
      assertEquals(reply.text.trim().split("\n").sort(), ["/home/planed2", "/home/planet2"]);
    },
  );
});

routerSuite("router does not answer other requests", (add) => {
  add("answers 414 to a URL of more than 4096 bytes without a question", async (router) => {
    await router.storeWorlds("home/sales-report");
    const long = await router.get(`/${"x".repeat(4096)}`);
    assertEquals(long.status, 414);
    assertEquals(JSON.parse(long.text).type, "/usr/share/doc/problems/uri-too-long.md");
    assertEquals((await router.get(`/${"%E9%94%80".repeat(456)}`)).status, 414);
    assertEquals(await router.questions(), []);
    assertEquals((await router.get(`/${"x".repeat(4095)}`)).status, 404);
    assertEquals((await router.questions()).length, 1);
  });
  add("has no route", async (router) => {
    await router.storeWorlds("home/sales-report");
    await router.setBehaviour({ says: "NONE" });
    for (const method of ["POST", "PUT", "DELETE", "OPTIONS"]) {
      assertEquals(
        (await router.server.send({ method, target: "/_router_fallback" })).status,
        404,
        method,
      );
    }
    const reply = await router.get("/_router_fallback");
    assertEquals(reply.status, 404);
    assertStrictEquals(
      reply.text.replaceAll("/zzz", ""),
      (await router.get("/zzz")).text.replaceAll("/zzz", "")
        .replace("Cannot find ", "Cannot find /_router_fallback"),
    );
    assert(!(await router.get("/bin")).text.includes("router"));
  });
  add("answers the standard 404 to scanners and scripts", async (router) => {
    await router.storeWorlds("home/favicon", "home/robots", "home/index");
    await router.setBehaviour({ says: "/home/index" });
    for (
      const path of [
        "/favicon.ico",
        "/robots.txt",
        "/index.php",
        "/.well-known/x",
        "/.env",
        "/home/.git",
      ]
    ) {
      await router.assertNotFound(path);
    }
    await router.assertNotFound("/indxe", { "sec-fetch-mode": "cors" });
    await router.assertNotFound("/home/indxe", { "sec-fetch-mode": "no-cors" });
    await router.assertRedirects("/home/indxe", "/home/index", { "sec-fetch-mode": "navigate" });
    assertEquals(await router.questions(), []);
  });
  add("does not resolve paths below /usr, /var and /lib", async (router) => {
    await router.storeWorlds("home/sales-report", "usr/sales-report", "var/sales-report");
    for (
      const path of ["/usr/salse-report", "/var/salse-report", "/lib/salse-report", "/lib/routre"]
    ) {
      await router.assertNotFound(path);
    }
    await router.assertRedirects(TYPO, "/home/sales-report");
  });
  add("follows new and deleted worlds at once", async (router) => {
    await router.assertNotFound("/home/salse-report");
    await router.storeWorlds("home/sales-report");
    await router.assertRedirects("/home/salse-report", "/home/sales-report");
    assertEquals((await router.server.approve("DELETE", "/home/sales-report")).status, 200);
    await router.assertNotFound("/home/salse-report");
    await router.storeWorlds("home/planet");
    await router.assertRedirects("/home/planer", "/home/planet");
    await router.storeWorlds("home/planes");
    const reply = await router.get("/home/planer");
    assertEquals(reply.status, 404, "two names are equally near, and the model chooses none");
    assertMatch(reply.text, /near it are \/home\/plane/);
  });
  add("answers the standard 404 to conditional, range and strict requests", async (router) => {
    await router.storeWorlds("home/sales-report");
    const headers: Record<string, string>[] = [
      { range: "bytes=0-1" },
      { "if-none-match": "*" },
      { prefer: "handling=strict" },
    ];
    for (const header of headers) await router.assertNotFound("/home/salse-report", header);
    await router.assertRedirects("/home/salse-report", "/home/sales-report");
  });
  add("does not resolve ?raw, states, logs and devices", async (router) => {
    await router.storeWorlds("home/sales/report");
    const paths = [
      "/home/sales?raw",
      "/home/sales/reprot?at=7",
      "/lib/routre/state",
      "/proc/lgo/home/sales",
      "/proc/log/home/salse/report",
      "/auth/whaomi",
      "/dev/gup",
      "/bin/home/sales/reprot",
    ];
    for (const path of paths) {
      const reply = await router.get(path);
      assertEquals(reply.status, 404, path);
      assert(!/near/.test(reply.text), reply.text);
    }
  });
});
