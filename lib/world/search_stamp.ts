/** The stamp with which the search index identifies what it has of a world. */

/**
 * Identifies a version of an upper-layer world. A name uses a version twice only if its folder was
 * removed by hand; then the times differ.
 *
 * @param updatedAt time of the version, RFC 3339
 */
export function toSearchStamp(version: number, updatedAt: string): string {
  return `${version} ${updatedAt}`;
}
