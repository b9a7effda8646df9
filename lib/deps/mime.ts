/**
 * `mime` 4.1.2, MIT licence, no dependencies: media types by file extension, from the table of the
 * registry.
 */

export { default as mime } from "npm:mime@4.1.2";
