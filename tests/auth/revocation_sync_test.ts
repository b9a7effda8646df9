import { assert, assertEquals, assertMatch } from "../support/assert.ts";
import { createAuthenticator } from "../../lib/auth/authenticate.ts";
import { createCapabilityId, mint } from "../../lib/auth/capability.ts";
import { syncRevocations } from "../../lib/auth/revocation_sync.ts";
import { ChangeHub } from "../../lib/world/store/change_hub.ts";
import { type Change, StoreError, type World } from "../../lib/world/store.ts";

const NOW = 1_800_000_000;
const NAME = "etc/revoked";

function toWorld(text: string): World {
  return {
    name: NAME,
    version: 1,
    ext: "txt",
    meta: [],
    state: "",
    updatedAt: "",
    body: new TextEncoder().encode(text),
    sha256: "",
    layer: "upper",
  };
}

/** The world of the list. The test decides when each read completes. */
class ListWorld {
  readonly #hub = new ChangeHub((error) => {
    throw error;
  });
  readonly waiting: (() => void)[] = [];
  text: string | undefined;
  isSlow = false;
  isDamaged = false;
  isUnreachable = false;

  watch(name: string, listener: (change: Change) => void): () => void {
    return this.#hub.watch(name, listener);
  }

  async read(name: string): Promise<World | undefined> {
    assertEquals(name, NAME);
    if (this.isDamaged) throw new StoreError("damaged", "the file is torn");
    if (this.isUnreachable) throw new StoreError("unreachable", "no database");
    const { text } = this;
    if (this.isSlow) await new Promise<void>((resume) => this.waiting.push(resume));
    return text === undefined ? undefined : toWorld(text);
  }

  put(text: string, inMemory: boolean): void {
    this.text = text;
    const world = inMemory ? { world: toWorld(text) } : {};
    this.#hub.publish({ kind: "update", name: NAME, version: 1, by: "T3", ...world });
  }

  remove(): void {
    this.text = undefined;
    this.#hub.publish({ kind: "delete", name: NAME, version: 1, by: "T3" });
  }
}

function setUp() {
  const world = new ListWorld();
  const log: string[] = [];
  const authenticator = createAuthenticator({
    approveToken: "t3-token",
    key: "key",
    now: () => NOW * 1000,
  });
  const id = createCapabilityId(NOW * 1000, new Uint8Array(8));
  const line = { prefix: "/home/a", mode: "rw", exp: NOW + 60, id, name: "kestrel" } as const;
  const header = `Bearer ${mint({ key: "key", ...line })}`;
  return {
    world,
    log,
    authenticator,
    isAccepted: () => authenticator.authenticate(header, false).authenticated === true,
    load: () => syncRevocations(world, authenticator, (text) => void log.push(text)),
  };
}

/** Lets all pending microtasks run. */
function settle(): Promise<void> {
  return new Promise((resume) => setImmediate(resume));
}

Deno.test("syncRevocations() loads the list at the start", async () => {
  const { world, load, isAccepted, log } = setUp();
  world.text = "name:kestrel";
  await load();
  assertEquals([isAccepted(), log.length], [false, 0]);
});

Deno.test("syncRevocations() applies a change at once, and tells those that wait", async () => {
  const { world, load, isAccepted, authenticator } = setUp();
  await load();
  let changes = 0;
  authenticator.onChange(() => changes++);
  assert(isAccepted());
  world.put("name:kestrel", true);
  assertEquals([isAccepted(), changes], [false, 1]);
  world.put("name:other", true);
  assertEquals([isAccepted(), changes], [true, 2]);
  world.put("name:kestrel", true);
  world.remove();
  assertEquals([isAccepted(), changes], [true, 4]);
});

Deno.test("syncRevocations() accepts no capability until it has read a list that is not in memory", async () => {
  const { world, load, isAccepted } = setUp();
  await load();
  world.put("name:other", false);
  assertEquals(isAccepted(), false);
  await settle();
  assertEquals(isAccepted(), true);
});

Deno.test("syncRevocations() ignores an older list whose read ends later", async () => {
  const { world, load, isAccepted } = setUp();
  await load();
  world.isSlow = true;
  world.put("", false);
  const early = world.waiting.splice(0);
  world.put("name:kestrel", true);
  for (const resume of early) resume();
  await settle();
  assertEquals(isAccepted(), false);
});

Deno.test("syncRevocations() accepts no capability if the list is malformed or cannot be read", async () => {
  const { world, load, isAccepted, log, authenticator } = setUp();
  world.text = "name:other\nsecret line";
  await load();
  assertEquals(isAccepted(), false);
  assertMatch(log.join(), /^no capability is accepted: \/etc\/revoked: line 2 is neither/);
  assert(!log.join().includes("secret line"));
  // The tokens of the server are not affected.
  assertEquals(authenticator.authenticate("Bearer t3-token", false).tier, "T3");
  world.put("name:other", true);
  assertEquals(isAccepted(), true);
  world.isDamaged = true;
  world.put("name:other", false);
  await settle();
  assertEquals(isAccepted(), false);
  assertMatch(log.at(-1) ?? "", /\/etc\/revoked cannot be read: the file is torn/);
});

Deno.test("syncRevocations() reads the list again without a change, if the failure can end", async () => {
  const { world, log, isAccepted, load } = setUp();
  world.isUnreachable = true;
  await load();
  assertEquals([isAccepted(), log.length], [false, 1]);
  world.isUnreachable = false;
  while (!isAccepted()) await new Promise((resume) => setTimeout(resume, 20));
  assertEquals(log.length, 1);
});
