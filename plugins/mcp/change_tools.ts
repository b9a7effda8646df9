/** Tools that change worlds: `write`, `append`, `edit`, `restore`, `delete` and `move`. */

import { ArgumentFault, type ToolArguments } from "./arguments.ts";
import { sendChange, type ServerCaller } from "./server_call.ts";
import {
  EXPECTED_VERSION,
  objectSchema,
  PATH,
  pathArgument,
  type Tool,
  type ToolOutput,
  toolOutput,
  worldArgument,
} from "./tool.ts";
import { type NamedPath, urlPath } from "./world_path.ts";

const CHANGES = {
  readOnlyHint: false,
  destructiveHint: true,
  idempotentHint: false,
  openWorldHint: false,
} as const;
const WRITTEN = objectSchema({
  path: { type: "string" },
  version: { type: "integer", description: "The new version" },
  "created?": { type: "boolean", description: "Whether the world is new" },
}, false);

export const writeTool: Tool = {
  name: "write",
  title: "Write a world",
  description:
    "Replaces the whole content of a world, or creates it. The server keeps earlier versions. To " +
    "change a part, use edit; to add at the end, use append: neither loses what others wrote.",
  inputSchema: objectSchema({
    path: PATH,
    content: { type: "string", description: "The new content" },
    "encoding?": {
      type: "string",
      enum: ["utf-8", "base64"],
      description: "How content is given; utf-8 by default, base64 for bytes that are not text",
    },
    "version?": {
      ...EXPECTED_VERSION,
      description: `${EXPECTED_VERSION.description} 0 means that the world must not exist yet.`,
    },
  }),
  outputSchema: WRITTEN,
  annotations: { ...CHANGES, idempotentHint: true },
  async run(args, caller) {
    const named = worldArgument(args, "path");
    return await change(caller, "Wrote", named, {
      method: "PUT",
      headers: condition(args),
      body: contentBytes(args),
    });
  },
};

export const appendTool: Tool = {
  name: "append",
  title: "Append to a world",
  description:
    "Adds text at the end of a world, or creates it. Nothing is added in between: begin with a line " +
    "break if the text must start on a line of its own.",
  inputSchema: objectSchema({
    path: PATH,
    content: { type: "string", minLength: 1, description: "The text to add" },
    "version?": EXPECTED_VERSION,
  }),
  outputSchema: WRITTEN,
  annotations: { ...CHANGES, destructiveHint: false },
  async run(args, caller) {
    const named = worldArgument(args, "path");
    // Appending changes no metadata, so the name of the client cannot be recorded.
    return await change({ ...caller, client: "" }, "Appended to", named, {
      method: "POST",
      headers: condition(args),
      body: contentBytes(args),
    });
  },
};

export const editTool: Tool = {
  name: "edit",
  title: "Edit a part of a world",
  description:
    "Replaces parts of a text. You do not have to send the rest, and changes of others are not lost. " +
    "Each find must occur exactly once; edits apply in order, all or none.",
  inputSchema: objectSchema({
    path: PATH,
    edits: {
      type: "array",
      minItems: 1,
      items: objectSchema({
        find: { type: "string", minLength: 1, description: "The text to replace, taken literally" },
        replace: { type: "string", description: "The new text" },
        "all?": {
          type: "boolean",
          description: "Replace every occurrence, of which there is at least one",
        },
      }),
    },
    "version?": EXPECTED_VERSION,
  }),
  outputSchema: WRITTEN,
  annotations: CHANGES,
  async run(args, caller) {
    const named = worldArgument(args, "path");
    return await change(caller, "Edited", named, {
      method: "PATCH",
      headers: { ...condition(args), "content-type": "application/json" },
      body: JSON.stringify({ edits: args.list("edits") }),
    });
  },
};

export const restoreTool: Tool = {
  name: "restore",
  title: "Restore a world",
  description:
    "Makes an earlier version of a world the current one again, as a new version, or brings a deleted " +
    "world back from the trash. history shows the versions, list with trash the ids.",
  inputSchema: objectSchema({
    path: PATH,
    "from?": { type: "integer", minimum: 1, description: "The version to restore" },
    "trash?": {
      type: "string",
      minLength: 1,
      description: "The id of a deleted world, instead of from",
    },
    "version?": EXPECTED_VERSION,
  }),
  outputSchema: WRITTEN,
  annotations: CHANGES,
  async run(args, caller) {
    const named = worldArgument(args, "path");
    const from = args.integer("from");
    const trash = args.text("trash");
    if ((from === undefined) === (trash === undefined)) {
      throw new ArgumentFault('either "from" or "trash" is needed');
    }
    const query = new URLSearchParams(
      from === undefined ? { trash: trash ?? "" } : { from: `${from}` },
    );
    // Without metadata of its own a restored version takes that of the earlier one.
    return await change({ ...caller, client: "" }, "Restored", named, {
      method: "PUT",
      headers: condition(args),
      query: `?${query}`,
    });
  },
};

export const deleteTool: Tool = {
  name: "delete",
  title: "Delete a world",
  description:
    "Moves a world to the trash. The result has the id with which restore brings it back. A path that " +
    "ends in a slash deletes every world below it.",
  inputSchema: objectSchema({
    path: { ...PATH, description: "Path of a world, or of a collection with a slash at the end" },
    "version?": EXPECTED_VERSION,
  }),
  outputSchema: objectSchema({
    deleted: {
      type: "array",
      items: { type: "string" },
      description: "Paths of the deleted worlds",
    },
    trash: {
      type: "array",
      items: { type: "string" },
      description: "Ids in the trash, in this order",
    },
  }, false),
  annotations: CHANGES,
  async run(args, caller) {
    const named = pathArgument(args, "path");
    const sent = await sendChange({ ...caller, client: "" }, urlPath(named), {
      method: "DELETE",
      headers: condition(args),
    });
    const deleted = textsOf(sent["deleted"]).map((name) => `/${name}`);
    const trash = textsOf(sent["trash"]);
    const lines = deleted.map((path, i) => `${path}\ttrash id ${trash[i] ?? "unknown"}`);
    return toolOutput([`Deleted ${deleted.length}.`, lines.join("\n")], { deleted, trash });
  },
};

export const moveTool: Tool = {
  name: "move",
  title: "Move or rename a world",
  description:
    "Gives a world another path, with its history. If both paths end in a slash, it moves every world " +
    "below the first one.",
  inputSchema: objectSchema({
    path: { ...PATH, description: "Path of a world, or of a collection with a slash at the end" },
    to: { ...PATH, description: "The new path" },
    "overwrite?": {
      type: "boolean",
      description:
        "Replace a world that exists at the new path; by default the move is refused then",
    },
    "version?": EXPECTED_VERSION,
  }),
  outputSchema: objectSchema({
    path: { type: "string", description: "The new path" },
    from: { type: "string", description: "The old path" },
    "version?": { type: "integer" },
  }, false),
  annotations: CHANGES,
  async run(args, caller) {
    const named = pathArgument(args, "path");
    const to = pathArgument(args, "to");
    const sent = await sendChange({ ...caller, client: "" }, urlPath(named), {
      method: "MOVE",
      headers: {
        ...condition(args),
        destination: urlPath(to),
        overwrite: args.flag("overwrite") ? "T" : "F",
      },
    });
    const { version } = sent;
    const moved = { path: pathText(to), from: pathText(named) };
    return toolOutput([`Moved ${moved.from} to ${moved.path}.`], {
      ...moved,
      ...(typeof version === "number" && { version }),
    });
  },
};

/** Changes one world and reports its new version. */
async function change(
  caller: ServerCaller,
  verb: string,
  named: NamedPath,
  { query = "", ...init }: Parameters<typeof sendChange>[2] & { readonly query?: string },
): Promise<ToolOutput> {
  const { version, status } = await sendChange(caller, urlPath(named) + query, init);
  const path = pathText(named);
  const isCreated = status === 201;
  const found = typeof version === "number" ? version : 0;
  const note = `${verb} ${path}, now version ${found}.${isCreated ? " The world is new." : ""}`;
  return toolOutput([note], { path, version: found, created: isCreated });
}

/** The precondition of a change: the version that the client has read. */
function condition(args: ToolArguments): Record<string, string> {
  const version = args.integer("version");
  if (version === undefined) return {};
  return version === 0 ? { "if-none-match": "*" } : { "if-match": `"${version}"` };
}

/** The content as bytes, so that the request has no media type and the server determines it. */
function contentBytes(args: ToolArguments): Uint8Array<ArrayBuffer> {
  const content = args.required("content");
  if (args.text("encoding") !== "base64") return new TextEncoder().encode(content);
  try {
    return Uint8Array.fromBase64(content);
  } catch {
    throw new ArgumentFault('"content" is not Base64');
  }
}

function pathText({ name, isCollection }: NamedPath): string {
  return `/${name}${isCollection ? "/" : ""}`;
}

function textsOf(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((item) => typeof item === "string") : [];
}
