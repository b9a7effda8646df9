import { assertEquals, assertRejects, assertThrows } from "../../support/assert.ts";
import { type FileBody, OutboundCall } from "../../../lib/plugin/wire/rpc_calls.ts";
import { respondWithFile } from "../../../lib/plugin/wire/file_response.ts";
import { ProtocolError } from "../../../lib/plugin/wire/frames.ts";

const FILE = { path: "/x", offset: 0, length: -1, fingerprint: "" };

function make(body: ReadableStream<Uint8Array>): Response {
  return new Response(body);
}

function calling() {
  const call = new OutboundCall(1, { method: "GET" }, () => {});
  call.response.catch(() => {});
  return { call, promise: call.response };
}

function bodyOf(text: string) {
  const failed: string[] = [];
  const body: FileBody = {
    stream: new Response(text).body ?? new ReadableStream(),
    fail: (reason) => void failed.push(reason.message),
    taken: 0,
    hasUnread: true,
  };
  return { body, failed };
}

Deno.test("respondWithFile() resolves the call with the opened file and settles it when the file is read", async () => {
  const { call, promise } = calling();
  const { body } = bodyOf("bytes");
  let settled = 0;
  let over = (): void => {};
  respondWithFile(
    call,
    (_, whenOver) => {
      over = whenOver;
      return Promise.resolve(body);
    },
    FILE,
    (body) => new Response(body, { status: 206 }),
    () => settled++,
    (reason) => call.reject(reason),
  );
  const response = await promise;
  assertEquals([response.status, await response.text(), call.isReceived], [206, "bytes", false]);
  over();
  assertEquals([call.isReceived, settled], [true, 1]);
});

Deno.test("respondWithFile() settles the call if the file ends before it is open", async () => {
  const { call, promise } = calling();
  let settled = 0;
  const opened = (_: unknown, over: () => void) => {
    over();
    return Promise.resolve(bodyOf("").body);
  };
  respondWithFile(call, opened, FILE, make, () => settled++, () => {});
  assertEquals(await (await promise).text(), "");
  assertEquals([call.isReceived, settled], [true, 1]);
});

Deno.test("respondWithFile() fails the call if the file cannot be opened, and closes the file of an ended call", async () => {
  const failing = calling();
  respondWithFile(
    failing.call,
    () => Promise.reject(new Error("gone")),
    FILE,
    make,
    () => {},
    (reason) => failing.call.reject(reason),
  );
  await assertRejects(failing.promise, /gone/);
  const late = calling();
  const { body, failed } = bodyOf("bytes");
  const opening = Promise.withResolvers<FileBody>();
  respondWithFile(late.call, () => opening.promise, FILE, make, () => {}, () => {});
  late.call.isOver = true;
  opening.resolve(body);
  await opening.promise;
  await Promise.resolve();
  assertEquals(failed.length, 1);
});

Deno.test("respondWithFile() throws a ProtocolError if openFile is undefined", () => {
  const { call } = calling();
  assertThrows(
    () => respondWithFile(call, undefined, FILE, make, () => {}, () => {}),
    ProtocolError,
  );
});
