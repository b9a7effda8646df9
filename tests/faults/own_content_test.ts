/**
 * The content of a response that no other client shares counts in ELASTIK_RESPONSE_MEMORY: earlier
 * versions, and worlds that are too long for the cache, also if a range of them is requested.
 */

import { assert, assertEquals } from "../support/assert.ts";
import { eventually } from "../plugin/plugin_test_server.ts";
import { bearer, CLOSED, TOKEN, withServer } from "../support/test_server.ts";
import { Connection } from "../support/wire.ts";

const MIB = 1024 * 1024;

for (
  const [target, range] of [["/home/x?at=1&raw", ""], ["/home/long?raw", "range: bytes=1-\r\n"]]
) {
  Deno.test(`silent readers of ${target} are limited in total by ELASTIK_RESPONSE_MEMORY`, () =>
    withServer({
      env: { ...CLOSED, ELASTIK_RESPONSE_MEMORY: String(12 * MIB), ELASTIK_CACHE: String(MIB) },
    }, async (server) => {
      const headers = bearer(TOKEN);
      for (const path of ["/home/x", "/home/x", "/home/long"]) {
        const body = new Uint8Array(5 * MIB);
        assert((await server.send({ method: "PUT", target: path, headers, body })).status < 300);
      }
      const silent: Connection[] = [];
      const get = `GET ${target} HTTP/1.1\r\nhost: localhost\r\n${range}\r\n`;
      for (const bytes of [5, 10]) {
        const connection = await Connection.open(server.port);
        silent.push(connection);
        await connection.write(get);
        await eventually(async () => {
          const { text } = await server.approve("GET", "/proc/metrics");
          const found = /^elastik_response_body_bytes (.*)$/m.exec(text)?.[1];
          return Number(found) > (bytes - 1) * MIB || undefined;
        }, `${bytes} MiB count`);
      }
      const refused = await Connection.open(server.port);
      await refused.write(get);
      assertEquals((await refused.reply()).status, 503);
      for (const connection of [refused, ...silent]) connection.close();
    }));
}
