import { assertEquals } from "../../support/assert.ts";
import { CursorCodec } from "../../../lib/world/change_cursor.ts";
import { bytesOf, LazyPublished, withoutBody } from "../../../lib/world/store/published_change.ts";
import type { Change } from "../../../lib/world/store.ts";

Deno.test("withoutBody() removes what bytesOf() counts", () => {
  const world = { body: new Uint8Array(7) } as unknown as NonNullable<Change["world"]>;
  const change = { kind: "update", name: "home/a", version: 1, by: "T2", seq: 1, world } as const;
  assertEquals([bytesOf(change), bytesOf(withoutBody(change)), bytesOf(undefined)], [7, 0, 0]);
});

Deno.test("LazyPublished has the cursor of its position", () => {
  const codec = new CursorCodec("k");
  const position = { seq: 3, run: "0000000a" };
  assertEquals(
    new LazyPublished(codec, position, "home/a", undefined).cursor,
    codec.format(position),
  );
});
