import { assert, assertEquals, assertStrictEquals } from "../support/assert.ts";
import {
  divideDescriptors,
  parseDescriptorLimit,
  readDescriptorLimit,
} from "../../lib/server/descriptor_budget.ts";
import { DEFAULT_DESCRIPTORS, MAX_DERIVED_CONNECTIONS } from "../../lib/limits.ts";

Deno.test("divideDescriptors() never gives away more descriptors than there are", () => {
  for (const descriptors of [256, 400, 1024, 4096, 20_000, 1_048_576]) {
    for (const workers of [2, 3, 9]) {
      const { connections, worldsPerWorker } = divideDescriptors(descriptors, workers);
      const used = connections + worldsPerWorker * workers * 3;
      assert(used < descriptors, `${used} of ${descriptors}`);
      assert(connections > descriptors / 4 || connections === MAX_DERIVED_CONNECTIONS);
    }
  }
});

Deno.test("divideDescriptors() gives the store all its worlds if there are enough descriptors", () => {
  assertEquals(divideDescriptors(20_000, 3), {
    connections: 10_000,
    maxConnections: 18_912,
    worldsPerWorker: 96,
    isScarce: false,
  });
});

Deno.test("divideDescriptors() leaves at least one connection and one world", () => {
  assertEquals(divideDescriptors(16, 3), {
    connections: 1,
    maxConnections: 1,
    worldsPerWorker: 1,
    isScarce: true,
  });
});

Deno.test("parseDescriptorLimit() reads the soft limit", () => {
  const text = (soft: string) =>
    `Limit                     Soft Limit           Hard Limit           Units\n` +
    `Max processes             7                    7                    processes\n` +
    `Max open files            ${soft.padEnd(20)} 4096                 files\n`;
  assertStrictEquals(parseDescriptorLimit(text("1024")), 1024);
  assertStrictEquals(parseDescriptorLimit(text("unlimited")), Number.MAX_SAFE_INTEGER);
  assertStrictEquals(parseDescriptorLimit("no such line"), DEFAULT_DESCRIPTORS);
});

Deno.test("readDescriptorLimit() returns the limit of this process or the default", () => {
  assert(readDescriptorLimit() > 0);
});
