/** What the plugin knows of one media type that a shape can have. Types only. */

/** A media type, the rules that the model is given for it, and the check of what the model wrote. */
export interface Format {
  /** The media type without parameters, as `Accept` names it. */
  readonly type: string;
  /** The value of Content-Type. */
  readonly contentType: string;
  /** True if a browser renders it as a page or a picture. */
  readonly isRendered?: true;
  /** Sentences for the prompt. */
  readonly rules: string;
  /**
   * Languages of a Markdown code fence that may enclose the whole output, in lower case; `""` is a
   * fence without a language. Such a fence is removed.
   */
  readonly fences: readonly string[];
  /** Returns why a text does not satisfy the format, as a clause; undefined if it does. */
  readonly findFault: (text: string) => string | undefined;
}
