import { assert, assertEquals } from "../support/assert.ts";
import { formatBar, ProgressBar } from "../../lib/cli/progress_bar.ts";

const WORK = { title: "verify", unit: "worlds" };

Deno.test("formatBar() fits a terminal of any width", () => {
  assertEquals(
    formatBar({ ...WORK, columns: 41 }, 5, 10),
    `verify [${"#".repeat(10)}${"-".repeat(9)}] 5/10 worlds`,
  );
  for (const columns of [1, 5, 20, 40, 80, 300]) {
    for (const done of [0, 7, 12_345]) {
      assert(
        formatBar({ ...WORK, columns }, done, 12_345).length < Math.max(2, columns),
        `${columns} ${done}`,
      );
    }
  }
  assert(formatBar({ ...WORK, columns: 80 }, 0, 0).includes("0/0 worlds"));
  assert(!formatBar({ ...WORK, columns: 80 }, 9, 5).includes("-"));
});

Deno.test("ProgressBar redraws at most every 50 ms and clears its line at the end", () => {
  let written = "";
  let now = 1000;
  const bar = new ProgressBar({
    ...WORK,
    columns: 80,
    write: (text) => written += text,
    now: () => now,
  });
  bar.end();
  assertEquals(written, "", "nothing was drawn");
  for (let i = 0; i < 100; i++, now += 10) bar.update(i, 100);
  assertEquals(written.split("\r").length - 1, 20);
  bar.end();
  assert(written.endsWith("\r\x1b[K"));
});
