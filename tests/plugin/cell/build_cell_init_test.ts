import assert from "node:assert/strict";
import { CELL_LIMITS } from "../../../lib/limits.ts";
import { buildCellInit } from "../../../lib/plugin/cell/build_cell_init.ts";
import { ManifestError } from "../../../lib/plugin/manifest/manifest.ts";

/** A disk of links: what is not named lies where it says, what is `null` is absent. */
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

Deno.test("buildCellInit() grants folders where they really lie, the writable ones first", async () => {
  const init = await buildCellInit({
    ...COMMON,
    permissions: { net: ["a"], read: ["/a", "/b"], write: ["/a/in", "/b"], env: ["SET", "UNSET"] },
    realPath: disk({ "/a": "/mnt/a", "/a/in": "/mnt/a/in", "/b": null }),
  });
  assert.deepEqual(init.folders, [
    { path: "/a/in", realPath: "/mnt/a/in", write: true },
    { path: "/a", realPath: "/mnt/a", write: false },
    { path: "/b", realPath: "/b", write: true },
  ]);
  assert.deepEqual(init.permissions.read, ["/mnt/a/in", "/mnt/a", "/b"]);
  assert.deepEqual(init.permissions.write, ["/mnt/a/in", "/b"]);
  assert.deepEqual(init.vars, { SET: "value" });
});

Deno.test("buildCellInit() refuses what reaches the machine's own data, by name, by link, from above", async () => {
  for (const path of ["/srv/data", "/srv/data/x", "/srv", "/link"]) {
    await assert.rejects(
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

Deno.test("buildCellInit() refuses a comma on a folder's way, which would part it into two grants", async () => {
  for (const path of ["/srv,/etc", "/link"]) {
    await assert.rejects(
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
