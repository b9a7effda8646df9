import { assertRejects, assertStrictEquals } from "../../support/assert.ts";
import { readShared } from "../../../plugins/fanout/shared_body.ts";

const MIB = 1024 * 1024;

function requestOf(mebibytes: number): Request {
  const body = new Blob(Array.from({ length: mebibytes }, () => new Uint8Array(MIB))).stream();
  return new Request("http://server/dev/fanout", { method: "PUT", body });
}

function lengthOf(body: Uint8Array): Promise<Response> {
  return Promise.resolve(Response.json(body.length));
}

Deno.test("readShared() passes on a body of 16 MiB and refuses a longer one", async () => {
  const response = await readShared(requestOf(16), lengthOf);
  assertStrictEquals(await response.json(), 16 * MIB);
  await assertRejects(readShared(requestOf(17), lengthOf), { status: 413 });
});

Deno.test("readShared() refuses a body while the bodies in use reach 64 MiB", async () => {
  const done = Promise.withResolvers<void>();
  const started = Array.from({ length: 4 }, () => Promise.withResolvers<void>());
  const using = started.map(({ resolve }) =>
    readShared(requestOf(16), async (body) => {
      resolve();
      await done.promise;
      return lengthOf(body);
    })
  );
  await Promise.all(started.map(({ promise }) => promise));
  await assertRejects(readShared(requestOf(1), lengthOf), {
    status: 503,
    headers: { "retry-after": "1" },
  });
  done.resolve();
  await Promise.all(using);
  assertStrictEquals(await (await readShared(requestOf(1), lengthOf)).json(), MIB);
});
