import { assertEquals, assertRejects } from "../../support/assert.ts";
import { askTwice, type Terminal } from "../../../lib/cli/client/read_password.ts";
import { UsageError } from "../../../lib/cli/parse_args.ts";

const PASSWORD = "correct horse battery";

/** A terminal with typed keys that records what is done with it. */
function typedAt(keys: string): { terminal: Terminal; done: string[]; isRaw: () => boolean } {
  const bytes = [...new TextEncoder().encode(keys)];
  const done: string[] = [];
  let isRaw = false;
  const terminal: Terminal = {
    setRaw: (value) => {
      isRaw = value;
      done.push(value ? "raw" : "cooked");
    },
    read: (buffer) => {
      const next = bytes.shift();
      if (next === undefined) return Promise.resolve(null);
      buffer[0] = next;
      return Promise.resolve(1);
    },
    write: (text) => {
      done.push(text);
      return Promise.resolve();
    },
  };
  return { terminal, done, isRaw: () => isRaw };
}

Deno.test("askTwice() makes the terminal raw before the first question and until the last answer", async () => {
  const { terminal, done } = typedAt(`${PASSWORD}ö\x7f\r${PASSWORD}\n`);
  assertEquals(await askTwice(terminal, "ada"), PASSWORD);
  assertEquals(done, ["raw", "Password of ada: ", "\n", "Again: ", "\n", "cooked"]);
});

Deno.test("askTwice() restores the terminal if an answer is refused or cancelled", async () => {
  const rows = ["short\r", `${PASSWORD}\rother password\r`, "\x03", "abc\x04", "abc", "\xff\r"];
  for (const keys of [...rows, "a".repeat(1025)]) {
    const { terminal, done, isRaw } = typedAt(keys);
    await assertRejects(() => askTwice(terminal, "ada"), UsageError);
    assertEquals([done[0], isRaw()], ["raw", false], keys);
  }
});
