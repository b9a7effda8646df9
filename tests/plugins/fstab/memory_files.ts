/** `env.files` on a tree in memory, so that the tests of fstab's modules need no disk. */

import type { FileInfo, Files } from "../../../lib/plugin/wire/file_types.ts";
import type { Mount } from "../../../plugins/kit/mount_table.ts";
import type { MountEnv, MountRequest } from "../../../plugins/fstab/mount_request.ts";

/** A file by its text, a folder by `null`, an error by its name. */
export type Tree = Record<string, string | null | { readonly error: string }>;

export const MODIFIED = Date.UTC(2026, 4, 31, 12);

/** What the system reports about a file of the tree. */
export function infoOf(path: string, entry: string | null): FileInfo {
  return {
    name: path.slice(path.lastIndexOf("/") + 1),
    kind: entry === null ? "folder" : "file",
    size: entry?.length ?? 0,
    modified: MODIFIED,
    changed: MODIFIED,
    id: "1:7",
  };
}

/** An error as the runtime throws it. */
export function fileError(name: string, code?: string): Error {
  return Object.assign(new Error("/secret/path"), { name }, code === undefined ? {} : { code });
}

/** Files whose paths are the keys of the tree; writing changes the tree. */
export function memoryFiles(tree: Tree): Files {
  const at = (path: string): string | null => {
    const entry = Object.hasOwn(tree, path) ? tree[path] : undefined;
    if (typeof entry === "string" || entry === null) return entry;
    throw fileError(entry?.error ?? "NotFound");
  };
  const text = async (data: string | Uint8Array | ReadableStream<Uint8Array>): Promise<string> =>
    await new Response(typeof data === "string" ? data : new Blob([await bytesOf(data)])).text();
  const unused = (): never => {
    throw new Error("not used by these tests");
  };
  return {
    read: unused,
    text: unused,
    stream: unused,
    write: unused,
    remove: unused,
    respond: (path, { status, headers, offset, length } = {}) =>
      new Response(at(path)?.slice(offset ?? 0, (offset ?? 0) + (length ?? 0)) ?? null, {
        ...(status === undefined ? {} : { status }),
        ...(headers === undefined ? {} : { headers }),
      }),
    stat: async (path) => infoOf(path, await Promise.resolve(path).then(at)),
    list: (folder, { most = Infinity } = {}) => {
      const paths = Object.keys(tree).filter((path) =>
        path.startsWith(`${folder}/`) && !path.slice(folder.length + 1).includes("/")
      );
      return Promise.resolve(
        paths.slice(0, most).map((path) => {
          const entry = tree[path];
          return infoOf(path, typeof entry === "string" ? entry : null);
        }),
      );
    },
    mkdir: (path) => {
      if (Object.hasOwn(tree, path)) return Promise.reject(fileError("AlreadyExists"));
      tree[path] = null;
      return Promise.resolve();
    },
    append: async (path, data) => {
      tree[path] = `${Object.hasOwn(tree, path) ? at(path) : ""}${await text(data)}`;
    },
    replace: async (path, data, { ready } = {}) => {
      const content = await text(data);
      await ready?.();
      tree[path] = content;
    },
  };
}

async function bytesOf(data: Uint8Array | ReadableStream<Uint8Array>): Promise<BlobPart> {
  return data instanceof Uint8Array ? new Uint8Array(data) : await new Response(data).blob();
}

/** A folder mount of `/srv`. */
export const RW: Mount = {
  name: "w",
  line: 1,
  mode: "rw",
  kind: "file",
  folder: "/srv",
  timeoutMs: 1,
};

/** A request for a path below a mount, with these files. */
export function mountRequest(
  path: string,
  init: RequestInit,
  tree: Tree,
  mount: Mount = RW,
): MountRequest {
  const url = new URL(`http://m${path}`);
  const env: MountEnv = {
    config: {},
    caller: { tier: "T2", by: "T2" },
    files: memoryFiles(tree),
  };
  const isCollection = path.endsWith("/");
  const segments = decodeURIComponent(url.pathname).split("/").slice(3);
  if (isCollection) segments.pop();
  return { request: new Request(url, init), url, env, mount, segments, isCollection, path };
}
