import { assert, assertEquals, assertThrows } from "../../support/assert.ts";
import { installLazyNatives } from "../../../lib/plugin/realm/lazy_natives.ts";

Deno.test("installLazyNatives() creates the signal on first use, recognizes buffered bodies, and changes nothing visible", async () => {
  const native = Response;
  const nativeJson = Object.getOwnPropertyDescriptor(Response, "json")!;
  const nativeClone = Object.getOwnPropertyDescriptor(Response.prototype, "clone")!;
  const signal = Object.getOwnPropertyDescriptor(Request.prototype, "signal")!;
  try {
    const { setSignal, hasBufferedBody: isWhole } = installLazyNatives();
    const request = new Request("http://localhost/");
    let made = 0;
    const abort = new AbortController();
    setSignal(request, () => (made++, abort.signal));
    assertEquals(made, 0);
    assertEquals(request.signal, abort.signal);
    assert(new Request("http://localhost/").signal instanceof AbortSignal);

    const text = new Response("text", { status: 201 });
    assert(text instanceof native && text instanceof Response);
    assertEquals([isWhole(text), isWhole(new Response(new Uint8Array(2)))], [true, true]);
    const others = [new Response(), new Response(new Blob(["x"]).stream())];
    assertEquals(others.map(isWhole), [false, false]);
    const json = Response.json({ a: 1 }, { status: 202 });
    assertEquals([isWhole(json), json.status, json.headers.get("content-type")], [
      true,
      202,
      "application/json",
    ]);
    const copy = json.clone();
    assertEquals([isWhole(copy), isWhole(json), copy.status], [true, true, 202]);
    assertEquals(await copy.json(), { a: 1 });
    assertEquals([isWhole(copy), isWhole(others[1]!.clone())], [false, false]);
    assertEquals(await json.json(), { a: 1 });
    assertThrows(() => json.clone(), TypeError);
    class Mine extends Response {}
    assert(new Mine("x") instanceof Mine);
    assertEquals([await text.text(), isWhole(text)], ["text", false]);
  } finally {
    globalThis.Response = native;
    Object.defineProperty(Response, "json", nativeJson);
    Object.defineProperty(Response.prototype, "clone", nativeClone);
    Object.defineProperty(Request.prototype, "signal", signal);
  }
});
