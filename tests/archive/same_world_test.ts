import { assertStrictEquals } from "../support/assert.ts";
import { isSameWorld } from "../../lib/archive/same_world.ts";
import { WORLD_FILE } from "../../lib/world/file/durable_fs.ts";
import { putJob, testWriter } from "../testdata/test_writer.ts";
import { KEY, OTHER_KEY } from "./fixtures.ts";
import { withTempFolder } from "../support/temp_folder.ts";

Deno.test("isSameWorld() compares content and metadata, not signatures", () =>
  withTempFolder((folder) => {
    const make = (name: string, key: string, ...jobs: Parameters<typeof putJob>[]) => {
      Deno.mkdirSync(`${folder}/${name}`);
      const writer = testWriter(`${folder}/${name}`, { key });
      for (const job of jobs) writer.apply([putJob(...job)]);
      writer.close();
      return `${folder}/${name}/home%2Fx/${WORLD_FILE}`;
    };
    const scratch = () => Deno.makeTempDirSync({ dir: folder });
    const own = make("own", KEY, ["home/x", "1"]);
    const rows: readonly [string, boolean][] = [
      [make("signed", OTHER_KEY, ["home/x", "1"]), true],
      [make("bytes", KEY, ["home/x", "2"]), false],
      [make("ext", KEY, ["home/x", "1", { ext: "md" }]), false],
      [make("meta", KEY, ["home/x", "1", { meta: [["x-meta-a", "b"]] }]), false],
      [make("version", KEY, ["home/x", "0"], ["home/x", "1"]), false],
    ];
    for (const [other, same] of rows) {
      assertStrictEquals(isSameWorld(own, Deno.readFileSync(other), scratch), same, other);
    }
  }));
