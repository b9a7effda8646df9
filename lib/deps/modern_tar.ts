/**
 * `modern-tar` 0.8.6, MIT licence, no dependencies: writes and reads the archives of `elastik export`
 * and `elastik import` as streams.
 */

export { createTarDecoder, createTarPacker } from "npm:modern-tar@0.8.6";
