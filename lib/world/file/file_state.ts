/**
 * The state of a world's file on disk as one text: it changes when the file or its write-ahead log
 * changes, no matter which program changed it. Two equal states mean equal content, if the first
 * one was settled; see {@link FileState.isSettled}.
 */

/** State of a world's file and its log. */
export interface FileState {
  /** Device, inode, size, modification time and change time of both files. */
  readonly text: string;
  /**
   * Whether a later change must give another state. It is false for files that changed in the last
   * two seconds, because the change time has a resolution of one second (Deno 2.9.6).
   */
  readonly isSettled: boolean;
}

const SETTLE_MS = 2_000;

/**
 * Reads the state of a world's file without opening it. No program can set the change time of a
 * file (`ctime`), so a program that restores the modification time is detected too. Windows has no
 * change time; there a state is never settled.
 *
 * @param path path of the world's file
 * @param now current time in Unix milliseconds, by the clock that the times of files have
 */
export async function readFileState(path: string, now = Date.now()): Promise<FileState> {
  const [main, log] = await Promise.all([statOf(path), statOf(`${path}-wal`)]);
  return {
    text: `${main.text} ${log.text}`,
    isSettled: main.changedAt + SETTLE_MS < now && log.changedAt + SETTLE_MS < now,
  };
}

async function statOf(path: string): Promise<{ text: string; changedAt: number }> {
  try {
    const { dev, ino, size, mtime, ctime } = await Deno.stat(path);
    // An empty log has no content; connections create and remove it.
    if (size === 0) return { text: "-", changedAt: -Infinity };
    const changedAt = ctime === null ? Infinity : Math.max(ctime.getTime(), mtime?.getTime() ?? 0);
    return {
      text: [dev, ino, size, mtime?.getTime(), ctime?.getTime()].join(":"),
      changedAt,
    };
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return { text: "-", changedAt: -Infinity };
    return { text: "?", changedAt: Infinity };
  }
}
