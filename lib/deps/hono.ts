/**
 * `hono` 4.13.19, MIT licence, no dependencies: the router of the server. It matches paths and methods
 * and leaves the response to the handlers.
 */

export { Hono } from "npm:hono@4.13.19";
export type { Context } from "npm:hono@4.13.19";
