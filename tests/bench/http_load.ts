/**
 * A load of GET requests over kept-alive connections, as cheap as it can be: `http_load.ts <url>
 * <connections> <seconds>` prints requests a second. It believes that every response has the length of
 * the first, so it fits fixed answers alone.
 */

const url = new URL(Deno.args[0] ?? "");
const connections = Number(Deno.args[1]);
const seconds = Number(Deno.args[2]);
const request = new TextEncoder().encode(
  `GET ${url.pathname}${url.search} HTTP/1.1\r\nhost: ${url.host}\r\naccept: */*\r\n\r\n`,
);
let count = 0;
const until = performance.now() + seconds * 1000;

async function load(): Promise<void> {
  const connection = await Deno.connect({ hostname: url.hostname, port: Number(url.port) });
  const buffer = new Uint8Array(65_536);
  let length = 0;
  try {
    await connection.write(request);
    length = await connection.read(buffer) ?? 0;
    if (!new TextDecoder().decode(buffer.subarray(0, length)).startsWith("HTTP/1.1 200")) {
      throw new Error("The answer is not 200");
    }
    while (performance.now() < until) {
      await connection.write(request);
      for (let got = 0; got < length;) {
        const more = await connection.read(buffer);
        if (more === null) throw new Error("The server closed the connection");
        got += more;
      }
      count++;
    }
  } finally {
    connection.close();
  }
}

await Promise.all(Array.from({ length: connections }, load));
console.log((count / seconds).toFixed(0));
