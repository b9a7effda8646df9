import { assertEquals, assertRejects } from "../../support/assert.ts";
import { archiveResponse, inOrder } from "../../../plugins/reality/archive.ts";
import type { ArchiveEntry } from "../../../plugins/reality/tar.ts";

function entryOf(path: string): ArchiveEntry {
  return { path, mode: 0o644, length: path.length, body: path };
}

Deno.test("inOrder() keeps the order, leaves out what is absent, and works at most 6 ahead", async () => {
  const names = Array.from({ length: 20 }, (_, i) => String(i));
  let running = 0;
  let most = 0;
  const paths: string[] = [];
  const make = async (name: string): Promise<ArchiveEntry | undefined> => {
    most = Math.max(most, ++running);
    // Later entries are ready earlier.
    for (let turns = 20 - Number(name); turns > 0; turns--) await Promise.resolve();
    running--;
    return name === "7" ? undefined : entryOf(name);
  };
  for await (const { path } of inOrder(names, make)) paths.push(path);
  assertEquals(paths, names.filter((name) => name !== "7"));
  assertEquals(most, 6);
});

Deno.test("inOrder() throws an error when the entry is due", async () => {
  const paths: string[] = [];
  const make = (name: string) =>
    name === "2" ? Promise.reject(new Error("no 2")) : Promise.resolve(entryOf(name));
  await assertRejects(
    async () => {
      for await (const { path } of inOrder(["0", "1", "2", "3"], make)) paths.push(path);
    },
    { message: "no 2" },
  );
  assertEquals(paths, ["0", "1"]);
});

Deno.test("inOrder() cancels the entries ahead when the reader stops", async () => {
  let cancelled = 0;
  const make = (path: string): Promise<ArchiveEntry> =>
    Promise.resolve({
      path,
      mode: 0o644,
      length: 1,
      body: new ReadableStream({ cancel: () => void cancelled++ }),
    });
  for await (const _entry of inOrder(["a", "b", "c"], make)) break;
  await new Promise((resolve) => setTimeout(resolve));
  assertEquals(cancelled, 2);
});

Deno.test("archiveResponse() is a gzip attachment, and has no body for HEAD", async () => {
  async function* entries(): AsyncGenerator<ArchiveEntry> {
    yield entryOf("a");
  }
  const get = archiveResponse(new Request("http://server/self"), "a.tar.gz", entries);
  assertEquals(get.headers.get("content-disposition"), 'attachment; filename="a.tar.gz"');
  const tar = get.body?.pipeThrough(new DecompressionStream("gzip")) ?? null;
  assertEquals((await new Response(tar).bytes()).length, 2048);
  let made = false;
  const head = archiveResponse(
    new Request("http://server/self", { method: "HEAD" }),
    "a.tar.gz",
    () => {
      made = true;
      return entries();
    },
  );
  assertEquals([head.body, made, head.headers.get("content-type")], [
    null,
    false,
    "application/gzip",
  ]);
});
