/**
 * Load for the benchmarks by `wrk` (Debian's package), a process of its own, so that the load generator
 * does not use the clock and the garbage collector of the measured process.
 */

/** Result of one run of `wrk`. */
export interface LoadResult {
  readonly perSecond: number;
  /** Milliseconds. */
  readonly p50: number;
  readonly p99: number;
  /** Number of responses other than 2xx and 3xx, and of socket errors. */
  readonly errors: number;
}

/** Differences of a run from a plain GET. */
export interface LoadOptions {
  readonly connections?: number;
  readonly seconds?: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** Lua script for `wrk`, for other methods and for requests that differ. */
  readonly script?: string;
}

/**
 * Runs `wrk` against a URL.
 *
 * @throws {Error} if `wrk` is not installed or fails
 */
export async function load(url: string, options: LoadOptions = {}): Promise<LoadResult> {
  const { connections = 32, seconds = 3, headers = {}, script } = options;
  const args = ["-t1", `-c${connections}`, `-d${seconds}s`, "--latency"];
  for (const [name, value] of Object.entries(headers)) args.push("-H", `${name}: ${value}`);
  let file: string | undefined;
  if (script !== undefined) {
    file = await Deno.makeTempFile({ suffix: ".lua" });
    await Deno.writeTextFile(file, script);
    args.push("-s", file);
  }
  try {
    const { stdout, success } = await new Deno.Command("wrk", { args: [...args, url] }).output();
    const text = new TextDecoder().decode(stdout);
    if (!success) throw new Error(`wrk failed: ${text}`);
    return {
      perSecond: number(text, /Requests\/sec:\s+([\d.]+)/),
      p50: milliseconds(text, "50%"),
      p99: milliseconds(text, "99%"),
      errors: number(text, /Non-2xx or 3xx responses: (\d+)/) + socketErrors(text),
    };
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) {
      throw new Error("Cannot measure: wrk is missing; install the Debian package wrk");
    }
    throw error;
  } finally {
    if (file !== undefined) await Deno.remove(file);
  }
}

function number(text: string, pattern: RegExp): number {
  return Number(pattern.exec(text)?.[1] ?? 0);
}

function socketErrors(text: string): number {
  const found = /Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)/.exec(text);
  return found === null ? 0 : found.slice(1).reduce((sum, count) => sum + Number(count), 0);
}

function milliseconds(text: string, percentile: string): number {
  const found = new RegExp(`${percentile}\\s+([\\d.]+)(us|ms|s)`).exec(text);
  const scale = { us: 0.001, ms: 1, s: 1000 }[found?.[2] ?? "ms"] ?? 1;
  return Number(found?.[1] ?? 0) * scale;
}
