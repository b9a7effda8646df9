/**
 * The addresses of the files that the shell loads when they are first needed. The page names them in a
 * template, and the server adds the hash of each file to its address, so that a browser keeps the file
 * and requests it again only when it was replaced.
 */

/**
 * @param {string} name a module of `shell/lazy/` without its ending
 * @returns {string} what `import()` takes
 */
export function lazyUrl(name) {
  const template = document.getElementById("lazy");
  return template?.dataset[name] ?? `/usr/lib/shell/${name}.js?raw`;
}
