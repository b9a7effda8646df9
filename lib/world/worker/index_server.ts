/**
 * Serves the jobs of the change index in its Worker, see `ChangeFile`, and those of the trash, see
 * `TrashBin`. Pages of the index are read in
 * steps, so that appends do not wait for a long query. It never changes a world.
 */

import { DatabaseSync } from "node:sqlite";
import { CHAIN_EVENTS_PER_READ } from "../../limits.ts";
import { pathExists, TRASH_FOLDER, WORLD_FILE } from "../file/durable_fs.ts";
import { readChain } from "../file/read_chain.ts";
import { assertRegularFiles } from "../file/regular_files.ts";
import { folderFault } from "../file/folder_identity.ts";
import { sizeOnDisk } from "../file/size_on_disk.ts";
import { fromFolderName, toFolderName } from "../name.ts";
import { indexLost } from "../index_errors.ts";
import { isDamageError, toStoreError } from "../sqlite_errors.ts";
import type {
  CloseJob,
  IndexJob,
  JobResults,
  Reply,
  StorePort,
  TrashedWorld,
  WorkerSetup,
} from "../store/worker_messages.ts";
import type { ChainEvents } from "../changes.ts";
import { ChangeFile } from "./change_file.ts";
import { StepTurns } from "./step_turns.ts";
import { TrashBin } from "./trash_bin.ts";

/** Jobs that use the file of the change index and no world. */
const INDEX_FILE_JOBS: ReadonlySet<string> = new Set<IndexJob["kind"]>([
  "appendIndex",
  "behind",
  "changes",
  "completeIndex",
  "headOfName",
  "headsOfChain",
  "keyed",
  "lastCommon",
  "replaceEvents",
  "saveBin",
  "stage",
  "unknownTrash",
  "vanished",
]);

/** Serves jobs of the change index on a port until a `close` job arrives. */
export function serveIndex(
  port: StorePort,
  { data, key, retiredKeys, identity }: WorkerSetup,
): void {
  const file = new ChangeFile(data, key, () => crypto.randomUUID().slice(0, 8), retiredKeys);
  const turns = new StepTurns();
  const bin = new TrashBin(data);
  port.onmessage = ({ data: jobs }: MessageEvent<readonly (IndexJob | CloseJob)[]>) => {
    for (const job of jobs) void answer(job);
    // A query does not delay the end of its batch, so that appends can arrive.
    port.postMessage({ replies: [], closedFiles: [], done: true });
  };

  async function answer(job: IndexJob | CloseJob): Promise<void> {
    port.postMessage({ replies: [await replyTo(job)], closedFiles: [], done: false });
  }

  async function replyTo(job: IndexJob | CloseJob): Promise<Reply> {
    // Nothing is read from or written to another folder in the place of the data folder.
    const fault = identity === undefined || job.kind === "close"
      ? undefined
      : folderFault(identity);
    if (fault !== undefined) return { id: job.id, error: { code: "detached", message: fault } };
    const usesFile = INDEX_FILE_JOBS.has(job.kind);
    try {
      if (usesFile) file.assertIntact();
      const result = runRecorded(job, usesFile);
      return { id: job.id, value: result instanceof Promise ? await result : result };
    } catch (thrown) {
      // It is derived from the chains.
      const isLost = usesFile && isDamageError(thrown);
      if (isLost) file.drop();
      const { code, message } = isLost ? indexLost() : toStoreError(thrown, "");
      return { id: job.id, error: { code, message } };
    }
  }

  function runRecorded(job: IndexJob | CloseJob, usesFile: boolean): ReturnType<typeof run> {
    // Not after a job in steps: another program can have changed the file between two of them.
    let isDone = true;
    try {
      const result = run(job);
      isDone = !(result instanceof Promise);
      return result;
    } finally {
      if (usesFile && isDone) file.recordState();
    }
  }

  function run(
    job: IndexJob | CloseJob,
  ): JobResults[keyof JobResults] | Promise<JobResults[keyof JobResults]> {
    switch (job.kind) {
      case "openIndex": {
        const isComplete = file.open();
        return { isComplete, run: file.run, position: file.position };
      }
      case "stage":
        return file.stage(job.entries, job.isFirst);
      case "completeIndex":
        return turns.run(file.complete()).then(() => {
          file.recordState();
          return file.position;
        });
      case "appendIndex":
        return file.append(job.entries);
      case "behind":
        return file.behind(job.heads);
      case "vanished":
        return file.vanished(job.names);
      case "headOfName":
        return file.headOf(job.name);
      case "headsOfChain":
        return file.headsOfChain(job.chain);
      case "lastCommon":
        return file.lastCommon(job.events);
      case "replaceEvents":
        return file.replace(job.head, job.keep, job.since, job.entries);
      case "changes":
        return turns.run(file.page(job.query));
      case "keyed":
        return file.keyed(job.key);
      case "trashed":
        return listTrash(data, job.name);
      case "unknownTrash":
        return listTrash(data, undefined, (ids) => file.unknownBins(ids));
      case "saveBin":
        return void file.saveBin(job.bin);
      case "trashedChain":
        return readTrashedChain(data, job.world, job.after, job.limit);
      case "fileSizes":
        return job.names.map((name) => sizeOnDisk(`${data}/${toFolderName(name)}`));
      case "trashPage":
        return bin.page(job.query);
      case "trashOfId":
        return bin.ofId(job.trash);
      case "trashUnknown":
        return bin.unknown(job.now);
      case "trashFacts":
        return bin.facts(job.ids);
      case "trashAdd":
        return bin.add(job.records);
      case "trashExpired":
        return bin.expired(job.before, job.limit);
      case "expunge":
        return bin.expunge(job.trash);
      case "close":
        bin.close();
        return void file.close();
    }
  }
}

/**
 * Lists the worlds in the trash, or those of one name, in the order of their removal.
 *
 * @param select selects ids of entries
 */
function listTrash(
  data: string,
  name: string | undefined,
  select = (ids: string[]): string[] => ids,
): TrashedWorld[] {
  const found: TrashedWorld[] = [];
  for (const id of select(listFolders(`${data}/${TRASH_FOLDER}`).sort())) {
    for (const folder of listFolders(`${data}/${TRASH_FOLDER}/${id}`)) {
      const trashed = fromFolderName(folder);
      if (trashed === undefined || name !== undefined && trashed !== name) continue;
      found.push({ bin: id, name: trashed, path: `${TRASH_FOLDER}/${id}/${folder}/${WORLD_FILE}` });
    }
  }
  return found;
}

function listFolders(path: string): string[] {
  try {
    return [...Deno.readDirSync(path)].filter((entry) => entry.isDirectory)
      .map((entry) => entry.name);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}

/** Reads events of a world that was deleted; none if its file cannot be read. */
function readTrashedChain(
  data: string,
  { name, path }: TrashedWorld,
  after: number,
  limit = CHAIN_EVENTS_PER_READ,
): ChainEvents {
  let db: DatabaseSync | undefined;
  try {
    if (!pathExists(`${data}/${path}`)) return { chain: "", parts: [], more: false };
    assertRegularFiles(`${data}/${path}`);
    db = new DatabaseSync(`${data}/${path}`);
    return readChain(db, name, after, limit);
  } catch {
    return { chain: "", parts: [], more: false }; // damaged: its events are lost to the index
  } finally {
    db?.close();
  }
}
