/**
 * Entry point of a cell process when the server runs from a checkout. It imports only what a cell
 * needs. If the program is one file, a URL or a binary, the command `cell` of `main.ts` does the
 * same.
 */

import { runCell } from "./cell_process.ts";

await runCell();
