/**
 * Runs installed WebDAV clients, each with an empty home folder, so that no user settings apply.
 * The name of a skipped test has the missing program.
 */

/** A test gives up waiting for the end of a program after this time. It limits no speed. */
const GIVE_UP_MS = 600_000;

/** Result of a program. */
export interface ToolResult {
  readonly code: number;
  /** Standard output, followed by standard error. */
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

/** Returns options of a test that needs a program; without it the test is skipped. */
export function requireTool(
  tool: string,
  name: string,
): { readonly name: string; readonly ignore: boolean } {
  const ignore = !hasTool(tool);
  return { name: ignore ? `${name} (skipped: ${tool} is not installed)` : name, ignore };
}

/** Runs a program with a folder as home and working folder, and ends it after {@link GIVE_UP_MS}. */
export async function runTool(
  command: string,
  args: readonly string[],
  options: { readonly cwd: string; readonly input?: string; readonly env?: Record<string, string> },
): Promise<ToolResult> {
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
    signal: AbortSignal.timeout(GIVE_UP_MS),
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
