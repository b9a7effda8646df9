/** The router beside models that lie, hang, fail, are elsewhere or are not there at all. */

import { deepStrictEqual, equal, match, ok } from "node:assert/strict";
import { setState, stateOf } from "../plugin/plugin_machine.ts";
import { type Behaviour, eventually, routerSuite } from "./router_machine.ts";

routerSuite("router survives its model", (add) => {
  add("a liar's names are dropped, and what is left of them counts", async (router) => {
    await router.make("home/weather", "home/sales");
    await router.tell({ says: "/home/made-up\n/home/weather\n/home/also-made-up" });
    await router.leads("/rain", "/home/weather");
    await router.tell({ says: "The answer is /home/weather, I think." });
    equal((await router.get("/storm")).status, 404);
    await router.tell({ says: "\u0000\uffff" + "x".repeat(200_000) });
    equal((await router.get("/hail")).status, 404);
    const all = ["home/c1", "home/c2", "home/c3", "home/c4", "home/c5", "home/c6"];
    await router.make(...all);
    await router.tell({ says: all.map((name) => `/${name}`).join("\n") });
    equal((await router.get("/snow")).status, 404, "who names all has chosen none");
  });

  const DEAD: [string, Behaviour][] = [
    ["is down", { status: 503 }],
    ["has no more", { status: 429 }],
    ["fails", { status: 502, says: "/home/weather" }],
    ["crashes", { fails: "throw" }],
    ["is not set up", { configured: false, says: "/home/weather" }],
    ["is elsewhere", { local: false, says: "/home/weather" }],
    ["turns out to be elsewhere", { header: "false", says: "/home/weather" }],
  ];
  for (const [how, behaviour] of DEAD) {
    add(`a model that ${how} leaves the plain 404 and what is plain without it`, async (router) => {
      await router.make("home/weather");
      await router.tell(behaviour);
      await router.plain("/rain");
      await router.leads("/waether", "/home/weather");
      const asked = (await router.asked()).length;
      equal(asked <= 1, true);
      equal(behaviour.local === false || behaviour.configured === false ? asked : 0, 0);
    });
  }

  for (const fails of ["head", "body"] as const) {
    add(`a model whose ${fails} does not come is given up after the timeout`, async (router) => {
      await router.reset({ fails }, "timeout = 1");
      await router.make("home/weather");
      const start = performance.now();
      await router.plain("/rain");
      const took = performance.now() - start;
      ok(took > 900 && took < 8_000, String(took));
      // The next one does not wait for it again.
      const again = performance.now();
      await router.plain("/storm");
      ok(performance.now() - again < 900);
      equal((await router.asked()).length, 1);
      equal((await stateOf(router.machine, "router")).up, true);
    });
  }

  add("without a device at all it is as quick as ever", async (router) => {
    await router.make("home/weather");
    await setState(router.machine, "gpu", "disabled");
    try {
      await router.plain("/rain");
      await router.leads("/waether", "/home/weather");
    } finally {
      await setState(router.machine, "gpu", "active");
    }
  });

  add("the plugin's own death is a plain 404", async (router) => {
    await router.make("home/weather");
    await setState(router.machine, "router", "disabled");
    await router.plain("/waether");
    await router.plain("/home/waether");
    await setState(router.machine, "router", "active");
    await router.leads("/home/waether", "/home/weather");
  });

  add("what is asked twice is paid for once, until the names change", async (router) => {
    await router.make("home/weather", "home/sales");
    await router.tell({ says: "/home/weather" });
    for (let i = 0; i < 3; i++) await router.leads("/rain", "/home/weather");
    equal((await router.asked()).length, 1);
    await router.make("home/rain-gauge");
    await router.leads("/rain", "/home/weather");
    equal((await router.asked()).length, 2);
    // A new version of the same names is no other question.
    await router.make("home/weather");
    await router.leads("/rain", "/home/weather");
    equal((await router.asked()).length <= 3, true);
  });
});

routerSuite("router obeys /etc/router.conf", (add) => {
  add("a model elsewhere is asked when the operator allows it", async (router) => {
    await router.reset({ local: false, says: "/home/weather" }, "allow_remote = yes");
    await router.make("home/weather");
    await router.leads("/rain", "/home/weather");
  });

  add("the budget is a minute's, and what is plain costs nothing of it", async (router) => {
    await router.reset({ says: "NONE" }, "budget = 2");
    await router.make("home/weather");
    for (let i = 0; i < 5; i++) equal((await router.get(`/rain${i}`)).status, 404);
    equal((await router.asked()).length, 2);
    await router.leads("/waether", "/home/weather");
  });

  add("no more candidates than it says, the likely and the recent ones first", async (router) => {
    await router.reset({ says: "NONE" }, "candidates = 3");
    await router.make("home/rain-gauge", "home/old", "home/older", "home/new", "home/newest");
    await router.get("/rain");
    deepStrictEqual(await router.shown(), ["/home/rain-gauge", "/home/newest", "/home/new"]);
  });

  add("a file that does not fit is said in the state, and what is safe holds", async (router) => {
    await router.reset(
      { local: false, says: "/home/weather" },
      "allow_remote = yes\nbudget = lots\n",
    );
    const { fault } = await stateOf(router.machine, "router");
    match(String(fault), /\/etc\/router\.conf line 2: budget must be a whole number from 0 to 600/);
    await router.make("home/weather");
    await router.plain("/rain");
    deepStrictEqual(await router.asked(), []);
    // Mended while it runs, without approving it again.
    await router.machine.approve("PUT", "/etc/router.conf", "allow_remote = yes\n");
    await eventually(
      async () => (await stateOf(router.machine, "router")).fault === undefined || undefined,
      "the new configuration holds",
    );
    await router.leads("/drizzle", "/home/weather");
  });
});
