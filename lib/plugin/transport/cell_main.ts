/**
 * A cell as a program of its own, which finds nothing but what a cell needs: a checkout's cells begin
 * here. `main.ts` does the same for `cell`, where the program is one file, a URL or a binary.
 */

import { runCell } from "./cell_process.ts";

await runCell();
