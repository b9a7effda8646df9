/**
 * `ignore` 7.0.17, MIT licence, no dependencies: the patterns of `.gitignore` as git reads them. Used
 * for the source listing only, so it is loaded with the first listing. Git's rules for slashes,
 * wildcards and character classes are too many to implement here.
 */

export { default as createIgnore } from "npm:ignore@7.0.17";
