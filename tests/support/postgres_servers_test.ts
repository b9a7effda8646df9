/** The servers of other tests do what their names say. */
import { assert, assertEquals, assertRejects } from "./assert.ts";
import { postgresTest, serversTest, sharedServer } from "./postgres_servers.ts";

const server = sharedServer();

serversTest("createDatabase() copies the prepared database", {}, async (servers) => {
  const template = await servers.prepareTemplate(
    "CREATE TABLE one (n int);\nINSERT INTO one VALUES (7)",
  );
  const [first, second] = [
    await servers.createDatabase(template),
    await servers.createDatabase(template),
  ];
  await servers.sql("UPDATE one SET n = 8", "a", first);
  assertEquals(await servers.sql("SELECT n FROM one", "a", second), ["7"]);
  await servers.dropDatabase(first);
  await servers.dropDatabase(second);
  assertEquals(
    await servers.sql("SELECT datname FROM pg_database WHERE datname LIKE 'test%'"),
    [],
  );
});

postgresTest("configure() returns when new sessions have the setting", async () => {
  const servers = server();
  await servers.configure({ work_mem: "5MB" });
  assertEquals(await servers.sql("SHOW work_mem"), ["5MB"]);
  assertEquals(await servers.sql("SHOW fsync"), ["off"]);
  await assertRejects(servers.sql("SELECT 1 / 0"), /division by zero/);
});

serversTest("a promoted standby has what the killed primary acknowledged", {
  servers: 3,
  fsync: true,
}, async (servers) => {
  assertEquals(await servers.standbys("a"), 2, "every standby receives from the start");
  assertEquals(await servers.sql("SHOW synchronous_standby_names"), ["ANY 1 (b,c)"]);
  assertEquals(await servers.sql("SHOW fsync", "c"), ["on"]);
  await servers.sql("CREATE TABLE t (n int);\nINSERT INTO t VALUES (1)");
  const began = await servers.received("b");

  await servers.pause("c");
  await servers.sql("INSERT INTO t SELECT generate_series(2, 1000)");
  assert(await servers.received("b") > began, "b receives");
  const [writer] = await servers.sql(
    "SELECT pid FROM pg_stat_activity WHERE backend_type = 'walwriter'",
  );
  await servers.kill("a");
  const left = await Deno.readTextFile(`/proc/${writer}/stat`).catch(() => ") Z");
  assert(/\) [ZX]/.test(left), `a process is left: ${left}`);
  await assertRejects(servers.sql("SELECT 1"));
  await servers.drop("c");
  assert(await servers.received("c") < await servers.received("b"), "c is behind");

  await servers.promote("b");
  assertEquals(await servers.sql("SELECT count(*) FROM t", "b"), ["1000"]);
  await servers.follow("c", "b");
  await servers.sync("c", "b");
  await servers.sql("INSERT INTO t VALUES (1001)", "b");
  assertEquals(await servers.sql("SELECT received_tli FROM pg_stat_wal_receiver", "c"), ["2"]);

  await servers.restart("a");
  assertEquals(await servers.sql("SELECT pg_is_in_recovery()", "a"), ["f"]);
});

serversTest("pause() suspends the receiver of a standby that connects again", {
  servers: 2,
  synchronous: "",
}, async (servers) => {
  await servers.sql("CREATE TABLE t (n int)");
  for (let round = 0; round < 2; round++) {
    await servers.detach("b");
    const paused = servers.pause("b");
    await servers.follow("b", "a");
    await paused;
    const before = await servers.received("b");
    await servers.sql("INSERT INTO t SELECT generate_series(1, 1000)");
    assertEquals(await servers.received("b"), before);
    servers.resume("b");
  }
});

serversTest("a stopped server answers after it continues", { servers: 2 }, async (servers) => {
  servers.stop("a");
  const answer = servers.sql("SELECT 1");
  const first = await Promise.race([answer, servers.sql("SELECT 2", "b")]);
  assertEquals(first, ["2"]);
  servers.cont("a");
  assertEquals(await answer, ["1"]);
});

postgresTest("a killed run leaves no server and no data", async () => {
  const child = new Deno.Command(Deno.execPath(), {
    args: [
      ...["eval", "--no-lock", "--ext=ts"],
      `import { PostgresServers } from ${
        JSON.stringify(import.meta.resolve("./postgres_servers.ts"))
      };
       const servers = await PostgresServers.start();
       const [folder] = await servers.sql("SHOW data_directory");
       console.log(folder);
       await new Promise(() => setInterval(() => {}, 1000));`,
    ],
    stdin: "null",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  const reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  const folder = ((await reader.read()).value ?? "").trim();
  assert(Deno.statSync(`${folder}/postmaster.pid`).isFile, folder);
  child.kill("SIGKILL");
  await reader.cancel();
  await child.status;
  const root = folder.replace(/\/[^/]*$/, "");
  while (await Deno.stat(root).then(() => true, () => false)) {
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
});
