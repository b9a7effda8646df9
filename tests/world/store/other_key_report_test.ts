import { assertEquals, assertMatch } from "../../support/assert.ts";
import { OtherKeyReport } from "../../../lib/world/store/other_key_report.ts";

Deno.test("OtherKeyReport.recordRefusal() counts all refusals and reports the first", () => {
  const lines: string[] = [];
  const report = new OtherKeyReport((line) => lines.push(line));
  for (const name of ["home/a", "home/b", "home/a"]) report.recordRefusal(name);
  assertEquals([report.refused, lines.length], [3, 1]);
  assertMatch(lines[0] ?? "", /^refused to change \/home\/a: another key signed its events/);
});

Deno.test("OtherKeyReport.checkSample() reports worlds that another key signed", async () => {
  const lines: string[] = [];
  const checked: string[] = [];
  const report = new OtherKeyReport((line) => lines.push(line));
  const files = (other: (name: string) => boolean) => ({
    isClosing: false,
    haveOtherKey(names: readonly string[]) {
      checked.push(...names);
      return Promise.resolve(names.map(other));
    },
  });
  const names = Array.from({ length: 1000 }, (_, i) => `home/${i}`);
  await report.checkSample(names, files(() => false));
  assertEquals([lines, checked.length, new Set(checked).size], [[], 16, 16]);
  await report.checkSample(["home/a", "home/b"], files((name) => name === "home/b"));
  assertEquals(checked.slice(16), ["home/a", "home/b"]);
  assertMatch(lines[0] ?? "", /the events of 1 of 2 checked worlds, such as \/home\/b;/);
  await report.checkSample([], files(() => true));
  assertEquals(lines.length, 1);
});
