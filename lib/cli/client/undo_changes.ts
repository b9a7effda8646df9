/**
 * Undoes what one caller did below a prefix: reads the events of the period from a server, and sends the
 * requests of each plan. Each request requires the version that the plan was made for, so that a change
 * of another caller in the meantime is never lost.
 */

import { encodePath } from "../../http/path.ts";
import {
  type ClientResponse,
  problemText,
  readProperty,
  type ServerClient,
} from "./server_client.ts";
import { type LogRow, matchesBy, planUndo, type UndoPlan } from "./undo_plan.ts";

/** What is undone. */
export interface UndoOptions {
  /** Path of a collection without a trailing slash. */
  readonly prefix: string;
  /** See `matchesBy`. */
  readonly by: string;
  /** RFC 3339 time. */
  readonly since: string;
  /** Only plans; changes nothing. */
  readonly isDry: boolean;
  readonly credential: string | undefined;
  /** Receives each result as soon as it is known, with the number of all. */
  readonly onResult: (result: UndoResult, total: number) => void;
}

/** The result for one world. */
export interface UndoResult {
  readonly name: string;
  readonly done: boolean;
  /** What was done, or why nothing was. */
  readonly text: string;
}

/** The server refused to show the events. The message is for the operator. */
export class UndoRefused extends Error {
  override readonly name = "UndoRefused";
}

/** Events per request. */
const PAGE = 1000;

/**
 * Undoes the changes.
 *
 * @returns the results in the order of the requests
 * @throws {UndoRefused} if the events cannot be read
 */
export async function undoChanges(
  client: ServerClient,
  options: UndoOptions,
): Promise<readonly UndoResult[]> {
  const rows = await readRows(client, options);
  const plans = planUndo(rows, (by) => matchesBy(options.by, by));
  const results: UndoResult[] = [];
  for (const plan of plans) {
    const result = await undoOne(client, options, plan);
    results.push(result);
    options.onResult(result, plans.length);
  }
  return results;
}

/** Reads all events of the period, oldest first. */
async function readRows(
  client: ServerClient,
  { prefix, since, credential }: UndoOptions,
): Promise<readonly LogRow[]> {
  const rows: LogRow[] = [];
  const below = prefix === "/" ? "/" : `${encodePath(prefix)}/`;
  let path: string | undefined = `/proc/log${below}?since=${
    encodeURIComponent(since)
  }&limit=${PAGE}`;
  while (path !== undefined) {
    const response: ClientResponse = await client.request("GET", path, {
      credential,
      headers: { accept: "application/json" },
    });
    if (response.status !== 200 || !Array.isArray(response.json)) {
      throw new UndoRefused(problemText(response));
    }
    rows.push(...response.json.flatMap(toRow));
    path = /^<([^>]+)>; rel="next"$/.exec(response.headers.get("link") ?? "")?.[1];
  }
  return rows.reverse();
}

function toRow(value: unknown): LogRow[] {
  const [name, id, type] = ["name", "id", "type"].map((field) => readProperty(value, field));
  if (typeof name !== "string" || typeof id !== "number" || typeof type !== "string") return [];
  return [{ name, id, type, payload: readProperty(value, "payload") }];
}

async function undoOne(
  client: ServerClient,
  { isDry, credential }: UndoOptions,
  plan: UndoPlan,
): Promise<UndoResult> {
  const { name, skipped, before, trash, isGone } = plan;
  if (skipped !== undefined) return { name, done: false, text: `skipped: ${skipped}` };
  if (isGone === true) return { name, done: true, text: "nothing to do: created and deleted" };
  const words = describe(plan);
  if (isDry) return { name, done: true, text: `would be ${words}` };
  const send = async (
    method: string,
    path: string,
    headers: Readonly<Record<string, string>>,
  ): Promise<number> => {
    const response = await client.request(method, path, { credential, headers });
    if (response.status < 200 || response.status > 299) throw new StepFailed(problemText(response));
    const version = readProperty(response.json, "version");
    return typeof version === "number" ? version : 0;
  };
  const at = (path: string) => encodePath(`/${path}`);
  const ifMatch = (version: number | undefined): Record<string, string> =>
    version === undefined ? {} : { "if-match": `"${version}"` };
  try {
    let { version } = plan;
    if (before === undefined) {
      await send("DELETE", at(name), ifMatch(version));
      return { name, done: true, text: words };
    }
    if (trash !== undefined) {
      version = await send("PUT", `${at(before)}?trash=${encodeURIComponent(trash)}`, {});
    } else if (name !== before) {
      const destination = { destination: at(before), overwrite: "F" };
      version = await send("MOVE", at(name), { ...destination, ...ifMatch(version) });
    }
    if (plan.firstEvent !== undefined) {
      const earlier = await findVersion(client, credential, before, plan.firstEvent);
      await send("PUT", `${at(before)}?from=${earlier}`, ifMatch(version));
    }
    return { name, done: true, text: words };
  } catch (error) {
    if (!(error instanceof StepFailed)) throw error;
    return { name, done: false, text: `skipped: ${error.message}` };
  }
}

/** A request of a plan was refused. */
class StepFailed extends Error {}

/** Finds the version of a world before an event. */
async function findVersion(
  client: ServerClient,
  credential: string | undefined,
  name: string,
  event: number,
): Promise<number> {
  let path: string | undefined = `/proc/log/${encodePath(name)}?before=${event}&limit=100`;
  while (path !== undefined) {
    const response: ClientResponse = await client.request("GET", path, { credential });
    if (!Array.isArray(response.json)) throw new StepFailed(problemText(response));
    for (const row of response.json) {
      const version = readProperty(readProperty(row, "payload"), "version_after");
      if (typeof version === "number") return version;
    }
    path = /^<([^>]+)>; rel="next"$/.exec(response.headers.get("link") ?? "")?.[1];
  }
  throw new StepFailed("its events do not have the version before");
}

function describe({ name, before, trash, firstEvent }: UndoPlan): string {
  if (before === undefined) return "deleted";
  const steps = [
    ...(trash === undefined ? [] : ["restored from the trash"]),
    ...(name === before ? [] : [`moved back to /${before}`]),
    ...(firstEvent === undefined ? [] : ["set to its earlier version"]),
  ];
  return steps.length === 0 ? "left as it is" : steps.join(", ");
}
