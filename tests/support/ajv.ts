/**
 * `ajv` 8.20.0, MIT licence: the JSON Schema validator of the tests. The server does not load it, so
 * it is not in the lock file.
 */

export { Ajv2020 } from "npm:ajv@8.20.0/dist/2020.js";
export type { ValidateFunction } from "npm:ajv@8.20.0/dist/2020.js";
