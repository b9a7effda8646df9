/**
 * Serves the jobs of the change index in the Worker of the indexes, see `ChangeFile`, and those of
 * the trash, see `TrashBin`. Pages of the index are read in steps, so that appends do not wait for a
 * long query. It never changes a world.
 */

import { DatabaseSync } from "node:sqlite";
import { CHAIN_EVENTS_PER_READ } from "../../limits.ts";
import { listFolders, pathExists, TRASH_FOLDER, WORLD_FILE } from "../file/durable_fs.ts";
import { readChain } from "../file/read_chain.ts";
import { assertRegularFiles } from "../file/regular_files.ts";
import { folderFault } from "../file/folder_identity.ts";
import { sizeOnDisk } from "../file/size_on_disk.ts";
import { fromFolderName, toFolderName } from "../name.ts";
import { indexLost } from "../index_errors.ts";
import { isDamageError, toStoreError } from "../sqlite_errors.ts";
import type {
  IndexJob,
  Job,
  JobResults,
  Reply,
  TrashedWorld,
  WorkerSetup,
} from "../store/worker_messages.ts";
import type { ChainEvents } from "../changes.ts";
import { ChangeFile } from "./change_file.ts";
import { StepTurns } from "./step_turns.ts";
import { TrashBin } from "./trash_bin.ts";

/** Each kind of job, and whether it uses the file of the change index and no world. */
const INDEX_JOBS: Readonly<Record<IndexJob["kind"], boolean>> = {
  appendIndex: true,
  behind: true,
  changes: true,
  completeIndex: true,
  expunge: false,
  fileSizes: false,
  headOfName: true,
  headsOfChain: true,
  keyed: true,
  lastCommon: true,
  openIndex: false,
  replaceEvents: true,
  saveBin: true,
  stage: true,
  trashAdd: false,
  trashExpired: false,
  trashFacts: false,
  trashOfId: false,
  trashPage: false,
  trashUnknown: false,
  trashed: false,
  trashedChain: false,
  unknownTrash: true,
  vanished: true,
};

/** Whether a job belongs to the indexes of changes and of the trash. */
export function isIndexJob(job: Job): job is IndexJob {
  return Object.hasOwn(INDEX_JOBS, job.kind);
}

/** Serves the jobs of the change index and of the trash in one Worker. */
export interface IndexServer {
  /** Answers a job. Jobs that run in steps do not delay others. */
  replyTo(job: IndexJob): Promise<Reply>;
  /** Ends the jobs that run in steps before their next step. */
  stop(): void;
  /** Closes the files. No job may run. */
  close(): void;
}

/** Creates the server; it opens the file with the first job. */
export function createIndexServer(
  { data, key, retiredKeys, identity }: WorkerSetup,
): IndexServer {
  const file = new ChangeFile(data, key, () => crypto.randomUUID().slice(0, 8), retiredKeys);
  const turns = new StepTurns();
  const bin = new TrashBin(data);
  return { replyTo, stop: () => turns.stop(), close };

  function close(): void {
    bin.close();
    file.close();
  }

  async function replyTo(job: IndexJob): Promise<Reply> {
    // Nothing is read from or written to another folder in the place of the data folder.
    const lost = detachedReply(job.id);
    if (lost !== undefined) return lost;
    const usesFile = INDEX_JOBS[job.kind];
    try {
      if (usesFile) file.assertIntact();
      const result = runRecorded(job, usesFile);
      return { id: job.id, value: result instanceof Promise ? await result : result };
    } catch (thrown) {
      // The folder can have been replaced during the job; then this is the reason of any error.
      const lost = detachedReply(job.id);
      if (lost !== undefined) return lost;
      // It is derived from the chains.
      const isLost = usesFile && isDamageError(thrown);
      if (isLost) file.drop();
      const { code, message } = isLost ? indexLost() : toStoreError(thrown, "");
      return { id: job.id, error: { code, message } };
    }
  }

  /** The reply to a job while the data folder is not the locked one; else undefined. */
  function detachedReply(id: number): Reply | undefined {
    const fault = identity === undefined ? undefined : folderFault(identity);
    return fault === undefined ? undefined : { id, error: { code: "detached", message: fault } };
  }

  function runRecorded(job: IndexJob, usesFile: boolean): ReturnType<typeof run> {
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
    job: IndexJob,
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
