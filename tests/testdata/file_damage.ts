/** Ways in which a world's file can be damaged outside the server, and the result of a read. */

/** One kind of damage. */
export interface FileDamage {
  /** Damages the file at a path; the file must not be open. */
  readonly inflict: (path: string) => void;
  /** Result of a read: `damaged`, or `whole` if SQLite does not detect it. */
  readonly read: "damaged" | "whole";
}

/** All kinds of damage by name. */
export const FILE_DAMAGE: Readonly<Record<string, FileDamage>> = {
  header_overwritten: { inflict: (path) => overwrite(path, 0, 100), read: "damaged" },
  schema_overwritten: { inflict: (path) => overwrite(path, 100, 4096), read: "damaged" },
  middle_overwritten: { inflict: (path) => overwrite(path, 4096, 8192), read: "damaged" },
  events_overwritten: { inflict: (path) => overwrite(path, 8192, 12288), read: "whole" },
  truncated_in_a_page: { inflict: (path) => Deno.truncateSync(path, 6000), read: "damaged" },
  truncated_to_its_header: { inflict: (path) => Deno.truncateSync(path, 100), read: "damaged" },
  emptied: { inflict: (path) => Deno.truncateSync(path, 0), read: "damaged" },
  text_in_its_place: {
    inflict: (path) => Deno.writeTextFileSync(path, "not a database\n".repeat(1000)),
    read: "damaged",
  },
  directory_in_its_place: {
    inflict: (path) => {
      Deno.removeSync(path);
      Deno.mkdirSync(path);
    },
    read: "damaged",
  },
  link_to_nowhere: {
    inflict: (path) => {
      Deno.removeSync(path);
      Deno.symlinkSync(`${path}.gone`, path);
    },
    read: "damaged",
  },
  log_of_garbage: {
    inflict: (path) => Deno.writeTextFileSync(`${path}-wal`, "not a log\n".repeat(1000)),
    read: "whole",
  },
};

function overwrite(path: string, from: number, to: number): void {
  const file = Deno.openSync(path, { write: true });
  file.seekSync(from, Deno.SeekMode.Start);
  file.writeSync(new Uint8Array(to - from).fill(0xa5));
  file.close();
}
