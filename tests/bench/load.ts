/**
 * The load of the benchmarks: `wrk` (Debian's package) from outside the process that is measured, so
 * that neither its clock nor its garbage is ours. Without it there is no benchmark, and that is said.
 */

/** What one run of `wrk` found. */
export interface LoadResult {
  readonly perSecond: number;
  /** Milliseconds. */
  readonly p50: number;
  readonly p99: number;
  /** Answers other than 2xx and 3xx, and socket errors. */
  readonly errors: number;
}

/** How a run differs from a plain GET. */
export interface LoadOptions {
  readonly connections?: number;
  readonly seconds?: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** Lua for `wrk`, for requests that differ from each other. */
  readonly script?: string;
}

/** Runs `wrk` against a URL. */
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
      throw new Error("Cannot measure: wrk is missing; apt-get install wrk brings it");
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
