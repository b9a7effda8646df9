import { assertEquals } from "../../support/assert.ts";
import { isResolvable, readRequestedPath } from "../../../plugins/router/requested_path.ts";

function read(path: string) {
  return readRequestedPath(new URL(`http://server${path}`));
}

Deno.test("readRequestedPath() decodes, folds and recognizes collections and namespaces", () => {
  assertEquals(read("/home/Sales%20Report/?x=1"), {
    path: "/home/Sales Report",
    isCollection: true,
    query: "?x=1",
    segments: ["home", "sales report"],
    namespace: "home",
  });
  const { path, isCollection, namespace } = read("/%E9%94%80");
  assertEquals([path, isCollection, namespace], ["/销", false, undefined]);
  assertEquals(read("/").path, "/");
});

Deno.test("isResolvable() refuses what scanners and scripts request", () => {
  const none = new Headers();
  for (const path of ["/favicon.ico", "/index.php", "/.env", "/home/.git/x", "/usr/x", "/lib/x"]) {
    assertEquals(isResolvable(read(path), none), false, path);
  }
  for (const path of ["/x", "/home/x", "/etc/x"]) {
    assertEquals(isResolvable(read(path), none), true, path);
  }
  const mode = (value: string) => new Headers({ "sec-fetch-mode": value });
  assertEquals(isResolvable(read("/x"), mode("cors")), false);
  assertEquals(isResolvable(read("/x"), mode("navigate")), true);
});
