/**
 * Property: the name of a resource is the name that the bytes of a header or of a disk encode, or the
 * request is refused. No other name is used, and a listing has every file that GET serves.
 */

import { assert, assertEquals } from "../support/assert.ts";
import { withApp } from "../support/app.ts";
import { createAsk, hrefs, lockBody } from "../dav/ask.ts";
import { T2, withMountServer } from "../plugins/fstab/mount_server.ts";
import { bytesOf } from "../support/wire.ts";

/** Header values have one character per byte. */
function onTheWire(text: string): string {
  return String.fromCharCode(...bytesOf(text));
}

const NAMES = [
  "ü",
  "日本語",
  "à",
  "Å",
  "…",
  "u\u0308",
  "\u0301x",
  "😀",
  "a b",
  "50% off".replace("%", "%25"),
];
const NOT_UTF8 = ["\xfc", "\xc3", "\xed\xa0\x80", "\xc0\xaf", "\xff\xfe", "a\x80"];

Deno.test("COPY and MOVE use the name that the raw bytes of Destination encode", async () => {
  await withApp({}, async (app) => {
    const ask = createAsk(app);
    await ask("MKCOL /dav/home/w", 201);
    await ask("PUT /dav/home/src", 201, {}, "x");
    for (const name of NAMES) {
      const expected = `/home/w/${encodeURIComponent(decodeURIComponent(name).normalize("NFC"))}`;
      const raw = onTheWire(`/dav/home/w/${name}`);
      const copied = await ask("COPY /dav/home/src", 201, { destination: `\t${raw} ` });
      assertEquals(copied.headers.get("location"), `/dav${expected}`, name);
      await ask(`MOVE /dav${expected}`, 201, { destination: onTheWire(`/dav/home/w/${name}-2`) });
      const listed = hrefs(await ask("PROPFIND /dav/home/w", 207, { depth: "1" }));
      assertEquals(listed, ["/dav/home/w/", `/dav${expected}-2`]);
      await ask(`DELETE ${expected}-2`, 200);
    }
    for (const bytes of NOT_UTF8) {
      await ask("COPY /dav/home/src", 400, { destination: `/dav/home/w/${bytes}` });
    }
    assertEquals(hrefs(await ask("PROPFIND /dav/home/w", 207, { depth: "1" })), ["/dav/home/w/"]);
  });
});

Deno.test("If uses the name that its raw bytes encode", async () => {
  await withApp({}, async (app) => {
    const ask = createAsk(app);
    for (const name of ["ü", "à", "日本語", "u\u0308"]) {
      const path = `/dav/home/${encodeURIComponent(name)}`;
      await ask(`PUT ${path}`, 201, {}, "x");
      const locked = await ask(`LOCK ${path}`, 200, {}, lockBody());
      const token = locked.headers.get("lock-token") ?? "";
      const condition = `<${onTheWire(`/dav/home/${name}`)}> (${token})`;
      await ask(`PUT ${path}`, 423, {}, "y");
      await ask(`PUT ${path}`, 204, { if: condition }, "y");
      await ask(`PUT /home/${encodeURIComponent(name)}`, 200, { if: condition }, "z");
      await ask(`DELETE ${path}`, 204, { if: condition });
    }
    await ask("PUT /dav/home/a", 400, { if: '</dav/home/\xfc> (["1"])' }, "x");
    await ask("GET /dav/home/a", 404);
  });
});

Deno.test("a WebDAV listing of a mount has every file that GET serves", async () => {
  // deno-fmt-ignore
  const names = [
    "a:b", "star*", "q?", "a<b>c", "a|b", `"quoted"`, "it's", "#1", "100%", "%41", "a;b", "a&b", "a+b", " a ", "é",
    "u\u0308", "日本", "😀", ".hidden", "a\\b", "a\nb", "a\u007fb", "a\u0085b", "a\u2028b", "~", "a\ufffdb", "x".repeat(200),
  ];
  await withMountServer(async ({ folder, send }) => {
    const odd = `${folder}/odd`;
    await Deno.mkdir(odd);
    for (const name of names) await Deno.writeTextFile(`${odd}/${name}`, name);
    const listing = await send("PROPFIND", "/dav/mnt/works/odd/", undefined, { ...T2, depth: "1" });
    assertEquals(listing.status, 207);
    const listed = [...listing.text.matchAll(/<D:href>([^<]*)<\/D:href>/g)].map(([, href]) => href);
    for (const name of names) {
      const href = `/dav/mnt/works/odd/${encodeURIComponent(name)}`;
      const { status, text } = await send("GET", href, undefined, T2);
      const canonical = `/dav/mnt/works/odd/${encodeURIComponent(name.normalize("NFC"))}`;
      assertEquals(listed.includes(canonical), status === 200, `${name}: ${status}`);
      if (status === 200) assertEquals(text, name);
    }
    for (const href of listed.slice(1)) {
      assert(href !== undefined);
      assertEquals((await send("GET", href, undefined, T2)).status, 200, href);
      const found = await send("PROPFIND", href, undefined, { ...T2, depth: "0" });
      assertEquals(found.status, 207, href);
    }
    assertEquals(listed.length, 1 + new Set(listed.slice(1)).size);
  });
});
