/**
 * Sends files as worlds, some at a time, with progress and Cancel. It asks once about all names that
 * exist already, and lists what failed.
 */

import { askConflicts, namesList } from "./conflicts.js";
import { note, noteError, openDialog, send } from "./connected.js";
import { count, size } from "./format.js";
import { forEachAtOnce, startJob } from "./job.js";
import { lastOf, pathOf } from "./place.js";
import { numberedName } from "./world_name.js";

/** Most files at a time. A browser allows six connections to one server; streams need some. */
const WIDTH = 3;
const BYTES = "application/octet-stream";
/** How long the files that were not sent are offered. */
const REST_SECONDS = 120;
/** Highest number that "Keep both" tries. */
const MAX_NUMBER = 99;

/**
 * Sends files.
 *
 * @param {readonly { name: string, file: File }[]} files
 * @param {{ overwrite?: boolean, ask?: (names: string[]) => Promise<string> | string }} options `ask`
 *   decides about names that exist: `replace`, `both` or `skip`
 * @returns {Promise<{ conflicts: readonly { name: string, file: File }[] }>} what was skipped
 */
export async function sendFiles(files, { overwrite = false, ask = askReplace }) {
  const sent = [];
  const failures = [];
  let skipped = [];
  try {
    const { conflicts, cancelled } = await run(files, overwrite, sent, failures);
    const choice = conflicts.length === 0 || cancelled
      ? "skip"
      : await ask(conflicts.map(({ name }) => `/${name}`));
    if (choice === "skip") skipped = conflicts;
    if (choice === "replace") await run(conflicts, true, sent, failures);
    if (choice === "both") await keepBoth(conflicts, sent, failures);
  } catch (error) {
    // Without the right to write, no other file would be written either.
    noteError(error);
  }
  const done = new Set([...sent, ...failures, ...skipped].map(({ file }) => file));
  noteResult(sent, files.filter(({ file }) => !done.has(file)), { overwrite, ask });
  if (failures.length > 0) await offerRetry(failures, { overwrite, ask });
  return { conflicts: skipped };
}

/** Reports what was written, and offers to send the rest, which was cancelled or not allowed. */
function noteResult(sent, rest, options) {
  const action = { label: "Send the rest", run: () => sendFiles(rest, options) };
  const written = sent.length === 1
    ? `${lastOf(sent[0].name)} was written`
    : `${count(sent.length, "file")} written`;
  if (rest.length > 0) {
    note(`${written}, ${rest.length} not sent`, { action, seconds: REST_SECONDS });
  } else if (sent.length > 0) note(written);
}

function askReplace(names) {
  return askConflicts(names, { replaced: "Replacing writes the files as new versions." });
}

async function keepBoth(files, sent, failures) {
  let rest = files;
  for (let number = 2; number <= MAX_NUMBER && rest.length > 0; number++) {
    const numbered = rest.map(({ name, file, first = name }) => ({
      name: numberedName(first, number),
      first,
      file,
    }));
    rest = (await run(numbered, false, sent, failures)).conflicts;
  }
}

async function run(files, overwrite, sent, failures) {
  const conflicts = [];
  const total = files.reduce((sum, { file }) => sum + file.size, 0);
  const job = startJob("Uploading");
  let bytes = 0;
  let done = 0;
  const show = () =>
    job.show(
      total === 0 ? done / files.length : bytes / total,
      `${done} of ${count(files.length, "file")}, ${size(bytes)} of ${size(total)}`,
    );
  show();
  try {
    await forEachAtOnce(files, WIDTH, job.signal, async (one) => {
      try {
        await put(one, overwrite, job.signal);
        sent.push(one);
      } catch (error) {
        if (job.signal.aborted) return;
        if (error.status === 401 || error.status === 403) throw error;
        if (error.status === 412) conflicts.push(one);
        else failures.push({ ...one, error: await explain(error, one.file) });
      }
      done += 1;
      bytes += one.file.size;
      show();
    });
  } finally {
    job.end();
  }
  return { conflicts, cancelled: job.signal.aborted };
}

async function put({ name, file }, overwrite, signal) {
  const own = suffixOf(name);
  const other = suffixOf(file.name);
  await send(pathOf(name) + (own === undefined && other !== undefined ? `?ext=${other}` : ""), {
    method: "PUT",
    body: file,
    signal,
    headers: {
      // The suffix is the better guess: browsers report a TypeScript file as video/mp2t.
      "content-type": own ?? other ? BYTES : file.type || BYTES,
      ...overwrite ? {} : { "if-none-match": "*" },
    },
  });
}

function suffixOf(name) {
  return /[^/]\.([A-Za-z0-9]{1,16})$/.exec(name)?.[1].toLowerCase();
}

/** A browser reports a file that it cannot read as a failure of the network. */
async function explain(error, file) {
  if (error.status !== 0) return error;
  try {
    await file.slice(0, 1).arrayBuffer();
    return error;
  } catch {
    return new Error("The file cannot be read any more; it was changed or removed");
  }
}

async function offerRetry(failures, options) {
  const answer = await openDialog({
    title: `${count(failures.length, "file")} not written`,
    text: namesList(failures.map(({ name, error }) => `/${name}: ${error.message}`)),
    confirm: "Try again",
    cancel: "Close",
  });
  if (answer === null) return;
  await sendFiles(failures.map(({ name, file }) => ({ name, file })), options);
}
