/** A cell as a program of its own, for tests and benchmarks; `main.ts` does the same for `cell`. */

import { runCell } from "./cell_process.ts";

await runCell();
