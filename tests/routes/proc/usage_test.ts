/** The usage over HTTP: sums by child and by caller, and what each kind of caller gets. */

import { UsageSums } from "../../../lib/routes/proc/usage.ts";
import { assert, assertEquals } from "../../support/assert.ts";
import { eventually } from "../../plugin/plugin_test_server.ts";
import { APPROVE, bearer, CLOSED, suite, TOKEN } from "../../support/test_server.ts";

const T2 = bearer(TOKEN);
const T3 = bearer(APPROVE);
const test = suite("/proc/usage", { env: CLOSED });

test("adds up worlds and bytes by child and by caller, and filters by caller", async (server) => {
  await server.send({ method: "PUT", target: "/home/u/a/1", headers: T2, body: "12345" });
  await server.send({ method: "PUT", target: "/home/u/a/2", headers: T3, body: "123" });
  await server.send({ method: "PUT", target: "/home/u/b", headers: T2, body: "1" });
  await server.send({ method: "PUT", target: "/home/u", headers: T2, body: "not below itself" });
  await server.send({ method: "PUT", target: "/home/u2", headers: T2, body: "not below" });
  const read = async (target: string, headers: Record<string, string> = T2) =>
    await server.send({ method: "GET", target, headers });
  const expected = {
    prefix: "/home/u/",
    worlds: 3,
    bytes: 9,
    children: [{ name: "a", worlds: 2, bytes: 8 }, { name: "b", worlds: 1, bytes: 1 }],
    by: [{ by: "T2", worlds: 2, bytes: 6 }, { by: "T3", worlds: 1, bytes: 3 }],
  };
  assertEquals(JSON.parse((await read("/proc/usage/home/u/")).text), expected);
  const mine = JSON.parse((await read("/proc/usage/home/u/?by=T3")).text);
  assertEquals([mine.worlds, mine.bytes, mine.by], [1, 3, [{ by: "T3", worlds: 1, bytes: 3 }]]);
  const text = await read("/proc/usage/home/u/", { ...T2, accept: "text/plain" });
  assertEquals(text.text, "3\t9\t.\n2\t8\ta\n1\t1\tb\n2\t6\tby T2\n1\t3\tby T3\n");
  // A smaller version, then a removal: the sums follow.
  await server.send({ method: "PUT", target: "/home/u/a/1", headers: T3, body: "1" });
  await server.send({ method: "DELETE", target: "/home/u/b", headers: T3 });
  const later = JSON.parse((await read("/proc/usage/home/u/")).text);
  assertEquals([later.worlds, later.bytes], [2, 4]);
  assertEquals(later.by, [{ by: "T3", worlds: 2, bytes: 4 }]);
  assertEquals((await read("/proc/usage/home/u")).status, 404);
  assertEquals((await read("/proc/usage/home/u/?bye=T3")).status, 400);
});

test("has no sum of what the caller cannot read", async (server) => {
  const send = async (method: string, target: string, body = "") =>
    await server.send({ method, target, headers: T3, body });
  const usage = async (target: string, headers: Record<string, string>) =>
    await server.send({ method: "GET", target, headers });
  const before = JSON.parse((await usage("/proc/usage/etc/", {})).text);
  await send("PUT", "/etc/shadow", `ada:${"0".repeat(64)}\n`);
  await send("PUT", "/home/secret/x", "12");
  const t1 = JSON.parse((await usage("/proc/usage/etc/", {})).text);
  assertEquals(t1, before, "T1 cannot count accounts");
  assertEquals((await usage("/proc/usage/etc/shadow/", {})).status, 401);
  const t3 = JSON.parse((await usage("/proc/usage/etc/", T3)).text);
  assert(t3.worlds >= t1.worlds + 1 && t3.bytes > t1.bytes);

  const all = JSON.parse((await usage("/proc/usage/", T2)).text);
  assertEquals([all.disk, all.trash], [undefined, undefined], "totals are for T3");
  const operator = JSON.parse((await usage("/proc/usage/", T3)).text);
  // The servers of a cluster do not know the disk of the database.
  if (server.isCluster) assertEquals(operator.disk, undefined);
  else assert(operator.disk.free > 0);
  assertEquals(typeof operator.trash.bytes, "number");

  const minted = await server.send({
    method: "POST",
    target: "/auth/mint?prefix=/home/mine&ttl=60&mode=rw",
    headers: T3,
  }, true);
  const { token: cap } = JSON.parse(minted.text);
  const holder = bearer(cap);
  await server.send({ method: "PUT", target: "/home/mine/a", headers: holder, body: "123" });
  const own = JSON.parse((await usage("/proc/usage/", holder)).text);
  const home = own.children.find(({ name }: { name: string }) => name === "home");
  assertEquals([home.worlds, home.bytes], [1, 3]);
  assertEquals((await usage("/proc/usage/home/secret/", holder)).status, 403);
});

test("counts redacted worlds without their length", async (server) => {
  await server.send({ method: "PUT", target: "/etc/fstab", headers: T3, body: "# nothing\n" });
  const bytesOf = async (headers: Record<string, string>) => {
    const { text } = await server.send({ method: "GET", target: "/proc/usage/etc/", headers });
    const { children } = JSON.parse(text);
    return children.find(({ name }: { name: string }) => name === "fstab");
  };
  assertEquals(await bytesOf(T2), { name: "fstab", worlds: 1, bytes: 0 });
  assertEquals(await bytesOf(T3), { name: "fstab", worlds: 1, bytes: 10 });
});

test("adds up the files on disk for T3, with earlier versions", async (server) => {
  const put = (body: string) =>
    server.send({ method: "PUT", target: "/home/d/a/1", headers: T3, body });
  const read = async (headers: Record<string, string>, target = "/proc/usage/home/d/?disk") =>
    await server.send({ method: "GET", target, headers });
  await put("x".repeat(300_000));
  await put("");
  await server.send({ method: "PUT", target: "/home/d/b", headers: T2, body: "1" });
  const usage = JSON.parse((await read(T3)).text);
  assertEquals([usage.worlds, usage.bytes], [2, 1]);
  const [b, a] = usage.children;
  assertEquals([a.name, b.name], ["a", "b"]);
  // An earlier version, compressed or not, is in the file; the sums are those of the rows.
  const least = server.isCluster ? 512 : 8_192; // an event of the database, or the pages of a file
  assert(a.on_disk >= least && b.on_disk >= least, JSON.stringify(usage));
  assertEquals(usage.on_disk, a.on_disk + b.on_disk);
  assertEquals(
    usage.by.map((row: { on_disk: number }) => row.on_disk).sort(),
    [a.on_disk, b.on_disk].sort(),
  );
  // The size of a file can change between two requests, when its log is written back.
  await eventually(async () => {
    const { on_disk: onDisk } = JSON.parse((await read(T3)).text);
    const [first] = (await read({ ...T3, accept: "text/plain" })).text.split("\n");
    return first === `2\t1\t${onDisk}\t.` || undefined;
  }, "the same sums as text");
  const none = JSON.parse((await read(T3, "/proc/usage/home/none/?disk")).text);
  assertEquals([none.worlds, none.on_disk], [0, 0]);
  // Without ?disk nothing is measured.
  assertEquals(JSON.parse((await read(T3, "/proc/usage/home/d/")).text).on_disk, undefined);
  assertEquals((await read({})).status, 401);
  assertEquals((await read(T2)).status, 403);
  const minted = await server.send({
    method: "POST",
    target: "/auth/mint?prefix=/home/d&ttl=60&mode=rw",
    headers: T3,
  }, true);
  assertEquals((await read(bearer(JSON.parse(minted.text).token))).status, 403);
});

Deno.test("UsageSums lists the largest rows and counts the others", () => {
  const sums = new UsageSums("home");
  for (const bytes of [1, 2, 3]) sums.add(`home/w${bytes}`, `user:${bytes}`, bytes);
  const atLimit = sums.build(3);
  assertEquals([atLimit.leftOut, atLimit.children.length], [0, 3]);
  const beyond = sums.build(2);
  assertEquals(beyond.children.map(({ name }) => name), ["w3", "w2"]);
  assertEquals(beyond.by.map(({ by }) => by), ["user:3", "user:2"]);
  assertEquals([beyond.leftOut, beyond.worlds, beyond.bytes], [2, 3, 6]);
});

Deno.test("UsageSums keeps a child with its descendants apart from names that begin alike", () => {
  const sums = new UsageSums("");
  for (const name of ["a", "a/b", "a/c/d", "ab", "b"]) sums.add(name, "T2", 1);
  const { children } = sums.build(10);
  assertEquals(children.map(({ name, worlds }) => [name, worlds]), [["a", 3], ["ab", 1], ["b", 1]]);
});
