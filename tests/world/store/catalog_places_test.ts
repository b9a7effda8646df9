import { assertEquals } from "../../support/assert.ts";
import { placeGradually } from "../../../lib/world/store/catalog_places.ts";

Deno.test("placeGradually() places some worlds at once and the others in steps", async () => {
  const placed = Promise.withResolvers<void>();
  let [left, steps] = [2_500, 0];
  const placeSome = (limit: number) => {
    steps += 1;
    left -= Math.min(limit, left);
    if (left === 0) placed.resolve();
    return left > 0;
  };
  placeGradually({ placeSome });
  assertEquals([left < 2_500, left > 0, steps], [true, true, 1]);
  await placed.promise;
  assertEquals([left, steps > 1], [0, true]);
});

Deno.test("placeGradually() leaves no timer when it is ended or has placed all worlds", () => {
  placeGradually({ placeSome: () => true })();
  placeGradually({ placeSome: () => false });
});
