import { assertEquals, assertRejects } from "../../support/assert.ts";
import { listMounts } from "../../../plugins/fstab/list_mounts.ts";
import { readMountTable } from "../../../plugins/kit/mount_table.ts";
import { memoryFiles } from "./memory_files.ts";

const TABLE = readMountTable(`
  /srv /mnt/works rw
  /gone /mnt/gone ro
  http://h/ /mnt/api rw,bearer=secret
  s3://bucket /mnt/s3 ro
  secret
`);
const FILES = memoryFiles({ "/srv": null });

function send(method: string, accept: string): Promise<Response> {
  return listMounts(new Request("http://m/mnt/", { method, headers: { accept } }), TABLE, FILES);
}

Deno.test("listMounts() lists the mounts and the lines that cannot be used", async () => {
  const response = await send("GET", "application/json");
  assertEquals(await response.json(), [
    { name: "api", dir: true, kind: "http", mode: "ro", description: "ro http" },
    {
      name: "gone",
      dir: true,
      kind: "file",
      mode: "ro",
      description: "it does not exist",
      problem: "it does not exist",
    },
    {
      name: "s3",
      dir: true,
      kind: "s3",
      mode: "ro",
      description: "s3:// has no adapter",
      problem: "s3:// has no adapter",
    },
    { name: "works", dir: true, kind: "file", mode: "rw", description: "rw file" },
    {
      name: "line 6",
      dir: false,
      line: 6,
      problem: TABLE.faults[0]?.reason,
      description: TABLE.faults[0]?.reason,
    },
  ]);
});

Deno.test("listMounts() answers OPTIONS, and refuses methods that would change the list", async () => {
  const options = await send("OPTIONS", "*/*");
  assertEquals([options.status, options.headers.get("allow")], [204, "GET, HEAD, OPTIONS"]);
  await assertRejects(send("PUT", "*/*"), {
    status: 405,
    headers: { allow: "GET, HEAD, OPTIONS" },
  });
});

Deno.test("listMounts() answers a browser with the shell's page", async () => {
  assertEquals((await send("GET", "text/html")).headers.get("x-show"), "shell");
});
