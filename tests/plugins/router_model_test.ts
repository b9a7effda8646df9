/** The router with models that invent names, hang, fail, are remote or absent. */

import { assert, assertEquals, assertMatch } from "../support/assert.ts";
import { eventually, setState, stateOf } from "../plugin/plugin_test_server.ts";
import { type Behaviour, routerSuite } from "./router/router_server.ts";

routerSuite("router handles every failure of the model", (add) => {
  add("drops invented names and uses the others", async (router) => {
    await router.storeWorlds("home/weather", "home/sales");
    await router.setBehaviour({ says: "/home/made-up\n/home/weather\n/home/also-made-up" });
    await router.assertRedirects("/rain", "/home/weather");
    await router.setBehaviour({ says: "The answer is /home/weather, I think." });
    assertEquals((await router.get("/storm")).status, 404);
    await router.setBehaviour({ says: "\u0000\uffff" + "x".repeat(200_000) });
    assertEquals((await router.get("/hail")).status, 404);
    const all = ["home/c1", "home/c2", "home/c3", "home/c4", "home/c5", "home/c6"];
    await router.storeWorlds(...all);
    await router.setBehaviour({ says: all.map((name) => `/${name}`).join("\n") });
    assertEquals((await router.get("/snow")).status, 404, "an answer with all names chooses none");
  });

  const DEAD: [string, Behaviour][] = [
    ["is down", { status: 503 }],
    ["is busy", { status: 429 }],
    ["fails", { status: 502, says: "/home/weather" }],
    ["throws", { fails: "throw" }],
    ["is not configured", { configured: false, says: "/home/weather" }],
    ["is remote", { local: false, says: "/home/weather" }],
    ["answers from a remote backend", { header: "false", says: "/home/weather" }],
  ];
  for (const [how, behaviour] of DEAD) {
    add(
      `answers the standard 404 and resolves typing errors if the model ${how}`,
      async (router) => {
        await router.storeWorlds("home/weather");
        await router.setBehaviour(behaviour);
        await router.assertNotFound("/rain");
        await router.assertRedirects("/waether", "/home/weather");
        const count = (await router.questions()).length;
        assertEquals(count <= 1, true);
        assertEquals(behaviour.local === false || behaviour.configured === false ? count : 0, 0);
      },
    );
  }

  for (const fails of ["head", "body"] as const) {
    add(`stops waiting for the ${fails} of an answer after the timeout`, async (router) => {
      // Time enough for a slow computer to ask the question.
      await router.reset({ fails }, "timeout = 5");
      await router.storeWorlds("home/weather");
      const start = performance.now();
      await router.assertNotFound("/rain");
      const took = performance.now() - start;
      assert(took > 4_900, String(took));
      // The next request asks no question, and does not wait for an answer.
      await router.assertNotFound("/storm");
      assertEquals((await router.questions()).length, 1);
      assertEquals((await stateOf(router.server, "router")).up, true);
    });
  }

  add("resolves typing errors without a device", async (router) => {
    await router.storeWorlds("home/weather");
    await setState(router.server, "gpu", "disabled");
    try {
      await router.assertNotFound("/rain");
      await router.assertRedirects("/waether", "/home/weather");
    } finally {
      await setState(router.server, "gpu", "active");
    }
  });

  add("answers the standard 404 while the plugin is disabled", async (router) => {
    await router.storeWorlds("home/weather");
    await setState(router.server, "router", "disabled");
    await router.assertNotFound("/waether");
    await router.assertNotFound("/home/waether");
    await setState(router.server, "router", "active");
    await router.assertRedirects("/home/waether", "/home/weather");
  });

  add("asks a question once until the names change", async (router) => {
    await router.storeWorlds("home/weather", "home/sales");
    await router.setBehaviour({ says: "/home/weather" });
    for (let i = 0; i < 3; i++) await router.assertRedirects("/rain", "/home/weather");
    assertEquals((await router.questions()).length, 1);
    await router.storeWorlds("home/rain-gauge");
    await router.assertRedirects("/rain", "/home/weather");
    assertEquals((await router.questions()).length, 2);
    // A new version with the same names is not another question.
    await router.storeWorlds("home/weather");
    await router.assertRedirects("/rain", "/home/weather");
    assertEquals((await router.questions()).length <= 3, true);
  });
});

routerSuite("router follows /etc/router.conf", (add) => {
  add("asks a remote model if allow_remote is yes", async (router) => {
    await router.reset({ local: false, says: "/home/weather" }, "allow_remote = yes");
    await router.storeWorlds("home/weather");
    await router.assertRedirects("/rain", "/home/weather");
  });

  add("counts questions against the budget, not typing errors", async (router) => {
    await router.reset({ says: "NONE" }, "budget = 2");
    await router.storeWorlds("home/weather");
    for (let i = 0; i < 5; i++) assertEquals((await router.get(`/rain${i}`)).status, 404);
    assertEquals((await router.questions()).length, 2);
    await router.assertRedirects("/waether", "/home/weather");
  });

  add("shows at most `candidates` names, similar and recent ones first", async (router) => {
    await router.reset({ says: "NONE" }, "candidates = 3");
    // The configuration is a world as well, and an earlier test deleted it.
    await router.waitForTimes();
    await router.storeWorlds(
      "home/rain-gauge",
      "home/old",
      "home/older",
      "home/new",
      "home/newest",
    );
    await router.get("/rain");
    assertEquals(await router.namesInQuestion(), ["/home/rain-gauge", "/home/newest", "/home/new"]);
  });

  add("reports a configuration that is not valid and uses the defaults", async (router) => {
    await router.reset(
      { local: false, says: "/home/weather" },
      "allow_remote = yes\nbudget = lots\n",
    );
    const { fault } = await stateOf(router.server, "router");
    assertMatch(
      String(fault),
      /\/etc\/router\.conf line 2: budget must be a whole number from 0 to 600/,
    );
    await router.storeWorlds("home/weather");
    await router.assertNotFound("/rain");
    assertEquals(await router.questions(), []);
    // Corrected while it runs, without a new approval.
    await router.server.approve("PUT", "/etc/router.conf", "allow_remote = yes\n");
    await eventually(
      async () => (await stateOf(router.server, "router")).fault === undefined || undefined,
      "the new configuration is in force",
    );
    await router.assertRedirects("/drizzle", "/home/weather");
  });
});
