/**
 * `mime` 4.1.2, MIT licence, no dependencies: media types by file extension, from `mime-db`, which
 * includes the IANA registry.
 */

export { default as mime } from "npm:mime@4.1.2";
