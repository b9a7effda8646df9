import { deepStrictEqual, equal } from "node:assert/strict";
import { isResolvable, readRequestedPath } from "../../../plugins/router/requested_path.ts";

function read(path: string) {
  return readRequestedPath(new URL(`http://server${path}`));
}

Deno.test("readRequestedPath() decodes, folds and recognizes collections and namespaces", () => {
  deepStrictEqual(read("/home/Sales%20Report/?x=1"), {
    path: "/home/Sales Report",
    isCollection: true,
    query: "?x=1",
    segments: ["home", "sales report"],
    namespace: "home",
  });
  const { path, isCollection, namespace } = read("/%E9%94%80");
  deepStrictEqual([path, isCollection, namespace], ["/销", false, undefined]);
  equal(read("/").path, "/");
});

Deno.test("isResolvable() refuses what scanners and scripts request", () => {
  const none = new Headers();
  for (const path of ["/favicon.ico", "/index.php", "/.env", "/home/.git/x", "/usr/x", "/lib/x"]) {
    equal(isResolvable(read(path), none), false, path);
  }
  for (const path of ["/x", "/home/x", "/etc/x"]) equal(isResolvable(read(path), none), true, path);
  const mode = (value: string) => new Headers({ "sec-fetch-mode": value });
  equal(isResolvable(read("/x"), mode("cors")), false);
  equal(isResolvable(read("/x"), mode("navigate")), true);
});
