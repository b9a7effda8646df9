/**
 * Builds the npm package in `dist/npm/`, so that `npx elastik` runs the server on a computer with Node
 * and without Deno. The package has the bundle, and a launcher for Node that starts it with the Deno of
 * the npm package `deno`, in the version of the tests. It is the same program: nothing runs under
 * Node but the launcher.
 */

import { bundle } from "./bundle.ts";
import { VERSION } from "../version.ts";

/** Default folder of the package. */
const OUTPUT = "dist/npm";
/** Version of Deno that the program is tested with. */
export const DENO_VERSION = "2.9.6";

/** The launcher. Node runs it as a CommonJS module, so that it can find the file of Deno. */
export const LAUNCHER = `#!/usr/bin/env node
// Starts elastik with the Deno of the npm package "deno".
"use strict";

const { spawn } = require("node:child_process");
const { join } = require("node:path");

let deno;
try {
  deno = require("deno/install_api.cjs").runInstall();
} catch (error) {
  console.error("Cannot start elastik: npm did not install Deno for this system: " + error.message);
  process.exit(1);
}
let child;
// Before the child exists: a signal must not end the launcher and leave the server.
// A terminal sends Ctrl-C to both, and a second one would end the server at once.
process.on("SIGINT", () => process.stdin.isTTY || child.kill("SIGINT"));
for (const signal of ["SIGTERM", "SIGHUP"]) process.on(signal, () => child.kill(signal));
const flags = ["run", "-A", "--no-config", "--no-lock", "--unstable-worker-options"];
child = spawn(deno, [...flags, join(__dirname, "elastik.js"), ...process.argv.slice(2)], {
  stdio: "inherit",
  env: { DENO_NO_UPDATE_CHECK: "1", ...process.env },
});
child.on("error", (error) => {
  console.error("Cannot start elastik: " + error.message);
  process.exit(1);
});
child.on("exit", (code, signal) => {
  if (signal === null) process.exit(code);
  process.removeAllListeners(signal);
  process.kill(process.pid, signal);
});
`;

/** Formats `package.json`. */
export function formatPackageJson(): string {
  const fields = {
    name: "elastik",
    version: VERSION,
    description:
      "An HTTP server for small versioned documents that people, programs and AI agents share",
    license: "MIT",
    bin: { elastik: "elastik.cjs" },
    files: ["elastik.cjs", "elastik.js"],
    dependencies: { deno: DENO_VERSION },
    engines: { node: ">=18" },
  };
  return `${JSON.stringify(fields, null, 2)}\n`;
}

/**
 * Builds the package.
 *
 * @param folder target folder; created if missing
 * @returns names of the files
 */
export async function buildNpmPackage(folder: string): Promise<readonly string[]> {
  await Deno.mkdir(folder, { recursive: true });
  await bundle(`${folder}/elastik.js`);
  await Deno.writeTextFile(`${folder}/elastik.cjs`, LAUNCHER, { mode: 0o755 });
  await Deno.writeTextFile(`${folder}/package.json`, formatPackageJson());
  for (const file of ["README.md", "LICENSE"]) {
    await Deno.copyFile(new URL(`../../${file}`, import.meta.url), `${folder}/${file}`);
  }
  return [...Deno.readDirSync(folder)].map(({ name }) => name).sort();
}

if (import.meta.main) {
  const files = await buildNpmPackage(OUTPUT);
  console.log(`${OUTPUT}: ${files.join(", ")}; npm pack ./${OUTPUT} makes the archive`);
}
