import { assert, assertEquals, assertMatch, assertStrictEquals } from "../support/assert.ts";
import { sha256Hex } from "../../lib/base/hash.ts";
import { APPROVE, type TestServer, TOKEN, withServer } from "../support/test_server.ts";
import { hasTool, requireTool, runTool } from "./tool.ts";
import { withTempFolder } from "../support/temp_folder.ts";

const FILES = 200;

/** Creates nested, empty and binary files, with names that need encoding. */
async function makeTree(folder: string): Promise<void> {
  for (let i = 0; i < FILES; i++) {
    const below = `${folder}/d${i % 7}/ä ${i % 3} & (x)`;
    await Deno.mkdir(below, { recursive: true });
    const bytes = new Uint8Array(i === 0 ? 0 : (i * 7919) % 20_000);
    for (let at = 0; at < bytes.length; at++) bytes[at] = (at * i) & 0xff;
    await Deno.writeFile(`${below}/f${i} 100%25 #${i % 2 ? ".bin" : ".md"}`, bytes);
  }
  await Deno.writeTextFile(`${folder}/.DS_Store`, "finder");
  await Deno.writeTextFile(`${folder}/._x`, "finder");
}

/** Returns the hashes of all files below a folder by path. */
async function hashes(folder: string, prefix = ""): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  for await (const { name, isDirectory } of Deno.readDir(`${folder}/${prefix}`)) {
    const path = `${prefix}${name}`;
    if (isDirectory) Object.assign(found, await hashes(folder, `${path}/`));
    else found[path] = sha256Hex(await Deno.readFile(`${folder}/${path}`));
  }
  return Object.fromEntries(Object.entries(found).sort());
}

/** Runs rclone against a server, as T3. */
async function rclone(server: TestServer, cwd: string, ...args: string[]): Promise<string> {
  const { code, text } = await runTool("rclone", ["--config", `${cwd}/none`, ...args], {
    cwd,
    env: {
      RCLONE_CONFIG_DAV_TYPE: "webdav",
      RCLONE_CONFIG_DAV_URL: `http://127.0.0.1:${server.clientPort}/dav/home`,
      RCLONE_CONFIG_DAV_HEADERS: `Authorization,Basic ${btoa(`rclone:${APPROVE}`)}`,
    },
  });
  assertEquals(code, 0, text);
  return text;
}

Deno.test({
  ...requireTool(
    "rclone",
    "DavRouter serves rclone: a tree of 200 files is equal after sync in both directions",
  ),
  fn: () =>
    withServer({}, (server) =>
      withTempFolder(async (folder) => {
        await makeTree(`${folder}/up`);
        const local = await hashes(`${folder}/up`);
        assertStrictEquals(Object.keys(local).length, FILES + 2);
        await rclone(server, folder, "sync", "up", "dav:tree");
        await rclone(server, folder, "check", "--download", "up", "dav:tree");
        await rclone(server, folder, "sync", "dav:tree", "down");
        assertEquals(await hashes(`${folder}/down`), local);
        // A deleted local folder is deleted on the server too; other files do not change.
        await Deno.remove(`${folder}/up/d3`, { recursive: true });
        await Deno.writeTextFile(`${folder}/up/new.txt`, "new");
        await rclone(server, folder, "sync", "up", "dav:tree");
        await rclone(server, folder, "moveto", "dav:tree/d1", "dav:tree/moved");
        await rclone(server, folder, "sync", "dav:tree", "down");
        await Deno.rename(`${folder}/up/d1`, `${folder}/up/moved`);
        assertEquals(await hashes(`${folder}/down`), await hashes(`${folder}/up`));
        await server.audit();
      })),
});

Deno.test({
  ...requireTool(
    "cadaver",
    "DavRouter serves cadaver: put, copy, move, lock and properties in one session",
  ),
  fn: () =>
    withServer({}, (server) =>
      withTempFolder(async (folder) => {
        await Deno.writeTextFile(`${folder}/note.txt`, "a note");
        await Deno.writeTextFile(
          `${folder}/.netrc`,
          `machine 127.0.0.1 login cadaver password ${APPROVE}\n`,
          { mode: 0o600 },
        );
        const { text } = await runTool("cadaver", [
          `http://127.0.0.1:${server.clientPort}/dav/home/`,
        ], {
          cwd: folder,
          input: [
            "mkcol c",
            "put note.txt",
            "copy note.txt c/copy.txt",
            "move note.txt c/moved.txt",
            "lock c/copy.txt",
            "discover c/copy.txt",
            "unlock c/copy.txt",
            "propset c/copy.txt colour blue",
            "propget c/copy.txt colour",
            "ls c",
            "get c/moved.txt back.txt",
            "delete c/copy.txt",
            "rmcol c",
            "ls",
            "quit",
            "",
          ].join("\n"),
        });
        assert(!/failed|Could not/.test(text), text);
        assertMatch(text, /Setting property on .*succeeded/);
        assertMatch(text, /Value of colour is: blue/);
        assertMatch(text, /copy\.txt\s+6 /);
        assertMatch(text, /Unlocking `c\/copy\.txt': succeeded/);
        assertEquals(await Deno.readTextFile(`${folder}/back.txt`), "a note");
        assertEquals((await server.approve("GET", "/home/")).text, "");
        await server.audit();
      })),
});

Deno.test({
  ...requireTool(
    "curl",
    "DavRouter serves curl: chunked uploads, 100 Continue, and refused uploads",
  ),
  fn: () =>
    withServer({ env: { ELASTIK_TOKEN: TOKEN } }, (server) =>
      withTempFolder(async (folder) => {
        const url = `http://127.0.0.1:${server.clientPort}/dav/home`;
        const bytes = new Uint8Array(4_000_000).fill(7);
        await Deno.writeFile(`${folder}/big`, bytes);
        // By default curl sends the content after one second without a 100.
        const curl = (...args: string[]) =>
          runTool("curl", ["-sv", "--expect100-timeout", "300", ...args], { cwd: folder });
        const waited = await curl(
          ...["-u", `ada:${TOKEN}`, "-H", "Expect: 100-continue", "-T", "big", `${url}/big`],
        );
        assertMatch(waited.text, /< HTTP\/1\.1 100 Continue/);
        assertMatch(waited.text, /< HTTP\/1\.1 201 Created/);
        const refused = await curl("-H", "Expect: 100-continue", "-T", "big", `${url}/none`);
        assertMatch(refused.text, /< HTTP\/1\.1 401 /);
        // Deno sends 100 before the server refuses the request; no world must be created.
        assertEquals((await server.approve("GET", "/home/none")).status, 404);
        const chunked = await curl(
          ...["-u", `ada:${TOKEN}`, "-H", "Transfer-Encoding: chunked", "-T", "big", `${url}/c`],
        );
        assertMatch(chunked.text, /< HTTP\/1\.1 201 Created/);
        await curl("-o", "back", "-r", "1000000-", `${url}/c`);
        assertEquals(await Deno.readFile(`${folder}/back`), bytes.subarray(1_000_000));
        // curl sends its credentials after the 401 response.
        const created = await curl("--anyauth", "-u", `ada:${TOKEN}`, "-X", "MKCOL", `${url}/col/`);
        assertMatch(created.text, /< HTTP\/1\.1 201 Created/);
      })),
});

/** Returns why davfs2 cannot mount on this computer; `undefined` if it can. */
function withoutMount(): string | undefined {
  if (!hasTool("mount.davfs")) return "davfs2 is not installed";
  if (Deno.uid() !== 0) return "mounting requires root";
  try {
    Deno.openSync("/dev/fuse", { read: true, write: true }).close();
    return undefined;
  } catch {
    return "this computer does not allow FUSE";
  }
}

const reason = withoutMount();
const mounted = "DavRouter serves davfs2: mount, write, rename and delete";

Deno.test({
  name: reason === undefined ? mounted : `${mounted} (skipped: ${reason})`,
  ignore: reason !== undefined,
  fn: () =>
    withServer({}, (server) =>
      withTempFolder(async (folder) => {
        const url = `http://127.0.0.1:${server.clientPort}/dav/home/`;
        await Deno.mkdir(`${folder}/mnt`);
        await Deno.mkdir(`${folder}/cache`);
        // The daemon of davfs2 drops root and runs as another user.
        await Deno.chmod(folder, 0o755);
        await Deno.chmod(`${folder}/cache`, 0o777);
        await Deno.writeTextFile(
          `${folder}/conf`,
          `secrets ${folder}/secrets\ncache_dir ${folder}/cache\nask_auth 0\ndelay_upload 0\n` +
            "use_locks 1\n",
        );
        await Deno.writeTextFile(`${folder}/secrets`, `${url} davfs ${APPROVE}\n`, { mode: 0o600 });
        const options = `conf=${folder}/conf,uid=0,gid=0`;
        const mount = await runTool("mount.davfs", [url, `${folder}/mnt`, "-o", options], {
          cwd: folder,
        });
        assertEquals(mount.code, 0, mount.text);
        try {
          await Deno.mkdir(`${folder}/mnt/c`);
          await Deno.writeTextFile(`${folder}/mnt/c/a.txt`, "by davfs");
          await Deno.rename(`${folder}/mnt/c/a.txt`, `${folder}/mnt/c/b.md`);
          assertEquals(await Deno.readTextFile(`${folder}/mnt/c/b.md`), "by davfs");
          await Deno.writeTextFile(`${folder}/mnt/c/gone`, "x");
          await Deno.remove(`${folder}/mnt/c/gone`);
        } finally {
          const left = await runTool("umount.davfs", [`${folder}/mnt`], { cwd: folder });
          assertEquals(left.code, 0, left.text);
        }
        assertEquals((await server.approve("GET", "/home/c/b.md?raw")).text, "by davfs");
        assertEquals((await server.approve("GET", "/home/c/")).text, "b.md\n");
        await server.audit();
      })),
});
