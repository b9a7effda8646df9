/**
 * `/dev`, `/mnt` and the root: the parts of the tree that are made of routes. Devices and mounts come
 * from plugins; without any these folders are empty, and they are there all the same.
 */

import { require, visible } from "../auth/policy.ts";
import { DAV_HEADERS } from "../dav/resource/dav_headers.ts";
import type { Hono } from "../deps/hono.ts";
import type { ListingRow } from "../response/listing.ts";
import type { Machine } from "../request/server_context.ts";
import { NAMESPACES } from "../world/name.ts";
import { onlyMethods, routeApp, type RouteEnv } from "./handler.ts";
import { respondRows } from "../response/row_listing.ts";

const FOLDERS = [...NAMESPACES, "bin", "dav", "dev", "mnt", "proc", "stream"].sort();

/** The routes `/`, `/dev` and `/mnt`. */
export function deviceRoutes(machine: Machine): Hono<RouteEnv> {
  const app = routeApp();
  const { store } = machine;

  app.get("/", ({ env }) => {
    require(env.caller, "read", "/");
    const shown = FOLDERS.filter((name) => visible(env.caller, `/${name}`));
    return respondRows(store, env, shown.map((name) => ({ name, dir: true })));
  });

  for (const folder of ["/dev", "/mnt"]) {
    app.get(folder, ({ env }) => {
      require(env.caller, "read", folder);
      return respondRows(store, env, childrenOf(machine, folder));
    });
  }

  // Windows asks the root before it mounts anything below it.
  app.options(
    "/",
    () =>
      new Response(null, {
        status: 204,
        headers: { ...DAV_HEADERS, "allow": "GET, HEAD, OPTIONS" },
      }),
  );
  for (const path of ["/", "/dev", "/mnt"]) app.all(path, onlyMethods("GET, HEAD"));
  return app;
}

/** The first segments of the plugin routes below a folder. */
function childrenOf(machine: Machine, folder: string): ListingRow[] {
  const rows = new Map<string, ListingRow>();
  for (const { path, plugin, description } of machine.plugins.list()) {
    if (!path.startsWith(`${folder}/`)) continue;
    const [name = "", deeper] = path.slice(folder.length + 1).split("/", 2);
    const known = rows.get(name);
    const dir = deeper !== undefined || known?.dir === true;
    rows.set(
      name,
      deeper === undefined
        ? { name, dir, plugin: `/${plugin}`, description }
        : { ...known, name, dir },
    );
  }
  return [...rows.values()].sort((a, b) => a.name < b.name ? -1 : 1);
}
