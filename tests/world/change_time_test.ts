import { assertStrictEquals } from "../support/assert.ts";
import { latestTime, nextSecond } from "../../lib/world/change_time.ts";

const NOW = "2026-05-01T12:00:00.500Z";

Deno.test("latestTime() returns the latest of all times", () => {
  assertStrictEquals(latestTime(NOW), NOW);
  assertStrictEquals(latestTime(NOW, "2026-05-01T12:00:00.499Z", ""), NOW);
  assertStrictEquals(
    latestTime(NOW, "2026-05-01T12:00:00.501Z", "2026-05-01T13:00:00.000Z"),
    "2026-05-01T13:00:00.000Z",
  );
});

Deno.test("latestTime() ignores a text of another form", () => {
  for (const text of ["x", "2027", "9999-99-99", "2027-01-01T00:00:00Z", "2027-01-01 00:00:00"]) {
    assertStrictEquals(latestTime(NOW, text), NOW);
  }
});

Deno.test("nextSecond() returns the start of the next second, or an empty text", () => {
  assertStrictEquals(nextSecond(NOW), "2026-05-01T12:00:01.000Z");
  assertStrictEquals(nextSecond("2026-12-31T23:59:59.000Z"), "2027-01-01T00:00:00.000Z");
  for (const text of ["", "x", "2026-99-01T12:00:00.500Z"]) {
    assertStrictEquals(nextSecond(text), "");
  }
});
