import { assert, assertEquals, assertThrows } from "../../support/assert.ts";
import {
  acquireDataFolder,
  lockDataFolderForReading,
  UnusableEntry,
} from "../../../lib/world/file/data_folder.ts";
import {
  findFormatFault,
  FOLDER_FORMAT,
  FORMAT_FILE,
  recordFormat,
} from "../../../lib/world/file/folder_format.ts";
import { withTempFolder } from "../../support/temp_folder.ts";

Deno.test("findFormatFault() accepts the formats up to its own, and a folder without the file", () =>
  withTempFolder((data) => {
    assertEquals(findFormatFault(data), undefined);
    for (const text of ["1", `${FOLDER_FORMAT}\n`, ` ${FOLDER_FORMAT}`]) {
      Deno.writeTextFileSync(`${data}/${FORMAT_FILE}`, text);
      assertEquals(findFormatFault(data), undefined, text);
    }
  }));

Deno.test("findFormatFault() describes a newer format, another text and another entry", () =>
  withTempFolder((data) => {
    const file = `${data}/${FORMAT_FILE}`;
    const faultOf = (text: string) => {
      Deno.writeTextFileSync(file, text);
      return findFormatFault(data) ?? "none";
    };
    assertEquals(
      faultOf(`${FOLDER_FORMAT + 1}\n`),
      `it has format ${FOLDER_FORMAT + 1} and this program knows the formats up to ` +
        `${FOLDER_FORMAT}; use the release that wrote it, or a newer one`,
    );
    for (const text of ["", "two", "0", "-1", "1.5", "1e9", "9".repeat(10), "2 2"]) {
      assert(faultOf(text).includes("does not contain a number"), text);
    }
    assert(faultOf("9".repeat(65)).includes("cannot be used"));
    Deno.removeSync(file);
    Deno.mkdirSync(file);
    assert(findFormatFault(data)?.includes("cannot be used"));
  }));

Deno.test("recordFormat() writes the number once, and replaces an older one", () =>
  withTempFolder((data) => {
    const file = `${data}/${FORMAT_FILE}`;
    recordFormat(data);
    assertEquals(Deno.readTextFileSync(file), `${FOLDER_FORMAT}\n`);
    const { ino } = Deno.statSync(file);
    recordFormat(data);
    assertEquals(Deno.statSync(file).ino, ino);
    Deno.writeTextFileSync(file, "1\n");
    recordFormat(data);
    assertEquals(Deno.readTextFileSync(file), `${FOLDER_FORMAT}\n`);
    recordFormat(`${data}/absent`);
  }));

Deno.test("acquireDataFolder() and lockDataFolderForReading() refuse a format that is not known", () =>
  withTempFolder((data) => {
    Deno.writeTextFileSync(`${data}/${FORMAT_FILE}`, `${FOLDER_FORMAT + 1}`);
    const before = [...Deno.readDirSync(data)].map(({ name }) => name);
    for (const open of [acquireDataFolder, lockDataFolderForReading]) {
      assertThrows(
        () => void open(data),
        (error) =>
          error instanceof UnusableEntry &&
          error.message.startsWith(`Cannot use the data folder ${data}: it has format `),
      );
    }
    assertEquals([...Deno.readDirSync(data)].map(({ name }) => name), before);
  }));
