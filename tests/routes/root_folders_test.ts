import { deepStrictEqual, equal } from "node:assert/strict";
import type { PluginRoute, PluginRoutes } from "../../lib/request/plugin_routes.ts";
import { withApp } from "../support/app.ts";
import { APPROVE, bearer, CLOSED, withServer } from "../support/test_server.ts";
import { runScenarios } from "../support/scenario.ts";

const ROOT = "bin/\ndav/\ndev/\netc/\nhome/\nlib/\nmnt/\nproc/\nstream/\nusr/\nvar/\n";

Deno.test("GET / lists the namespaces and folders", async (t) => {
  await withServer({ env: CLOSED }, async (server) => {
    await runScenarios(t, server, [
      { title: "lists what every caller can read", send: "GET /", status: 200, text: ROOT },
      {
        title: "lists everything for T3",
        send: "GET /",
        as: bearer(APPROVE),
        status: 200,
        text: `bin/\nboot/\n${ROOT.slice(5)}`,
      },
      {
        title: "sends an array as JSON",
        send: "GET /",
        headers: { accept: "application/json" },
        status: 200,
        json: ROOT.trim().split("\n").map((name) => ({ name: name.slice(0, -1), dir: true })),
      },
      {
        title: "sends browsers the shell",
        send: "GET /",
        headers: { accept: "text/html" },
        status: 200,
        text: /the shell/,
      },
      {
        title: "is refused to a capability without it",
        send: "GET /",
        as: bearer(server.capability("/home", "rw")),
        status: 403,
      },
      { title: "lists no devices", send: "GET /dev/", status: 200, text: "" },
      {
        title: "lists no devices",
        send: "GET /dev",
        headers: { accept: "application/json" },
        status: 200,
        text: "[]",
      },
      { title: "lists no mounts", send: "GET /mnt/", status: 200, text: "" },
      { title: "lists no plugins", send: "GET /lib/", status: 200, text: "" },
      ...["/", "/dev/", "/mnt/"].flatMap((path) => [
        {
          title: "answers 405",
          send: `PUT ${path}`,
          as: bearer(APPROVE),
          body: "x",
          status: 405,
          has: { allow: "GET, HEAD, OPTIONS" },
        },
        { title: "answers 405", send: `DELETE ${path}`, as: bearer(APPROVE), status: 405 },
        {
          title: "answers 405",
          send: `OPTIONS ${path}`,
          status: 204,
          has: { allow: "GET, HEAD, OPTIONS" },
        },
      ]),
      {
        title: "shows the state of a plugin source",
        send: "PUT /lib/example",
        as: bearer(APPROVE),
        body: "export {}",
        status: 201,
        json: { ext: "ts" },
        changes: { "lib/example": ["stage_written"] },
      },
      {
        title: "shows the state of a plugin source",
        send: "GET /lib/",
        headers: { accept: "application/json" },
        status: 200,
        json: [{ name: "example", dir: false, version: 1, ext: "ts", state: "pending" }],
      },
    ]);
  });
});

Deno.test("GET /dev and GET /mnt list the first segments of plugin routes", async () => {
  const route = (path: string): PluginRoute => ({
    path,
    plugin: "lib/p",
    description: `is ${path}`,
    auth: "T1",
  });
  const plugins: Partial<PluginRoutes> = {
    list: () => [
      route("/dev/gpu"),
      route("/dev/gpu/0/mem"),
      route("/dev/z/y"),
      route("/mnt/disk"),
      route("/device"),
    ],
  };
  await withApp({ plugins }, async ({ ask }) => {
    const rows = async (path: string) =>
      await (await ask("GET", path, { headers: { accept: "application/json" } })).json();
    deepStrictEqual(await rows("/dev/"), [
      { name: "gpu", dir: true, plugin: "/lib/p", description: "is /dev/gpu" },
      { name: "z", dir: true },
    ]);
    deepStrictEqual(await rows("/mnt/"), [
      { name: "disk", dir: false, plugin: "/lib/p", description: "is /mnt/disk" },
    ]);
    equal(await (await ask("GET", "/dev/")).text(), "gpu/\nz/\n");
  });
});
