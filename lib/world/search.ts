/**
 * Search in the texts of all worlds: what the search index receives, and how it is queried. Types
 * only, so that the store, its Workers and the routes share them.
 */

import type { Within } from "./changes.ts";

/** A line after which a page of results begins. */
export interface SearchPosition {
  readonly name: string;
  /** Number of the line, from 1. */
  readonly line: number;
}

/** A search for a literal text, regardless of case; see `foldText`. */
export interface SearchQuery {
  /** What is covered: the worlds of every part, each world once. */
  readonly within: readonly Within[];
  /** Whether worlds with secrets are searched as they are, not in their redacted form. */
  readonly original: boolean;
  /**
   * Whether the caller can read only a part of the worlds outside T3. Then the search avoids work that
   * depends on the others.
   */
  readonly isolated: boolean;
  /** What to find; one character or more, without a line break. */
  readonly text: string;
  /** Begin after this line; absent begins with the first line of the first world. */
  readonly after?: SearchPosition;
  /** Maximum number of lines, at least 1. */
  readonly limit: number;
}

/** A line that contains the text. Positions count characters: Unicode code points. */
export interface SearchHit {
  readonly name: string;
  /** Version of the world that was searched. */
  readonly version: number;
  /** Number of the line, from 1. LF, CRLF and CR end a line. */
  readonly line: number;
  /** Position of the first match in the line, from 1. */
  readonly column: number;
  /** The line; of a long one the part around the match, with `…` where it was cut. */
  readonly snippet: string;
  /** Position of the match in the snippet, from 0; `end` is the first character after it. */
  readonly match: { readonly start: number; readonly end: number };
}

/** A page of results, sorted by name, then by line. */
export interface SearchPage {
  readonly hits: readonly SearchHit[];
  /** Whether further lines match. */
  readonly more: boolean;
  /** Worlds within the query that are too long to be searched. */
  readonly tooLong: readonly string[];
  /**
   * Whether the work depended on worlds that the query does not cover. Then the time of the answer
   * must not be shown to a caller that cannot read them.
   */
  readonly isShared: boolean;
}

/** The current state of a world, for the index. */
export interface SearchEntry {
  readonly name: string;
  /** Whether only T3 can read the world. */
  readonly restricted: boolean;
  /** Identifies the version and the form of the content; `""` if there is no such world. */
  readonly stamp: string;
  readonly version: number;
  /** Whether the content is too long to be searched. */
  readonly isTooLong: boolean;
  /**
   * The content. If it is absent the Worker reads the file of the world, unless the index has the
   * stamp already.
   */
  readonly body?: Uint8Array<ArrayBuffer>;
  /** The content that callers below T3 get, if it differs. */
  readonly redacted?: Uint8Array<ArrayBuffer>;
  /** Whether the Worker cannot read the content itself. */
  readonly needsBody?: true;
}

/** Result of an update of the index. */
export interface SearchUpdateResult {
  /** Entries that were processed, from the first one on; the others must be sent again. */
  readonly done: number;
  /** Processed names whose content must be sent. */
  readonly needsBody: readonly string[];
  /** Processed names whose file is locked or cannot be opened now. */
  readonly failed: readonly string[];
  readonly counts: SearchFileCounts;
}

/** Figures about the file of the index. */
export interface SearchFileCounts {
  /** Worlds in the index whose text can be searched. */
  readonly worlds: number;
  /** Characters of text that are searched without the index until they are added to it. */
  readonly waitingChars: number;
  /** Size of the file in bytes. */
  readonly bytes: number;
}
