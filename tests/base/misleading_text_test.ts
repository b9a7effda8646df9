/** One table of names, judged by the server and by the kit of the plugins. */

import { assertEquals, assertMatch } from "../support/assert.ts";
import { misleadingFault } from "../../lib/base/misleading_text.ts";
import { misleadingFault as ofKit } from "../../plugins/kit/misleading_text.ts";

const PLAIN = [
  "home/notes",
  "home/a b",
  "home/\u00fc",
  "home/\u6587\u66f8/\u0434\u043e\u043a-report",
  "home/\u0394x",
  "home/\u{1f469}\u200d\u{1f4bb}",
  "home/\u2764\ufe0f",
  "home/\u0646\u0627\u0645\u0647\u200c\u0627\u06cc",
  "home/\u0915\u094d\u200d\u0937",
];
const MISLEADING: Readonly<Record<string, RegExp>> = {
  "home/a\u200bb": /invisible character U\+200B/,
  "home/a\u200db": /invisible character U\+200D/,
  "home/x\ufe0f": /invisible character U\+FE0F/,
  "home/\ufeffx": /invisible character U\+FEFF/,
  "home/\u00ad": /invisible character U\+00AD/,
  "home/a\u00a0b": /invisible character U\+00A0/,
  "home/a\u3000b": /invisible character U\+3000/,
  "home/\u202etxt": /invisible character U\+202E/,
  "home/\u2066x": /invisible character U\+2066/,
  "home/\u034fx": /invisible character U\+034F/,
  "home/\u3164": /invisible character U\+3164/,
  "home/\u2800": /invisible character U\+2800/,
  "home/\u{e0041}": /invisible character U\+E0041/,
  "home/\ue000": /invisible character U\+E000/,
  "home/a\u2044b": /U\+2044, which looks like a slash or a dot/,
  "home/a\uff0fb": /U\+FF0F, which looks like a slash or a dot/,
  "home/a\u2024txt": /U\+2024, which looks like a slash or a dot/,
  "home/\u0430dmin": /Latin and Cyrillic/,
  "home/not\u0435s": /Latin and Cyrillic/,
};

for (const [where, fault] of [["of the server", misleadingFault], ["of the kit", ofKit]] as const) {
  Deno.test(`misleadingFault() ${where} accepts names in every script, and emoji`, () => {
    for (const name of PLAIN) assertEquals(fault(name), undefined, JSON.stringify(name));
  });

  Deno.test(`misleadingFault() ${where} finds what a person cannot see or distinguish`, () => {
    for (const [name, reason] of Object.entries(MISLEADING)) {
      assertMatch(fault(name) ?? "", reason, JSON.stringify(name));
      assertMatch(fault(name) ?? "", /^[\x20-\x7e]+$/, "the reason itself is visible");
    }
  });
}
