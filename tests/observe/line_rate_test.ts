import { assertEquals } from "../support/assert.ts";
import { LineRate } from "../../lib/observe/line_rate.ts";

Deno.test("LineRate permits as many lines of one kind as the limit, and one more after its share of a second", () => {
  let now = 0;
  const rate = new LineRate(2, () => now);
  assertEquals([rate.take("503"), rate.take("503"), rate.take("503")], [0, 0, undefined]);
  assertEquals(rate.take("failed"), 0);
  now += 499;
  assertEquals(rate.take("503"), undefined);
  now += 1;
  assertEquals([rate.take("503"), rate.take("503")], [2, undefined]);
  assertEquals(rate.suppressed, 3);
  now += 3_600_000;
  assertEquals([rate.take("503"), rate.take("503"), rate.take("503")], [1, 0, undefined]);
});

Deno.test("LineRate has no limit if the limit is 0", () => {
  const rate = new LineRate(0, () => 0);
  for (let i = 0; i < 1000; i++) assertEquals(rate.take("503"), 0);
});

Deno.test("LineRate counts the kinds beyond 64 together", () => {
  const rate = new LineRate(1, () => 0);
  for (let i = 0; i < 64; i++) assertEquals(rate.take(`${i}`), 0);
  assertEquals([rate.take("65"), rate.take("66"), rate.take("0")], [0, undefined, undefined]);
});
