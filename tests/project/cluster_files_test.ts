/**
 * The files of examples/cluster: each is read by its program or parsed, uses only settings that exist, and
 * agrees with the others. The load balancers run in front of three nodes, of which one is killed.
 */

// deno-lint-ignore no-import-prefix -- only this test needs it; yaml 2.9.1, ISC
import { parseAllDocuments } from "npm:yaml@2.9.1";
import { SETTINGS } from "../../lib/settings.ts";
import { requireTool, runTool } from "../dav/tool.ts";
import { assert, assertEquals, assertMatch } from "../support/assert.ts";
import { EventReader } from "../support/event_reader.ts";
import { freePort } from "../support/free_port.ts";
import { postgresSkipped, sharedServer } from "../support/postgres_servers.ts";
import { withTempFolder } from "../support/temp_folder.ts";
import { fromCheckout, type Program, ROOT, runProgram, startProgram } from "./program.ts";

const FOLDER = `${ROOT}/examples/cluster`;
const PAGE = `${ROOT}/worlds/usr/share/doc/cluster.md`;
/** Longest wait for what a load balancer does in some seconds, in milliseconds. */
const MAX_WAIT_MS = 120_000;
const files = new Map(
  [...Deno.readDirSync(FOLDER)].map(({ name }) =>
    [name, Deno.readTextFileSync(`${FOLDER}/${name}`)] as const
  ),
);
const page = await Deno.readTextFile(PAGE);

function text(name: string): string {
  const found = files.get(name);
  assert(found !== undefined, `examples/cluster has no ${name}`);
  return found;
}

/** A value of a YAML file, by the keys and positions on its way. */
function at(value: unknown, ...way: readonly (string | number)[]): unknown {
  let found = value;
  for (const key of way) {
    assert(typeof found === "object" && found !== null, `nothing at ${way.join(".")}`);
    found = Reflect.get(found, key);
  }
  return found;
}

/** The documents of a YAML file, which must be without an error and without a warning. */
function parse(name: string): unknown[] {
  return parseAllDocuments(text(name), { merge: true, uniqueKeys: true }).map((document) => {
    assertEquals(
      [...document.errors, ...document.warnings].map(({ message }) => message),
      [],
      name,
    );
    return document.toJS();
  });
}

function listOf(value: unknown): unknown[] {
  assert(Array.isArray(value), JSON.stringify(value));
  return value;
}

Deno.test("cluster.md names every file of examples/cluster", () => {
  assertEquals([...files.keys()].filter((name) => !page.includes(name)), []);
});

Deno.test("the files of examples/cluster use only settings that exist, and have no secret", () => {
  for (const [name, content] of files) {
    for (const [setting] of content.matchAll(/\bELASTIK_[A-Z_]*[A-Z]\b/g)) {
      assert(Object.hasOwn(SETTINGS, setting), `${name} names ${setting}, which does not exist`);
    }
    assert(!/\b[0-9a-f]{32,}\b/i.test(content), `${name} seems to have a secret`);
  }
});

Deno.test("patroni.yml waits for a standby also if there is none, and its times fit together", () => {
  const [config] = parse("patroni.yml");
  const dcs = at(config, "bootstrap", "dcs");
  assertEquals(at(dcs, "synchronous_mode"), true);
  assertEquals(at(dcs, "synchronous_mode_strict"), true);
  const [ttl, loop, retry] = ["ttl", "loop_wait", "retry_timeout"].map((key) =>
    Number(at(dcs, key))
  );
  assertEquals(ttl, 20);
  assert(Number(loop) + 2 * Number(retry) <= Number(ttl), "Patroni refuses these times");
  assertEquals(at(dcs, "postgresql", "parameters", "hot_standby_feedback"), "off");
  // No line lets a client in from another computer without TLS and a password.
  for (const line of listOf(at(config, "postgresql", "pg_hba"))) {
    assertMatch(String(line), /^local all postgres peer$|^hostssl .* scram-sha-256$/);
  }
});

Deno.test("cloudnativepg.yaml makes commits wait for a standby", () => {
  const [cluster] = parse("cloudnativepg.yaml");
  assertEquals(at(cluster, "kind"), "Cluster");
  assertEquals(at(cluster, "spec", "postgresql", "synchronous"), {
    method: "any",
    number: 1,
    dataDurability: "required",
    failoverQuorum: true,
  });
  assertEquals(at(cluster, "spec", "bootstrap", "initdb", "encoding"), "UTF8");
});

Deno.test("kubernetes.yaml has three nodes that the probes, the service and the budget find", () => {
  const documents = parse("kubernetes.yaml");
  assertEquals(documents.map((document) => at(document, "kind")), [
    "Job",
    "Deployment",
    "Service",
    "PodDisruptionBudget",
  ]);
  const [job, deployment, service, budget] = documents;
  assertEquals(at(deployment, "spec", "replicas"), 3);
  const labels = at(deployment, "spec", "template", "metadata", "labels");
  assertEquals(at(deployment, "spec", "selector", "matchLabels"), labels);
  assertEquals(at(service, "spec", "selector"), labels);
  assertEquals(at(budget, "spec", "selector", "matchLabels"), labels);
  assert(
    JSON.stringify(at(job, "spec", "template", "metadata", "labels")) !== JSON.stringify(labels),
    "the service must not send requests to the job",
  );
  const node = at(deployment, "spec", "template", "spec", "containers", 0);
  const [port] = listOf(at(node, "ports"));
  assertEquals(at(port, "containerPort"), portOfImage());
  assertEquals(at(service, "spec", "ports", 0, "targetPort"), at(port, "name"));
  for (const probe of ["startupProbe", "readinessProbe", "livenessProbe"]) {
    assertEquals(at(node, probe, "httpGet", "port"), at(port, "name"), probe);
  }
  assertEquals(at(node, "readinessProbe", "httpGet", "path"), "/proc/health");
  // 503 of /proc/health while the database fails over must not end the streams of every node.
  assertEquals(at(node, "livenessProbe", "httpGet", "path"), "/proc/version");
});

Deno.test("every container of kubernetes.yaml runs without rights, and reads secrets that exist", () => {
  const [cluster] = parse("cloudnativepg.yaml");
  const database = String(at(cluster, "metadata", "name"));
  // CloudNativePG makes the first two; a command of the page makes each of the others.
  const known = new Map([[`${database}-app`, ["username", "password"]], [`${database}-ca`, [
    "ca.crt",
  ]]]);
  const commands = page.replaceAll(/\\\n\s*/g, "");
  for (const [, name = "", rest = ""] of commands.matchAll(/create secret generic (\S+) (.*)$/gm)) {
    known.set(name, [...rest.matchAll(/--from-literal=(\w+)=/g)].map(([, key = ""]) => key));
  }
  const role = at(cluster, "spec", "managed", "roles", 0);
  assert(known.has(String(at(role, "passwordSecret", "name"))));
  const used = new Set<string>();
  for (const document of parse("kubernetes.yaml").slice(0, 2)) {
    const pod = at(document, "spec", "template", "spec");
    assertEquals(at(pod, "automountServiceAccountToken"), false);
    assertEquals(at(pod, "securityContext", "runAsNonRoot"), true);
    assertEquals(String(at(pod, "securityContext", "runAsUser")), userOfImage());
    assertEquals(at(pod, "securityContext", "seccompProfile", "type"), "RuntimeDefault");
    const [container] = listOf(at(pod, "containers"));
    assertEquals(at(container, "securityContext"), {
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ["ALL"] },
    });
    const variables = listOf(at(container, "env"));
    for (const variable of variables) {
      const value = at(variable, "value");
      if (value !== undefined) {
        assertMatch(
          String(value),
          new RegExp(`^postgres://[^@]+@${database}-rw:5432/\\w+\\?sslmode=verify-full&`),
        );
        continue;
      }
      const reference = Reflect.get(Object(at(variable, "valueFrom")), "secretKeyRef");
      if (reference === undefined) continue;
      const [name, key] = [String(at(reference, "name")), String(at(reference, "key"))];
      assert(known.get(name)?.includes(key), `no command makes ${key} of the secret ${name}`);
      used.add(name);
    }
    const given = variables.map((variable) => String(at(variable, "name")));
    const needed = at(document, "kind") === "Job"
      ? ["ELASTIK_STORE", "ELASTIK_KEY"]
      : ["ELASTIK_STORE", "ELASTIK_KEY", "ELASTIK_NODE", "ELASTIK_TOKEN", "ELASTIK_APPROVE_TOKEN"];
    for (const name of needed) assert(given.includes(name), name);
  }
  assertEquals([...known.keys()].filter((name) => !used.has(name)), [`${database}-ca`]);
});

Deno.test("compose.yaml has three nodes without rights behind haproxy.cfg, open to this computer only", () => {
  const [compose] = parse("compose.yaml");
  const services = Object(at(compose, "services"));
  const names = Object.keys(services).filter((name) => name.startsWith("elastik-"));
  assertEquals(names.length, 3);
  const hosts = listOf(at(services, "balancer", "extra_hosts"));
  const nodes = names.map((name) => {
    const node = at(services, name);
    assertEquals([at(node, "read_only"), at(node, "cap_drop")], [true, ["ALL"]], name);
    // An image of that name from a registry would get every secret.
    assertEquals([at(node, "pull_policy"), at(node, "build")], ["build", "../.."], name);
    assertEquals(Reflect.get(Object(node), "ports"), undefined, name);
    assert(hosts.includes(`${name}:${at(node, "networks", "cluster", "ipv4_address")}`), name);
    assertMatch(text("haproxy.cfg"), new RegExp(`^ +server \\w+ ${name}:${portOfImage()}$`, "m"));
    const balancer = at(services, "balancer", "networks", "cluster", "ipv4_address");
    assertEquals(at(node, "environment", "ELASTIK_TRUST_PROXY_FROM"), balancer);
    return at(node, "environment", "ELASTIK_NODE");
  });
  assertEquals(new Set(nodes).size, 3, "each node has a name of its own");
  assertEquals(Reflect.get(Object(at(services, "postgres")), "ports"), undefined);
  const bind = /^:(\d+)$/.exec(String(at(services, "balancer", "environment", "BIND")))?.[1];
  assertEquals(at(services, "balancer", "ports"), [`127.0.0.1:3005:${bind}`]);
});

/** The port that the image listens on. */
function portOfImage(): number {
  const dockerfile = Deno.readTextFileSync(`${ROOT}/Dockerfile`);
  return Number(/^EXPOSE (\d+)$/m.exec(dockerfile)?.[1]);
}

function userOfImage(): string | undefined {
  return /^USER (\d+):/m.exec(Deno.readTextFileSync(`${ROOT}/Dockerfile`))?.[1];
}

Deno.test("elastik-node@.service restricts a node as elastik.service restricts a server", async () => {
  const unit = text("elastik-node@.service");
  const server = await Deno.readTextFile(`${ROOT}/worlds/usr/share/doc/elastik.service`);
  const lines = (of: string) =>
    of.slice(of.indexOf("[Service]")).split("\n").filter((line) => /^[A-Z]/.test(line));
  const own = /^(?:ExecReload|\w+Directory|Environment|EnvironmentFile|Restart|RestartSec)=/;
  const common = (of: string) => lines(of).filter((line) => !own.test(line));
  assertEquals(common(unit), common(server));
  assert(common(unit).length > 20);
  assertMatch(unit, /^Environment=ELASTIK_NODE=%i$/m);
  for (const path of ["/etc/elastik/cluster.env", "elastik-node@a"]) {
    assert(page.includes(path), path);
  }
});

Deno.test({
  ...requireTool("systemd-analyze", "systemd-analyze accepts elastik-node@.service"),
  fn: () =>
    withTempFolder(async (folder) => {
      const unit = text("elastik-node@.service").replace(/^ExecStart=\S+/m, "ExecStart=/bin/true");
      await Deno.writeTextFile(`${folder}/elastik-node@.service`, unit);
      const { code, stderr } = await runProgram({
        command: "systemd-analyze",
        args: ["verify", "--man=no", `${folder}/elastik-node@a.service`],
        cwd: folder,
        env: { LC_ALL: "C.UTF-8" },
      });
      assertEquals([code, stderr.replace(/^# .*\n/gm, "")], [0, ""]);
    }),
});

/** A load balancer with the file of the examples, and addresses of the test. */
interface Balancer {
  readonly program: string;
  /** Writes the configuration to the folder, and returns the arguments and the environment. */
  configure(setup: {
    readonly folder: string;
    readonly port: number;
    readonly nodes: readonly string[];
  }): { readonly check: string[]; readonly run: string[]; readonly env?: Record<string, string> };
}

/** Replaces each text, which must occur, everywhere. */
function change(name: string, changes: Readonly<Record<string, string>>): string {
  let content = text(name);
  for (const [from, to] of Object.entries(changes)) {
    assert(content.includes(from), `${name} has no ${from}`);
    content = content.replaceAll(from, to);
  }
  return content;
}

function addresses(nodes: readonly string[]): Record<string, string> {
  const [a = "", b = "", c = ""] = nodes;
  return { "elastik-a:3005": a, "elastik-b:3005": b, "elastik-c:3005": c };
}

const BALANCERS: readonly Balancer[] = [
  {
    program: "haproxy",
    configure({ folder, port, nodes }) {
      const file = `${folder}/haproxy.cfg`;
      Deno.writeTextFileSync(file, change("haproxy.cfg", addresses(nodes)));
      return {
        check: ["-c", "-f", file],
        run: ["-db", "-f", file],
        env: { BIND: `127.0.0.1:${port}` },
      };
    },
  },
  {
    program: "nginx",
    configure({ folder, port, nodes }) {
      const site = change("nginx.conf", {
        ...addresses(nodes),
        "listen 443 ssl http2;": `listen 127.0.0.1:${port};`,
        "ssl_certificate ": "# ",
        "ssl_certificate_key ": "# ",
      });
      const temps = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map((name) => `  ${name}_temp_path ${folder}/${name};\n`).join("");
      Deno.writeTextFileSync(
        `${folder}/nginx.conf`,
        // Started as root, nginx changes to a user that cannot write to the folder.
        `${Deno.uid() === 0 ? "user root;\n" : ""}daemon off;\nworker_processes 1;\n` +
          `pid ${folder}/nginx.pid;\nevents {}\nhttp {\n  access_log off;\n  gzip on;\n${temps}${site}\n}\n`,
      );
      const common = ["-e", `${folder}/error.log`, "-c", `${folder}/nginx.conf`];
      return { check: ["-t", ...common], run: common };
    },
  },
  {
    program: "caddy",
    configure({ folder, port, nodes }) {
      const site = change("Caddyfile", {
        ...addresses(nodes),
        "elastik.example {": `http://127.0.0.1:${port} {`,
        "grace_period 10s": "grace_period 100ms\n\tadmin off",
      });
      Deno.writeTextFileSync(`${folder}/Caddyfile`, site);
      const common = ["--adapter", "caddyfile", "--config", `${folder}/Caddyfile`];
      return { check: ["validate", ...common], run: ["run", ...common] };
    },
  },
];

for (const { program, configure } of BALANCERS) {
  Deno.test({
    ...requireTool(program, `${program} accepts its file of examples/cluster`),
    fn: () =>
      withTempFolder(async (folder) => {
        const nodes = [1, 2, 3].map((port) => `127.0.0.1:${port}`);
        const { check, env } = configure({ folder, port: freePort(), nodes });
        const { code, text } = await runTool(program, check, { cwd: folder, ...(env && { env }) });
        assertEquals(code, 0, text);
        assert(!/warn(?:ing)?\b/i.test(text) || program === "caddy", text);
      }),
  });
}

/** Starts a load balancer. */
function startBalancer(
  { program, configure }: Balancer,
  setup: Parameters<Balancer["configure"]>[0],
): { stop(): Promise<void> } {
  const { run, env } = configure(setup);
  const process = new Deno.Command(program, {
    args: run,
    cwd: setup.folder,
    clearEnv: true,
    env: { HOME: setup.folder, PATH: `${Deno.env.get("PATH") ?? ""}:/usr/sbin:/sbin`, ...env },
    stdin: "null",
    stdout: "null",
    stderr: "null",
  }).spawn();
  return {
    async stop() {
      process.kill("SIGTERM");
      await process.status;
    },
  };
}

/** What a lost node does with a request: 503, as one without the database, or the end of the connection. */
type Refusal = "503" | "close";

/** A node that is healthy and refuses everything else. */
function refusingNode(
  refusal: Refusal,
  onRequest: (method: string) => void,
): { readonly port: number; close(): void } {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const answer = async (connection: Deno.Conn): Promise<void> => {
    try {
      const buffer = new Uint8Array(65_536);
      const length = await connection.read(buffer) ?? 0;
      const [method = "", path] = new TextDecoder().decode(buffer.subarray(0, length)).split(" ");
      const isHealth = path === "/proc/health";
      // A connection that is opened in advance brings no request.
      if (!isHealth && method !== "") onRequest(method);
      if (isHealth || refusal === "503") {
        const status = isHealth ? "200 OK" : "503 Service Unavailable";
        await connection.write(
          new TextEncoder().encode(
            `HTTP/1.1 ${status}\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok`,
          ),
        );
      }
    } catch {
      // The load balancer has closed the connection.
    } finally {
      connection.close();
    }
  };
  void (async () => {
    for await (const connection of listener) void answer(connection);
  })();
  return { port: listener.addr.port, close: () => listener.close() };
}

async function testChanges(balancer: Balancer, refusal: Refusal, folder: string): Promise<void> {
  const { program } = balancer;
  const received: string[] = [];
  const nodes = [1, 2, 3].map(() => refusingNode(refusal, (method) => received.push(method)));
  const port = freePort();
  const url = `http://127.0.0.1:${port}`;
  const running = startBalancer(balancer, {
    folder,
    port,
    nodes: nodes.map((node) => `127.0.0.1:${node.port}`),
  });
  try {
    await eventually(
      `${program} answers`,
      async () => await statusOf(`${url}/proc/health`) === 200,
    );
    for (const method of ["POST", "PUT", "PATCH", "DELETE", "MOVE", "LOCK"]) {
      received.length = 0;
      const body = method === "DELETE" ? null : "x";
      // A new connection for each request: HAProxy ends one in use without an answer, and fetch repeats then.
      using client = Deno.createHttpClient({ poolMaxIdlePerHost: 0 });
      const response = await fetch(`${url}/home/x`, { method, body, headers: AUTHORIZED, client });
      await response.body?.cancel();
      assert(response.status >= 502, `${method} ${response.status}`);
      // A balancer that has left out every node sends nothing.
      assert(received.length <= 1, `${method} was sent ${received.length} times`);
      if (method === "POST") assertEquals(received, [method]);
    }
  } finally {
    await running.stop();
    for (const node of nodes) node.close();
  }
}

for (const balancer of BALANCERS) {
  const { program } = balancer;
  Deno.test({
    ...requireTool(program, `${program} does not send a change again that a node has received`),
    fn: async (t) => {
      for (const refusal of ["503", "close"] as const) {
        await t.step(
          refusal,
          () => withTempFolder((folder) => testChanges(balancer, refusal, folder)),
        );
      }
    },
  });
}

const server = sharedServer();
const SECRETS = {
  ELASTIK_KEY: "key of the test of the load balancers",
  ELASTIK_TOKEN: "t2-of-the-load-balancers",
  ELASTIK_APPROVE_TOKEN: "t3-of-the-load-balancers",
};
const AUTHORIZED = { authorization: `Bearer ${SECRETS.ELASTIK_TOKEN}` };
const installed = BALANCERS.filter(({ program }) => !requireTool(program, "").ignore);

Deno.test({
  name: "load balancers in front of three nodes pass on writes, reads and streams, also after a " +
    `node was killed${
      postgresSkipped || (installed.length > 0 ? "" : " (skipped: none is installed)")
    }`,
  ignore: postgresSkipped !== "" || installed.length === 0,
  fn: (t) => withNodes((nodes, folder) => testBalancers(t, nodes, folder)),
});

/** Three nodes over one database. */
async function withNodes(
  test: (nodes: readonly Program[], folder: string) => Promise<void>,
): Promise<void> {
  await withTempFolder(async (folder) => {
    const database = await server().createDatabase();
    const env = { ...SECRETS, ELASTIK_STORE: server().url(database) };
    const init = await runProgram(fromCheckout(folder, ["store", "init"], env));
    assertEquals(init.code, 0, init.stderr);
    const started = await Promise.allSettled(
      ["a", "b", "c"].map((name) =>
        startProgram(fromCheckout(folder, [], {
          ...env,
          ELASTIK_NODE: name,
          ELASTIK_TRUST_PROXY_HEADER: "X-Forwarded-For",
          ELASTIK_TRUST_PROXY_FROM: "127.0.0.1",
        }))
      ),
    );
    const nodes = started.flatMap((one) => one.status === "fulfilled" ? [one.value] : []);
    try {
      for (const one of started) if (one.status === "rejected") throw one.reason;
      await test(nodes, folder);
    } finally {
      await Promise.all(nodes.map(async (node) => {
        if (isRunning(node)) await node.stop("SIGKILL");
      }));
      await server().dropDatabase(database);
    }
  });
}

function isRunning({ pid }: Program): boolean {
  try {
    // A killed program that was waited for has no entry.
    return Deno.statSync(`/proc/${pid}`).isDirectory;
  } catch {
    return false;
  }
}

async function testBalancers(
  t: Deno.TestContext,
  nodes: readonly Program[],
  folder: string,
): Promise<void> {
  const running = installed.map(({ program, configure }) => {
    const port = freePort();
    const own = `${folder}/${program}`;
    Deno.mkdirSync(own);
    const balancer = startBalancer({ program, configure }, {
      folder: own,
      port,
      nodes: nodes.map(({ url }) => url.replace("http://", "").replace("localhost", "127.0.0.1")),
    });
    return { program, balancer, url: `http://127.0.0.1:${port}` };
  });
  try {
    for (const { program, url } of running) {
      await t.step(`${program} passes on a write, a read and a stream`, async () => {
        await eventually(
          `${program} answers`,
          async () => await statusOf(`${url}/proc/health`) === 200,
        );
        assertEquals(await put(`${url}/home/${program}`, "one"), 201);
        assertEquals(await get(`${url}/home/${program}?raw`), "one");
        await using stream = await openStream(`${url}/stream/home/${program}`);
        assertMatch((await stream.next())?.data ?? "", /"stage_html":"one"/);
        assertEquals(await put(`${url}/home/${program}`, "two"), 200);
        assertMatch((await stream.next())?.data ?? "", /"stage_html":"two"/);
      });
    }
    // A plain read can be older than a change that another node has made.
    for (const { program } of running) {
      for (const { url } of nodes) {
        await eventually(
          `a node has the change by ${program}`,
          async () => await getPlain(`${url}/home/${program}?raw`) === "two",
        );
      }
    }
    // The others do not know of it yet when the first requests arrive.
    await nodes[0]?.stop("SIGKILL");
    for (const { program, url } of running) {
      await t.step(`${program} continues after a node was killed`, async () => {
        // Paths of every node: a read never shows that one is lost.
        for (let i = 0; i < 24; i++) {
          const response = await fetch(`${url}/home/${program}?raw`, { headers: AUTHORIZED });
          assertEquals([response.status, await response.text()], [200, "two"], `read ${i}`);
          assertEquals(await statusOf(`${url}/home/none-${i}`), 404, `read ${i}`);
        }
        await eventually(
          `${program} writes`,
          () => isWritten(`${url}/home/${program}`, "three"),
        );
        for (let i = 0; i < 24; i++) {
          await eventually(
            `write ${i}`,
            () => isWritten(`${url}/home/${program}-${i}`, "x"),
          );
        }
        await using stream = await openStream(`${url}/stream/home/${program}`, "2");
        assertMatch((await stream.next())?.data ?? "", /"stage_html":"three"/);
      });
    }
  } finally {
    await Promise.all(running.map(({ balancer }) => balancer.stop()));
  }
}

async function put(url: string, body: string): Promise<number> {
  const response = await fetch(url, { method: "PUT", body, headers: AUTHORIZED });
  await response.body?.cancel();
  return response.status;
}

/** Whether a PUT succeeds. The load balancer can end the connection if it finds then that a node is lost. */
async function isWritten(url: string, body: string): Promise<boolean> {
  try {
    return [200, 201].includes(await put(url, body));
  } catch (error) {
    if (error instanceof TypeError) return false;
    throw error;
  }
}

async function getPlain(url: string): Promise<string> {
  return await (await fetch(url, { headers: AUTHORIZED })).text();
}

async function get(url: string): Promise<string> {
  return await (await fetch(url, {
    headers: { ...AUTHORIZED, "cache-control": "no-cache" },
  })).text();
}

/** The status of a GET; 0 if nothing answers. */
async function statusOf(url: string): Promise<number> {
  try {
    const response = await fetch(url, { headers: AUTHORIZED });
    await response.body?.cancel();
    return response.status;
  } catch {
    return 0; // nothing listens yet
  }
}

async function openStream(url: string, last?: string) {
  const controller = new AbortController();
  const response = await fetch(url, {
    headers: { ...AUTHORIZED, ...(last === undefined ? {} : { "last-event-id": last }) },
    signal: controller.signal,
  });
  const reader = new EventReader(response, controller);
  return { next: () => reader.next(), [Symbol.asyncDispose]: () => reader.close() };
}

async function eventually(what: string, isTrue: () => Promise<boolean>): Promise<void> {
  for (const end = Date.now() + MAX_WAIT_MS; !await isTrue();) {
    assert(Date.now() < end, `${what}: not within ${MAX_WAIT_MS} ms`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}
