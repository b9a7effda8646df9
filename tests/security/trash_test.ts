/**
 * Property: the trash gives nobody more than the worlds did. Who could not read a world learns neither its
 * name nor its id, its time or its count there; who could not delete it cannot restore it; only T3
 * deletes for good.
 */

import { assertEquals } from "../support/assert.ts";
import { APPROVE, basic, bearer, CLOSED, TOKEN, withServer } from "../support/test_server.ts";

const NAMES = ["home/a/x", "home/ab/x", "home/a", "var/cache/x", "boot/x", "etc/shadow", "etc/x"];
/** Those that everyone can read. */
const PUBLIC = ["home/a/x", "home/ab/x", "home/a", "etc/x"];

Deno.test("each caller lists, restores and deletes for good only what it could before", () =>
  withServer({ env: CLOSED }, async (server) => {
    const ids = new Map<string, string>();
    for (const name of NAMES) {
      await server.approve("PUT", `/${name}`, name === "etc/shadow" ? "ada:00\n" : "x");
    }
    for (const name of NAMES) {
      const { text } = await server.approve("DELETE", `/${name}`);
      ids.set(name, JSON.parse(text).trash[0]);
    }
    const cap = (prefix: string, mode: "r" | "rw" | "rwd") =>
      bearer(server.capability(prefix, mode));
    const callers: readonly {
      readonly title: string;
      readonly headers: Record<string, string>;
      /** What it lists. */
      readonly lists: readonly string[];
      /** What it restores. */
      readonly restores?: readonly string[];
    }[] = [
      { title: "nobody", headers: {}, lists: PUBLIC },
      { title: "a wrong password", headers: basic("ada", "x"), lists: PUBLIC },
      {
        title: "T2",
        headers: bearer(TOKEN),
        lists: PUBLIC,
      },
      { title: "r", headers: cap("/home/a", "r"), lists: ["home/a/x", "home/a"] },
      { title: "rw", headers: cap("/home/a", "rw"), lists: ["home/a/x", "home/a"] },
      {
        title: "rwd",
        headers: cap("/home/a", "rwd"),
        lists: ["home/a/x", "home/a"],
        restores: ["home/a/x", "home/a"],
      },
      { title: "rwd of boot", headers: cap("/boot/y", "rwd"), lists: [] },
      { title: "T3", headers: bearer(APPROVE), lists: NAMES, restores: NAMES },
    ];
    for (const { title, headers, lists, restores = [] } of callers) {
      const found: string[] = [];
      let target: string | undefined = "/proc/trash/?limit=1";
      // Page by page: a place in the list must not be that of a world that the caller cannot read.
      while (target !== undefined) {
        const reply = await server.send({ method: "GET", target, headers });
        if (reply.status !== 200) break;
        for (const { name } of JSON.parse(reply.text)) found.push(name);
        target = /<([^>]+)>; rel="next"/.exec(reply.headers.get("link") ?? "")?.[1];
      }
      assertEquals(found.sort(), [...lists].sort(), title);
      for (const name of NAMES) {
        const id = ids.get(name) ?? "";
        const send = (method: string, path: string) =>
          server.send({ method, target: path, headers });
        if (title !== "T3") {
          const { status } = await send("DELETE", `/proc/trash/?id=${id}`);
          assertEquals([401, 403].includes(status), true, `${title} ${name} for good: ${status}`);
        }
        const { status, text } = await send("PUT", `/${name}?trash=${id}`);
        assertEquals(status === 201, restores.includes(name), `${title} ${name}: ${text}`);
        if (status === 201) {
          const deleted = await server.approve("DELETE", `/${name}`);
          ids.set(name, JSON.parse(deleted.text).trash[0]);
        }
      }
      // An id tells nothing: a hidden one is answered as one that does not exist.
      if (title !== "rwd") continue;
      for (const id of [ids.get("boot/x"), ids.get("home/ab/x")]) {
        const [hidden, absent] = await Promise.all(
          [id ?? "", "20260101T000000000Z-000000000000"].map((sent) =>
            server.send({ method: "PUT", target: `/home/a/new?trash=${sent}`, headers })
          ),
        );
        assertEquals([hidden?.status, absent?.status], [404, 404]);
        const plain = (reply: typeof hidden) =>
          JSON.parse(reply?.text ?? "{}").detail.replace(id, "ID")
            .replace("20260101T000000000Z-000000000000", "ID");
        assertEquals(plain(hidden), plain(absent));
      }
    }
  }));
