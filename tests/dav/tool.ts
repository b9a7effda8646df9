/**
 * Clients of WebDAV as a user has them: programs of the system, each with a home of its own so that
 * it reads nobody's settings. A test whose program is missing says so in its name.
 */

/** What a program left behind. */
export interface Ran {
  readonly code: number;
  /** Standard output and errors, in this order. */
  readonly text: string;
}

/** Whether a program is installed. */
export function hasTool(name: string): boolean {
  const folders = `${Deno.env.get("PATH") ?? ""}:/usr/sbin:/sbin`.split(":");
  return folders.some((folder) => {
    try {
      return Deno.statSync(`${folder}/${name}`).isFile;
    } catch {
      return false; // not in this folder
    }
  });
}

/** Options of a test that needs a program; without it the name says why it is skipped. */
export function needing(
  tool: string,
  name: string,
): { readonly name: string; readonly ignore: boolean } {
  const ignore = !hasTool(tool);
  return { name: ignore ? `${name} (skipped: ${tool} is not installed here)` : name, ignore };
}

/** Runs a program in a folder, which is its home as well, for at most a minute. */
export async function runTool(
  command: string,
  args: readonly string[],
  options: { readonly cwd: string; readonly input?: string; readonly env?: Record<string, string> },
): Promise<Ran> {
  const { cwd, input, env = {} } = options;
  const child = new Deno.Command(command, {
    args: [...args],
    cwd,
    clearEnv: true,
    env: {
      HOME: cwd,
      PATH: `${Deno.env.get("PATH") ?? "/usr/bin"}:/usr/sbin:/sbin`,
      LC_ALL: "C.UTF-8",
      ...env,
    },
    stdin: input === undefined ? "null" : "piped",
    stdout: "piped",
    stderr: "piped",
    signal: AbortSignal.timeout(60_000),
  }).spawn();
  if (input !== undefined) {
    const writer = child.stdin.getWriter();
    await writer.write(new TextEncoder().encode(input));
    await writer.close();
  }
  const { code, stdout, stderr } = await child.output();
  const decoder = new TextDecoder();
  return { code, text: decoder.decode(stdout) + decoder.decode(stderr) };
}

/** Runs a test in a folder of its own. */
export async function withFolder(test: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "elastik-dav-" });
  try {
    await test(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}
