import { assertEquals, assertRejects } from "../../support/assert.ts";
import { CELL_LIMITS } from "../../../lib/cell_limits.ts";
import { buildCellInit } from "../../../lib/plugin/cell/build_cell_init.ts";
import { ManifestError } from "../../../lib/plugin/manifest/manifest.ts";

/** A `realPath` for the given symlinks: another path is its own real path, null means not found. */
function disk(links: Record<string, string | null>): (path: string) => Promise<string> {
  return (path) => {
    const real = path in links ? links[path] : path;
    return typeof real === "string"
      ? Promise.resolve(real)
      : Promise.reject(new Deno.errors.NotFound("absent"));
  };
}

const COMMON = {
  name: "x",
  code: "",
  config: {},
  limits: CELL_LIMITS,
  readVariable: (name: string) => name === "SET" ? "value" : undefined,
  forbiddenFolders: ["/srv/data"],
};

Deno.test("buildCellInit() grants the real paths of folders, writable ones before their parents", async () => {
  const init = await buildCellInit({
    ...COMMON,
    permissions: { net: ["a"], read: ["/a", "/b"], write: ["/a/in", "/b"], env: ["SET", "UNSET"] },
    realPath: disk({ "/a": "/mnt/a", "/a/in": "/mnt/a/in", "/b": null }),
  });
  assertEquals(init.folders, [
    { path: "/a/in", realPath: "/mnt/a/in", write: true },
    { path: "/a", realPath: "/mnt/a", write: false },
    { path: "/b", realPath: "/b", write: true },
  ]);
  assertEquals(init.permissions.read, ["/mnt/a/in", "/mnt/a", "/b"]);
  assertEquals(init.permissions.write, ["/mnt/a/in", "/b"]);
  assertEquals(init.vars, { SET: "value" });
});

Deno.test("buildCellInit() refuses a path that is, contains or links to a forbidden folder", async () => {
  for (const path of ["/srv/data", "/srv/data/x", "/srv", "/link"]) {
    await assertRejects(
      buildCellInit({
        ...COMMON,
        permissions: { net: [], read: [path], write: [], env: [] },
        realPath: disk({ "/link": "/srv/data/x" }),
      }),
      ManifestError,
      path,
    );
  }
  await buildCellInit({
    ...COMMON,
    permissions: { net: [], read: ["/srv/data-too"], write: [], env: [] },
    realPath: disk({}),
  });
});

Deno.test("buildCellInit() refuses a real path with a comma, which would become two grants", async () => {
  for (const path of ["/srv,/etc", "/link"]) {
    await assertRejects(
      buildCellInit({
        ...COMMON,
        permissions: { net: [], read: [path], write: [], env: [] },
        realPath: disk({ "/link": "/srv,/etc" }),
      }),
      ManifestError,
      path,
    );
  }
});
