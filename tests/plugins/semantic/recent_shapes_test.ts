import { assertEquals } from "../../support/assert.ts";
import { RecentShapes } from "../../../plugins/semantic/recent_shapes.ts";
import { createShape, type Shape } from "../../../plugins/semantic/shape.ts";
import { FORMATS } from "../../../plugins/semantic/formats/formats.ts";

const [format] = FORMATS;
if (format === undefined) throw new TypeError("FORMATS is empty");

async function shapeOf(text: string): Promise<Shape> {
  if (format === undefined) throw new TypeError("FORMATS is empty");
  return await createShape("", text, format, {});
}

Deno.test("RecentShapes evicts the least recently used beyond its number", async () => {
  const shapes = new RecentShapes(2);
  const [a, b, c] = [await shapeOf("a"), await shapeOf("b"), await shapeOf("c")];
  shapes.set("a", a);
  shapes.set("b", b);
  assertEquals(shapes.get("a"), a);
  shapes.set("c", c);
  assertEquals(shapes.get("b"), undefined);
  assertEquals(shapes.get("a"), a);
  assertEquals(shapes.get("c"), c);
});

Deno.test("RecentShapes counts the characters of texts and keys", async () => {
  const shapes = new RecentShapes(100, 10);
  shapes.set("k", await shapeOf("x".repeat(9)));
  assertEquals(shapes.get("k")?.text.length, 9);
  shapes.set("l", await shapeOf("y"));
  assertEquals(shapes.get("k"), undefined);
  assertEquals(shapes.get("l")?.text, "y");
});

Deno.test("RecentShapes counts a replaced shape once", async () => {
  const shapes = new RecentShapes(100, 10);
  shapes.set("a", await shapeOf("1"));
  shapes.set("b", await shapeOf("1"));
  for (const text of ["12345", "1", "123", "1"]) shapes.set("a", await shapeOf(text));
  assertEquals(shapes.get("b")?.text, "1");
});

Deno.test("RecentShapes keeps nothing if its number is 0 or a shape is too large", async () => {
  const none = new RecentShapes(0);
  none.set("a", await shapeOf("a"));
  assertEquals(none.get("a"), undefined);
  const small = new RecentShapes(9, 3);
  small.set("a", await shapeOf("too long"));
  assertEquals(small.get("a"), undefined);
});
