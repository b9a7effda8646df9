/** The columns of a version that both engines store, as the rows of their drivers have them. */

/** What every version has besides its bytes. */
export interface VersionColumns {
  readonly version: number;
  readonly ext: string;
  /** The `X-Meta-*` pairs as stored. */
  readonly headers: string;
  readonly state: string;
  readonly updatedAt: string;
}

/** Reads the columns of a row. */
export function toVersionColumns(row: Readonly<Record<string, unknown>>): VersionColumns {
  return {
    version: Number(row.version),
    ext: String(row.ext),
    headers: String(row.headers),
    state: String(row.state),
    updatedAt: String(row.updated_at),
  };
}
