import {
  assertEquals,
  assertRejects,
  assertStrictEquals,
  assertThrows,
} from "../../support/assert.ts";
import { readKey, readPrompt, selectModel } from "../../../plugins/gpu/prompt.ts";

const MAX = 1024 * 1024;

function post(body: BodyInit, headers: HeadersInit = {}): Request {
  return new Request("http://m/dev/gpu", { method: "POST", body, headers });
}

Deno.test("readPrompt() returns a prompt of at most 1 MiB", async () => {
  assertEquals(await readPrompt(post("häh?")), "häh?");
  assertStrictEquals((await readPrompt(post("x".repeat(MAX)))).length, MAX);
});

Deno.test("readPrompt() refuses an empty prompt, one that is not UTF-8, and one that is too long", async () => {
  for (const empty of ["", " \n\t"]) await assertRejects(readPrompt(post(empty)), { status: 400 });
  await assertRejects(readPrompt(post(new Uint8Array([0xff, 0xfe, 0x41]))), { status: 400 });
  await assertRejects(readPrompt(post("x".repeat(MAX + 1))), { status: 413 });
  await assertRejects(readPrompt(post("x", { "content-length": `${MAX + 1}` })), { status: 413 });
});

Deno.test("selectModel() returns the requested model if it is allowed", () => {
  assertEquals(selectModel({ model: "a" }, null), "a");
  assertEquals(selectModel({ model: "a" }, "org/b:7b"), "org/b:7b");
  assertEquals(selectModel({ model: "a", models: ["b"] }, "b"), "b");
  assertEquals(selectModel({ model: "a", models: ["b"] }, "a"), "a");
  assertThrows(() => selectModel({ model: "a", models: ["b"] }, "c"), { status: 400 });
  for (const name of ["", "a b", "a\r\nx-evil:1"]) {
    assertThrows(() => selectModel({ model: "a" }, name), { status: 400 }, name);
  }
});

Deno.test("readKey() returns the trimmed value of the variable, or undefined", () => {
  assertEquals(readKey({ key: "A_API_KEY" }, { A_API_KEY: " k " }), "k");
  assertEquals(readKey({ key: "A_API_KEY" }, { A_API_KEY: " " }), undefined);
  assertEquals(readKey({ key: "A_API_KEY" }, {}), undefined);
  assertEquals(readKey({}, { A_API_KEY: "k" }), undefined);
});

Deno.test("readKey() refuses a key that a header cannot contain, without quoting it", () => {
  assertThrows(() => readKey({ key: "A_API_KEY" }, { A_API_KEY: "SEC\r\nRET" }), {
    status: 503,
    message: "Cannot answer: A_API_KEY contains characters that a header cannot contain",
  });
});
