/**
 * Finishes or undoes the moves that a crash interrupted, before the store reads the first world.
 * The ledger has each move from before its first change of a folder until both folders are changed.
 * The versions tell how far it came, because a name never uses a version twice. Idempotent: it can
 * itself be interrupted and run again.
 */

import {
  createTrashId,
  moveFromTrash,
  moveToTrash,
  pathExists,
  renameWorldFolder,
  TRASH_FOLDER,
  WORLD_FILE,
} from "./durable_fs.ts";
import { toFolderName } from "../name.ts";
import { CHECKED_DELETIONS } from "../../limits.ts";
import { type MoveIntent, type NameLedger, restoreKey } from "./name_ledger.ts";
import * as sql from "./sql.ts";
import { type OpenOptions, WorldFile } from "./world_file.ts";

/** What a recovery at the start needs. */
export interface RecoveryOptions extends OpenOptions {
  /** Path of the data folder; no other process uses it. */
  readonly data: string;
  /** RFC 3339 time of events that are appended. */
  readonly now: string;
}

/** What {@link finishMoves} needs. */
export interface FinishMovesOptions extends RecoveryOptions {
  /** Receives a move that could not be finished; the next start tries it again. */
  readonly onError: (move: MoveIntent, error: unknown) => void;
}

/**
 * Finishes or undoes every move in a ledger.
 *
 * @returns the number of moves that changed a folder now
 */
export function finishMoves(ledger: NameLedger, options: FinishMovesOptions): number {
  let changed = 0;
  for (const move of ledger.moves()) {
    try {
      const done = finish(move, options);
      if (done) changed += 1;
      ledger.endMove(move.from);
    } catch (error) {
      options.onError(move, error);
    }
  }
  return changed;
}

/**
 * Moves the worlds to the trash whose deletion a crash stopped before that. The ledger has their rows
 * already, and their files have the mark.
 *
 * @param onError receives a world that could not be moved; the next write of its name tries it again
 * @returns the number of worlds that moved now
 */
export function finishDeletions(
  ledger: NameLedger,
  options: RecoveryOptions,
  onError: (name: string, error: unknown) => void,
): number {
  const { data } = options;
  const everything = [{ name: "", part: "tree", restricted: true }] as const;
  let moved = 0;
  for (const { id, name } of ledger.trash.newest(everything, undefined, CHECKED_DELETIONS)) {
    try {
      const isMoved = pathExists(`${data}/${TRASH_FOLDER}/${id}/${toFolderName(name)}`);
      if (isMoved || !hasWorld(data, name) || ledger.lastUse(name)?.trash !== id) continue;
      if (!useFile(name, options, isMarked)) continue; // the deletion was not committed
      moveMarked(name, id, options);
      moved += 1;
    } catch (error) {
      onError(name, error);
    }
  }
  return moved;
}

function finish(move: MoveIntent, options: FinishMovesOptions): boolean {
  if (move.restore) return undoRestore(move, options);
  return move.carry ? undoRename(move, options) : completeMove(move, options);
}

/** Moves the folder back to the trash if the event of the restore was not committed. */
function undoRestore(move: MoveIntent, options: FinishMovesOptions): boolean {
  const { from, to, version, sourceVersion, trash } = move;
  const { data } = options;
  const trashed = toFolderName(from.slice(restoreKey(trash, "").length));
  if (!hasWorld(data, to) || pathExists(`${data}/${TRASH_FOLDER}/${trash}/${trashed}`)) {
    return false;
  }
  const current = useFile(to, options, (file) => file.row.version);
  // A higher version has the event of the restore; another one belongs to a later world.
  if (current >= version || current !== sourceVersion) return false;
  const serial = createTrashId(options.now);
  moveFromTrash(data, { id: trash, trashed, folder: toFolderName(to), back: true, serial });
  return true;
}

/** Renames the folder back if the event of the move was not committed. */
function undoRename(move: MoveIntent, options: FinishMovesOptions): boolean {
  const { from, to, version, sourceVersion } = move;
  const { data } = options;
  if (!hasWorld(data, to) || pathExists(`${data}/${toFolderName(from)}`)) return false;
  const current = useFile(to, options, (file) => file.row.version);
  // A higher version has the event of the move; another one belongs to a later world.
  if (current >= version || current !== sourceVersion) return false;
  renameWorldFolder(data, toFolderName(to), toFolderName(from), createTrashId(options.now));
  return true;
}

/** Moves the source to the trash if the target has its bytes. */
function completeMove(move: MoveIntent, options: FinishMovesOptions): boolean {
  const { from, to, version, sourceVersion, by, trash } = move;
  const { data } = options;
  if (!hasWorld(data, to) || !hasWorld(data, from)) return false;
  if (useFile(to, options, (file) => file.row.version) < version) return false;
  return useFile(from, options, (file) => {
    if (file.row.version !== sourceVersion) return false; // a later world of this name
    if (isMarked(file)) return false;
    file.requireSync(true);
    file.begin();
    const now = file.timeOf(options.now);
    if (!file.hasOtherKey) {
      const payload = { from: `/${from}`, to: `/${to}`, version: sourceVersion, by };
      file.note("world_moved", payload, now);
    }
    file.markDeleted(now, { trash, by });
    file.commit();
    return true;
  }) && moveMarked(from, trash, options);
}

/** Moves a world that is marked as deleted to the trash and removes the mark. */
function moveMarked(name: string, trash: string, options: RecoveryOptions): true {
  const path = moveToTrash(options.data, toFolderName(name), trash);
  const file = new WorldFile(name, `${path}/${WORLD_FILE}`, options);
  try {
    file.exec(sql.CLEAR_DELETED);
  } finally {
    file.close();
  }
  return true;
}

function isMarked(file: WorldFile): boolean {
  return Number(file.get(sql.SELECT_DELETED_MARK)?.user_version) === 1;
}

function hasWorld(data: string, name: string): boolean {
  return pathExists(`${data}/${toFolderName(name)}/${WORLD_FILE}`);
}

function useFile<T>(name: string, options: RecoveryOptions, use: (file: WorldFile) => T): T {
  const file = new WorldFile(name, `${options.data}/${toFolderName(name)}/${WORLD_FILE}`, options);
  try {
    return use(file);
  } finally {
    file.close();
  }
}
