import { assertEquals } from "../../support/assert.ts";
import {
  DescriptorReserve,
  DESCRIPTORS_PER_START,
  DESCRIPTORS_PER_WORKER,
} from "../../../lib/world/file/descriptor_reserve.ts";
import { withTempFolder } from "../../support/temp_folder.ts";

Deno.test({
  name: "DescriptorReserve keeps what the Workers that are not started need",
  ignore: Deno.build.os === "windows",
  fn: () =>
    withTempFolder((folder) => {
      const reserve = new DescriptorReserve(folder, 2);
      assertEquals(reserve.size, 2 * DESCRIPTORS_PER_WORKER + DESCRIPTORS_PER_START);
      reserve.release();
      assertEquals(reserve.size, DESCRIPTORS_PER_WORKER);
      reserve.refill();
      assertEquals(reserve.size, DESCRIPTORS_PER_WORKER + DESCRIPTORS_PER_START);
      reserve.release();
      assertEquals(reserve.size, 0);
      reserve.refill();
      assertEquals(reserve.size, 0);
    }),
});

Deno.test({
  name: "DescriptorReserve.close() releases all, and a later start keeps none",
  ignore: Deno.build.os === "windows",
  fn: () =>
    withTempFolder((folder) => {
      const reserve = new DescriptorReserve(folder, 3);
      reserve.close();
      assertEquals(reserve.size, 0);
      reserve.refill();
      assertEquals(reserve.size, 0);
    }),
});

Deno.test("DescriptorReserve keeps none of a folder that cannot be opened", () => {
  const reserve = new DescriptorReserve("/none/at/all", 1);
  assertEquals(reserve.size, 0);
  reserve.release();
  reserve.refill();
  reserve.close();
  assertEquals(reserve.size, 0);
});
