/**
 * The addresses of the files that the shell loads when they are first needed. The page names them in a
 * template, and the server adds the hash of each file to its address, so that a browser keeps the file
 * and requests it again only when it was replaced.
 */

/**
 * @param {string} name the file without its ending: a module of `shell/lazy/`, or `stage`
 * @param {string} [file] its name in a page without the template: one of an earlier server
 * @returns {string} what `import()` or a frame takes
 */
export function lazyUrl(name, file = `${name}.js`) {
  const template = document.getElementById("lazy");
  return template?.dataset[name] ?? `/usr/lib/shell/${file}?raw`;
}
