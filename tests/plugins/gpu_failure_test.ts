/** Everything a backend can do wrong, and what the caller is told of it; over HTTP, with a real cell. */

import { deepStrictEqual, equal, match, ok, rejects } from "node:assert/strict";
import { bearer, TOKEN } from "../support/machine.ts";
import { eventually } from "../plugin/plugin_machine.ts";
import { type GpuMachine, KEYS, startGpu, withGpu } from "./gpu_machine.ts";
import type { Behaviour } from "./fake_backend.ts";

const SCHEMES = ["ollama", "openai", "claude"] as const;
const never = (): Promise<void> => new Promise(() => {});

/** The detail of a problem. */
function detail(text: string): string {
  return JSON.parse(text).detail;
}

/** Asks both ways; what fails after the head is an event in the one and 502 in the other. */
async function breaksOff(
  gpu: GpuMachine,
  behaviour: Behaviour,
  says: RegExp,
  heard: readonly string[] = [],
): Promise<void> {
  gpu.backend.behaviour = behaviour;
  const reply = await gpu.ask("x");
  equal(reply.status, 502, reply.text);
  match(detail(reply.text), says);
  const events = await gpu.events("x");
  deepStrictEqual(events.slice(-2).map(({ type }) => type), ["error", "done"]);
  match(events.at(-2)?.data ?? "", says);
  equal(events.at(-1)?.data, "error");
  deepStrictEqual(events.slice(0, -2).map(({ data }) => data), heard);
}

/** Asks both ways; what fails before the head is the same in both. */
async function refuses(
  gpu: GpuMachine,
  behaviour: Behaviour,
  status: number,
  says: RegExp,
): Promise<void> {
  gpu.backend.behaviour = behaviour;
  for (const target of ["/dev/gpu", "/dev/gpu/stream"]) {
    const reply = await gpu.ask("x", target);
    equal(reply.status, status, reply.text);
    match(detail(reply.text), says);
    equal(reply.headers.get("x-gpu-local"), "true");
  }
}

Deno.test("gpu tells in words what failed, in every format", async (t) => {
  const gpu = await startGpu();
  const { backend } = gpu;
  try {
    for (const scheme of SCHEMES) {
      backend.clear();
      await gpu.configure(`${scheme}://${backend.host}\ntimeout 1`);
      const key = scheme === "claude" ? KEYS.ANTHROPIC_API_KEY : KEYS.OPENAI_API_KEY;

      await t.step(`${scheme}: an answer without its end mark`, async () => {
        const says = new RegExp(`the ${scheme} backend ended its answer without its end mark`);
        await breaksOff(gpu, { tokens: ["half", " an"], end: "unmarked" }, says, ["half", " an"]);
        await breaksOff(gpu, { tokens: [], end: "unmarked" }, says);
        await breaksOff(gpu, { body: "" }, says);
        await breaksOff(gpu, { status: 204, body: "" }, says);
      });

      await t.step(`${scheme}: a connection that breaks`, async () => {
        let sent = Promise.withResolvers<void>();
        // Broken at once, what was sent before may be lost with the connection.
        const before = (index: number) => index === 1 ? sent.promise : undefined;
        backend.next({ tokens: ["half"], end: "broken", before });
        const reader = await gpu.open("x");
        equal((await reader.next())?.data, "half");
        sent.resolve();
        equal(
          (await reader.next())?.data,
          `Cannot answer: the ${scheme} backend broke its answer off`,
        );
        deepStrictEqual(await reader.next(), { type: "done", data: "error", lastEventId: "" });
        equal(await reader.next(), undefined);
        sent = Promise.withResolvers<void>();
        sent.resolve();
        backend.next({ tokens: ["half"], end: "broken", before });
        const reply = await gpu.ask("x");
        deepStrictEqual([reply.status, detail(reply.text)], [
          502,
          `Cannot answer: the ${scheme} backend broke its answer off`,
        ]);
      });

      await t.step(`${scheme}: an error in the middle, without the key it names`, async () => {
        await breaksOff(
          gpu,
          { tokens: ["half"], end: "error", says: `no more: ${key}\r\nevent: done` },
          /the \w+ backend answers with an error: no more: .*event: done$/,
          ["half"],
        );
      });

      await t.step(`${scheme}: frames that cannot be read`, async () => {
        const frame = (data: string) => scheme === "ollama" ? `${data}\n` : `data: ${data}\n\n`;
        for (
          const [raw, says] of [
            ['{"message":', /sent a frame that is no JSON/],
            ["\u0000\u0001", /sent a frame that is no JSON/],
            ["[1]", /sent a frame that is no object/],
            ["7", /sent a frame that is no object/],
          ] as const
        ) {
          await breaksOff(gpu, { tokens: ["half", "x"], raw: { 1: frame(raw) } }, says, ["half"]);
        }
        const wrong = {
          ollama: '{"message":{"content":7}}',
          openai: '{"choices":[{"delta":{"content":{}}}]}',
          claude: '{"type":"content_block_delta","delta":{"type":"text_delta","text":[]}}',
        };
        await breaksOff(
          gpu,
          { tokens: ["a", "b"], raw: { 1: frame(wrong[scheme]) } },
          /whose text is none/,
          ["a"],
        );
        const endless = scheme === "ollama"
          ? `{"${"x".repeat(1_200_000)}`
          : `data: ${"x".repeat(1_200_000)}`;
        await breaksOff(gpu, { tokens: ["a", "b"], raw: { 1: endless } }, /a frame without end/, [
          "a",
        ]);
        const page = { headers: { "content-type": "text/html" }, body: "<h1>hotel wifi</h1>" };
        await breaksOff(gpu, page, /answers with a page for people/);
      });

      await t.step(`${scheme}: what it need not understand does no harm`, async () => {
        const noise = scheme === "ollama"
          ? '\n{"message":{"role":"assistant","thinking":"hm"},"done":false}\n{}\n'
          : ': keep-alive\n\nid: 7\nretry: 1\nevent: vendor\ndata: {"new":true}\n\ndata\n: x\ndata: {}\n\n';
        backend.behaviour = {
          tokens: ["a", "", "b"],
          raw: { 1: scheme === "ollama" ? noise : noise.replace("data\n", "") },
        };
        equal((await gpu.ask("x")).text, "ab");
      });

      await t.step(`${scheme}: a limit passes on, with its time`, async () => {
        for (
          const [sent, told] of [
            ["7", "7"],
            ["Wed, 21 Oct 2026 07:28:00 GMT", "Wed, 21 Oct 2026 07:28:00 GMT"],
            ["soon", undefined],
            ["-1", undefined],
            [undefined, undefined],
          ] as const
        ) {
          backend.behaviour = {
            status: 429,
            says: `wait, ${key}`,
            headers: sent === undefined ? {} : { "retry-after": sent },
          };
          for (const target of ["/dev/gpu", "/dev/gpu/stream"]) {
            const reply = await gpu.ask("x", target);
            deepStrictEqual([reply.status, reply.headers.get("retry-after")], [429, told]);
            match(detail(reply.text), /backend asks to wait: wait, \*\*\*/);
          }
        }
      });

      await t.step(
        `${scheme}: its errors are 502 in words, without the key or parts of it`,
        async () => {
          const said = `Incorrect key: ${key}. Yours: ${key.slice(0, 12)}****${
            key.slice(-9)
          }, sk-other-0123456789`;
          for (const status of [400, 401, 404, 500, 503, 529]) {
            const says = new RegExp(
              `^Cannot answer: the ${scheme} backend answers ${status}: Incorrect`,
            );
            await refuses(gpu, { status, says: said }, 502, says);
          }
          const reply = await gpu.ask("x");
          for (const part of [key.slice(0, 8), key.slice(-8), key.slice(10, 18), "sk-other"]) {
            ok(!reply.text.includes(part), `${part} in ${reply.text}`);
          }
          for (const body of ["<h1>oh</h1>", "", "[]", '{"error":7}', "x".repeat(200_000)]) {
            await refuses(gpu, { status: 500, body }, 502, /backend answers 500$/);
          }
          await refuses(gpu, { status: 500, says: "y".repeat(5000) }, 502, /answers 500: y{300}…$/);
          await refuses(
            gpu,
            { status: 404, says: "model 'x' not found" },
            502,
            /answers 404: model 'x' not found; `model` in \/etc\/gpu\.conf names another$/,
          );
        },
      );

      await t.step(`${scheme}: a redirect is not followed`, async () => {
        const calls = backend.calls.length;
        for (const status of [301, 302, 303, 307, 308]) {
          const headers = { location: `${backend.url}/v1/messages` };
          await refuses(
            gpu,
            { status, headers, body: "" },
            502,
            /redirects \(\d+\), and is not followed/,
          );
        }
        equal(backend.calls.length, calls + 10);
      });

      await t.step(`${scheme}: silence before the head is 504, after it an error`, async () => {
        backend.next({ head: never });
        const reply = await gpu.ask("x");
        equal(reply.status, 504);
        equal(detail(reply.text), `Cannot answer: the ${scheme} backend was silent for 1 s`);
        await backend.last.left;
        backend.next({ tokens: ["half"], end: "hang" });
        const events = await gpu.events("x");
        deepStrictEqual(events.map(({ type, data }) => [type, data]), [
          ["message", "half"],
          ["error", `Cannot answer: the ${scheme} backend was silent for 1 s`],
          ["done", "error"],
        ]);
        await backend.last.left;
      });

      await t.step(`${scheme}: a caller who leaves takes the call along`, async () => {
        // Longer than the test may take: no silence of the backend ends these.
        await gpu.configure(`${scheme}://${backend.host}\ntimeout 600`);
        backend.clear();
        backend.next({ head: never });
        const early = new AbortController();
        const asked = fetch(`${gpu.url}/dev/gpu`, {
          method: "POST",
          body: "x",
          headers: bearer(TOKEN),
          signal: early.signal,
        });
        await backend.called(1);
        early.abort();
        await rejects(asked);
        await backend.last.left;
        backend.next({ tokens: ["a"], end: "hang" });
        const reader = await gpu.open("x");
        equal((await reader.next())?.data, "a");
        await reader.close();
        await backend.last.left;
        const receipts = await eventually(async () => {
          const found = (await gpu.receipts(2)).slice(-2);
          return found.every(({ finish }) => finish === "left") ? found : undefined;
        }, "both left");
        deepStrictEqual(receipts.map(({ status, answer_bytes }) => [status, answer_bytes]), [
          [499, 0],
          [499, 1],
        ]);
      });
    }

    await t.step(
      "an answer without end is cut off where it is one text, and streams where it is not",
      async () => {
        await gpu.configure(`openai://${backend.host}`);
        backend.behaviour = { tokens: Array.from({ length: 80 }, () => "x".repeat(60_000)) };
        const reply = await gpu.ask("x");
        equal(reply.status, 502);
        match(
          detail(reply.text),
          /longer than 4194304 bytes; \/dev\/gpu\/stream has no such bound/,
        );
        const events = await gpu.events("x");
        deepStrictEqual([events.length, events.at(-1)?.data], [81, "stop"]);
      },
    );

    await t.step("a backend that is not there is told apart from one that fails", async () => {
      const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
      const { port } = listener.addr;
      listener.close();
      await gpu.configure(`openai://127.0.0.1:${port}`);
      await refuses(gpu, {}, 502, /the openai backend refuses the connection; is it running\?$/);
      await gpu.configure(`openai+https://${backend.host}`);
      await refuses(gpu, {}, 502, /the openai backend speaks no TLS to trust$/);
      await gpu.configure("openai://no-such-host.invalid");
      const nowhere = await gpu.ask("x");
      equal(nowhere.headers.get("x-gpu-local"), "false");
      match(nowhere.text, /has a name that leads nowhere|cannot be reached/);
      await gpu.configure("openai://127.0.0.1:22");
      await refuses(gpu, {}, 502, /refuses the connection|at a port that no fetch may use/);
      // The machine is no backend of its own: the cell is kept from its port, whatever is configured.
      await gpu.configure(`openai://127.0.0.1:${gpu.machine.port}`);
      await refuses(gpu, {}, 502, /is not to be reached from this machine/);
    });

    await t.step("what is no prompt is refused before it costs anything", async () => {
      await gpu.configure(`openai://${backend.host}\n# again`);
      backend.clear();
      const kept = (await gpu.receipts(1)).length;
      for (const target of ["/dev/gpu", "/dev/gpu/stream"]) {
        for (const empty of ["", " \n\t"]) {
          const reply = await gpu.ask(empty, target);
          deepStrictEqual([reply.status, /the prompt is empty/.test(reply.text)], [400, true]);
        }
        const send = (body: Uint8Array | string, headers: Record<string, string> = {}) =>
          gpu.machine.send({
            method: "POST",
            target,
            body,
            headers: { ...bearer(TOKEN), ...headers },
          });
        equal((await send(new Uint8Array([0xff, 0xfe, 0x41]))).status, 400);
        equal((await send("x".repeat(1024 * 1024 + 1))).status, 413);
        const chunks = `${(1024 * 1024 + 1).toString(16)}\r\n${
          "x".repeat(1024 * 1024 + 1)
        }\r\n0\r\n\r\n`;
        equal((await send(chunks, { "transfer-encoding": "chunked" })).status, 413);
      }
      equal(backend.calls.length, 0);
      backend.behaviour = { tokens: ["long"] };
      equal((await gpu.ask("x".repeat(1024 * 1024))).text, "long");
      equal(backend.last.prompt.length, 1024 * 1024);
      equal((await gpu.receipts(kept + 1)).length, kept + 1);
    });

    await t.step("other methods and paths are told what there is", async () => {
      const send = (method: string, target: string) =>
        gpu.machine.send({ method, target, headers: bearer(TOKEN) });
      for (const method of ["PUT", "DELETE", "PATCH"]) {
        const reply = await send(method, "/dev/gpu");
        deepStrictEqual([reply.status, reply.headers.get("allow")], [
          405,
          "GET, HEAD, POST, OPTIONS",
        ]);
      }
      const get = await send("GET", "/dev/gpu/stream");
      deepStrictEqual([get.status, get.headers.get("allow")], [405, "POST, OPTIONS"]);
      equal((await send("OPTIONS", "/dev/gpu/stream")).headers.get("allow"), "POST, OPTIONS");
      for (const target of ["/dev/gpu/other", "/dev/gpu/stream/x", "/dev/gpu/home/x"]) {
        equal((await send("POST", target)).status, 404);
        equal((await send("GET", target)).status, 404);
      }
    });
    await gpu.machine.audit();
  } finally {
    await gpu.close();
  }
});

Deno.test("gpu may think longer than other plugins may", async () => {
  await withGpu(async (gpu) => {
    await gpu.configure(`ollama://localhost:${gpu.backend.port}`);
    // Twice what the machine gives a plugin that declares no patience.
    gpu.backend.behaviour = { head: () => new Promise((resolve) => setTimeout(resolve, 1000)) };
    const [reply, events] = await Promise.all([gpu.ask("x"), gpu.events("x")]);
    deepStrictEqual([reply.status, reply.headers.get("x-gpu-local")], [200, "true"], reply.text);
    equal(events.at(-1)?.data, "stop");
  }, { ELASTIK_CELL_ANSWER: "500" });
});
