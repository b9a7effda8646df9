import { assertEquals, assertRejects } from "../../support/assert.ts";
import { sha256Hex } from "../../../lib/base/hash.ts";
import { ConfigOrigins } from "../../../lib/plugin/host/config_origins.ts";
import { grantPermissions } from "../../../lib/plugin/host/config_permissions.ts";
import { parseManifest } from "../../../lib/plugin/manifest/manifest.ts";
import { parsePermissions } from "../../../lib/plugin/manifest/permissions.ts";
import { type ChainEvent, type Change, StoreError } from "../../../lib/world/store.ts";
import { ChangeHub } from "../../../lib/world/store/change_hub.ts";

const PATH = "/etc/p.conf";
const MANIFEST = parseManifest(
  { routes: ["/p"], config: [PATH] },
  () => undefined,
  () => undefined,
);

/** A config world that several servers change, and what one of them was told. */
class LaggingWorld {
  readonly #hub = new ChangeHub((error) => {
    throw error;
  });
  readonly #untold: [by: string][] = [];
  #text = "";
  #newest = "";

  /** Changes the world; this server is told with the next call of `follow`. */
  change(by: string, op: "put" | "append", text: string): this {
    this.#text = op === "put" ? text : this.#text + text;
    this.#newest = op;
    this.#untold.push([by]);
    return this;
  }

  readonly follow = (): Promise<void> => {
    for (const [by] of this.#untold.splice(0)) {
      this.#hub.publish({ kind: "update", name: PATH.slice(1), version: 1, by });
    }
    return Promise.resolve();
  };

  watch(name: string, listener: (change: Change) => void): () => void {
    return this.#hub.watch(name, listener);
  }

  /** The chain and the content are read from the database: they are newer than what was told. */
  log(): Promise<readonly ChainEvent[]> {
    const type = this.#newest === "put" ? "stage_written" : "stage_appended";
    const payload = { op: this.#newest };
    return Promise.resolve([{ id: 1, timestamp: "", type, payload, hmac: "", prev_hmac: "" }]);
  }

  readonly readConfig = (): Promise<string> => Promise.resolve(this.#text);
}

/** Hosts that a plugin is granted which requests those of its config world. */
async function grantedHosts(
  world: LaggingWorld,
  requested: string,
  follow = world.follow,
  origins = new ConfigOrigins(world),
): Promise<readonly string[]> {
  const approved = {
    permissions: parsePermissions({ net: ["approved.example"] }),
    hashes: { [PATH]: sha256Hex("approved.example") },
  };
  const { permissions } = await grantPermissions(
    approved,
    {
      manifest: MANIFEST,
      permissions: parsePermissions({ net: requested.split(" ") }),
      config: { [PATH]: requested },
    },
    () => true,
    { origins, readConfig: world.readConfig, follow },
  );
  origins.close();
  return permissions.net;
}

Deno.test("grantPermissions() approves what T3 chose, also on a server that was not told yet", async () => {
  const world = new LaggingWorld().change("T3", "put", "b.example");
  assertEquals(await grantedHosts(world, "b.example"), ["b.example"]);
});

Deno.test("grantPermissions() approves no content of another caller for a change of T3 that it was told before", async () => {
  const world = new LaggingWorld();
  const origins = new ConfigOrigins(world);
  await world.change("T3", "put", "approved.example").follow();
  world.change("plugin:other", "put", "evil.example");
  assertEquals(await grantedHosts(world, "evil.example", world.follow, origins), []);
});

Deno.test("grantPermissions() approves no content that changed while it was judged", async () => {
  const world = new LaggingWorld().change("T3", "put", "b.example");
  let follows = 0;
  const follow = () => {
    follows += 1;
    if (follows === 2) world.change("plugin:other", "append", "");
    return world.follow();
  };
  assertEquals(await grantedHosts(world, "b.example", follow), []);
});

Deno.test("grantPermissions() decides nothing while the database cannot be reached", async () => {
  const world = new LaggingWorld().change("T3", "put", "b.example");
  const lost = () => Promise.reject(new StoreError("unreachable", "no answer"));
  await assertRejects(grantedHosts(world, "b.example", lost), { code: "unreachable" });
});
