/** The formats in which a part of a world is edited: the media types of a PATCH (RFC 5789). */

/** The media types, in the order in which `Accept-Patch` lists them (RFC 5789 §3.1). */
export const EDIT_FORMATS = [
  "application/merge-patch+json",
  "application/json-patch+json",
  "application/json",
  "text/x-diff",
] as const;

/** Media type of an edit. */
export type EditFormat = typeof EDIT_FORMATS[number];

/** An edit as it was sent. */
export interface Edit {
  readonly format: EditFormat;
  readonly body: Uint8Array<ArrayBuffer>;
}

/**
 * Returns the format of a Content-Type; undefined for another type. Parameters are allowed if they name
 * UTF-8, which all formats use.
 *
 * @param contentType value of the header, or null if it was not sent
 */
export function toEditFormat(contentType: string | null): EditFormat | undefined {
  const [type = "", ...parameters] = (contentType ?? "").split(";");
  const sent = type.trim().toLowerCase();
  const isUtf8 = parameters.every((parameter) =>
    !/^\s*charset\s*=/i.test(parameter) || /^\s*charset\s*=\s*"?utf-?8"?\s*$/i.test(parameter)
  );
  return isUtf8 ? EDIT_FORMATS.find((format) => format === sent) : undefined;
}
