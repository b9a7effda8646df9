/** The files of tests over HTTP that hold for a cluster, by a rule, and why others are left out. */

/** Folders whose files that start a test server run against a cluster. */
const FOLDERS: readonly string[] = [
  "tests/dav",
  "tests/http",
  "tests/observe",
  "tests/request",
  "tests/response",
  "tests/routes",
  "tests/security",
];

/** Further files. The other files of their folders change files of worlds, or end servers. */
const FILES: readonly string[] = [
  "tests/faults/body_limits_test.ts",
  "tests/faults/response_framing_test.ts",
  "tests/faults/text_encodings_test.ts",
];

/** Files that are left out, with the reason. Cases that cannot hold are left out in their files. */
const LEFT_OUT: Readonly<Record<string, string>> = {
  "tests/security/another_key_test.ts": "it opens files of the data folder",
  "tests/security/retired_key_test.ts": "it rotates the key in the data folder",
};

/** What a file of the rule imports, directly or through a file of its folder. */
const STARTS_SERVER = /support\/(?:test_server|plugin_server)\.ts"|\/(?:ask|mcp_server)\.ts"/;

/**
 * Lists the files of the rule.
 *
 * @param root folder of the repository
 * @returns paths below it, in order
 */
export async function listSuiteFiles(root: URL): Promise<string[]> {
  const found = [...FILES];
  for (const folder of FOLDERS) await addFiles(root, folder, found);
  return found.sort();
}

/** The files that are left out, one a line with its reason. */
export function describeLeftOut(): string[] {
  return Object.entries(LEFT_OUT).map(([path, reason]) => `left out: ${path}: ${reason}`);
}

async function addFiles(root: URL, folder: string, found: string[]): Promise<void> {
  for await (const { name, isDirectory } of Deno.readDir(new URL(`${folder}/`, root))) {
    const path = `${folder}/${name}`;
    if (isDirectory) await addFiles(root, path, found);
    else if (name.endsWith("_test.ts") && !Object.hasOwn(LEFT_OUT, path)) {
      const text = await Deno.readTextFile(new URL(path, root));
      if (STARTS_SERVER.test(text)) found.push(path);
    }
  }
}
