import { assertEquals, assertMatch } from "../support/assert.ts";
import type { Authenticator } from "../../lib/auth/authenticate.ts";
import { ANONYMOUS } from "../../lib/auth/authenticate.ts";
import { syncAccounts } from "../../lib/auth/account_sync.ts";
import { ChangeHub } from "../../lib/world/store/change_hub.ts";
import { type Change, StoreError, type World } from "../../lib/world/store.ts";

function failed(error: unknown): never {
  throw error;
}

function toWorld(name: string, text: string): World {
  return {
    name,
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

/** The two files. The test decides when each read completes. */
class Files {
  readonly #hub = new ChangeHub(failed);
  readonly texts = new Map<string, string>();
  readonly waiting: (() => void)[] = [];
  slow = false;
  damaged = false;
  unreachable = false;

  watch(name: string, listener: (change: Change) => void): () => void {
    return this.#hub.watch(name, listener);
  }

  async read(name: string): Promise<World | undefined> {
    if (this.damaged) throw new StoreError("damaged", "the file is torn");
    if (this.unreachable) throw new StoreError("unreachable", "no database");
    const text = this.texts.get(name);
    if (this.slow) await new Promise<void>((resume) => this.waiting.push(resume));
    if (text === undefined) return undefined;
    return toWorld(name, text);
  }

  put(name: string, text: string): void {
    this.texts.set(name, text);
    this.#hub.publish({ kind: "update", name, version: 1, by: "T3" });
  }

  /** Like `put`, with the content in memory. */
  putInMemory(name: string, text: string, body: Pick<World, "body"> | undefined = undefined): void {
    this.texts.set(name, text);
    const world = { ...toWorld(name, text), ...body };
    this.#hub.publish({ kind: "update", name, version: 1, by: "T3", world });
  }

  remove(name: string): void {
    this.texts.delete(name);
    this.#hub.publish({ kind: "delete", name, version: 1, by: "T3" });
  }
}

/** Records the accounts that were set last. */
class RecordingAuthenticator implements Pick<Authenticator, "setAccounts" | "suspendAccounts"> {
  readonly seen: [string, string][] = [];

  authenticate() {
    return ANONYMOUS;
  }

  setAccounts(passwd: string, shadow: string): void {
    this.seen.push([passwd, shadow]);
  }

  suspendAccounts(): void {
    this.seen.push(["suspended", "suspended"]);
  }

  setRevoked(): void {}

  suspendCapabilities(): void {}

  isCurrent(): boolean {
    return true;
  }

  onChange(): () => void {
    return () => {};
  }
}

/** Lets all pending microtasks run. */
function settle(): Promise<void> {
  return new Promise((resume) => setImmediate(resume));
}

Deno.test("syncAccounts() loads both files, and again after a change of either", async () => {
  const [files, authenticator] = [new Files(), new RecordingAuthenticator()];
  await syncAccounts(files, authenticator, () => {});
  assertEquals(authenticator.seen, [["", ""]]);
  files.put("etc/passwd", "ada:T2");
  await settle();
  files.put("etc/shadow", "ada:00");
  await settle();
  assertEquals(authenticator.seen.at(-1), ["ada:T2", "ada:00"]);
});

Deno.test("syncAccounts() keeps the newest files, in whichever order the loads complete", async () => {
  const [files, authenticator] = [new Files(), new RecordingAuthenticator()];
  await syncAccounts(files, authenticator, () => {});
  files.slow = true;
  files.put("etc/passwd", "mallory:T3");
  const early = files.waiting.splice(0);
  files.put("etc/passwd", "# nobody");
  for (const resume of files.waiting.splice(0)) resume();
  await settle();
  for (const resume of early) resume();
  await settle();
  assertEquals(authenticator.seen.at(-1), ["# nobody", ""]);
});

Deno.test("syncAccounts() accepts no account if the files cannot be read", async () => {
  const [files, authenticator, log] = [new Files(), new RecordingAuthenticator(), [] as string[]];
  files.put("etc/passwd", "ada:T2");
  await syncAccounts(files, authenticator, (line) => void log.push(line));
  assertEquals(authenticator.seen.at(-1)?.[0], "ada:T2");
  files.damaged = true;
  files.put("etc/passwd", "ada:T2");
  await settle();
  assertEquals(authenticator.seen.at(-1), ["", ""]);
  assertMatch(log.join(), /accounts are disabled: the file is torn/);
});

Deno.test("syncAccounts() reads the files again without a change, if the failure can end", async () => {
  const [files, authenticator, log] = [new Files(), new RecordingAuthenticator(), [] as string[]];
  files.put("etc/passwd", "ada:T2");
  files.unreachable = true;
  await syncAccounts(files, authenticator, (line) => void log.push(line));
  while (authenticator.seen.length < 3) await new Promise((resume) => setTimeout(resume, 20));
  assertEquals(authenticator.seen.at(-1), ["", ""]);
  assertEquals(log, ["accounts are disabled: no database"]);
  files.unreachable = false;
  while (authenticator.seen.at(-1)?.[0] === "") {
    await new Promise((resume) => setTimeout(resume, 20));
  }
  assertEquals(authenticator.seen.at(-1), ["ada:T2", ""]);
});

Deno.test("syncAccounts() applies a change in memory at once, and accepts no account while it reads one", async () => {
  const [files, authenticator] = [new Files(), new RecordingAuthenticator()];
  await syncAccounts(files, authenticator, () => {});
  files.putInMemory("etc/passwd", "ada:T2");
  assertEquals(authenticator.seen.at(-1), ["ada:T2", ""]);
  files.putInMemory("etc/shadow", "ada:00");
  assertEquals(authenticator.seen.at(-1), ["ada:T2", "ada:00"]);
  files.remove("etc/passwd");
  assertEquals(authenticator.seen.at(-1), ["", "ada:00"]);
  files.put("etc/shadow", "eve:00");
  assertEquals(authenticator.seen.at(-1), ["suspended", "suspended"]);
  // The file that is being read must not be forgotten.
  files.putInMemory("etc/passwd", "eve:T2");
  assertEquals(authenticator.seen.at(-1), ["suspended", "suspended"]);
  await settle();
  assertEquals(authenticator.seen.at(-1), ["eve:T2", "eve:00"]);
});

Deno.test("syncAccounts() reports each change to bytes that are not text, and applies the next text at once", async () => {
  const [files, authenticator, log] = [new Files(), new RecordingAuthenticator(), [] as string[]];
  await syncAccounts(files, authenticator, (line) => void log.push(line));
  files.putInMemory("etc/passwd", "ada:T2");
  for (const count of [1, 2]) {
    files.putInMemory("etc/shadow", "ada:00", { body: Uint8Array.of(0xff, 0x3a) });
    assertEquals(authenticator.seen.at(-1), ["", ""]);
    assertEquals(log.length, count);
    assertMatch(log[count - 1] ?? "", /accounts are disabled: \/etc\/shadow is not text/);
  }
  files.putInMemory("etc/passwd", "ada:T3");
  assertEquals(authenticator.seen.at(-1), ["", ""], "the other file is still not text");
  files.putInMemory("etc/shadow", "ada:00");
  assertEquals(authenticator.seen.at(-1), ["ada:T3", "ada:00"]);
});
