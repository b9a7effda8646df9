/**
 * The event feed of the log of one plugin: sends the lines that are kept, or those after
 * `Last-Event-ID`, and every later one. A caller below T3 may read the log only while it is the last
 * writer of the source, so its stream ends with the next change; a reader with the right reconnects.
 */

import { splitIntoPieces } from "../../http/pieces.ts";
import { encodeEvent } from "../../http/sse.ts";
import type { PluginLogLine, PluginLogReader } from "../../request/plugin_routes.ts";
import type { LogAccess } from "../proc/plugin_log.ts";
import type { Feed, FeedOptions } from "./feed.ts";

/** Follows the log of one plugin for one reader. */
export class PluginLogFeed implements Feed {
  readonly #options: FeedOptions;
  readonly #logs: PluginLogReader;
  readonly #access: LogAccess;
  readonly #lastEventId: string | null;
  #unwatch: (() => void)[] = [];

  /**
   * @param options how to send
   * @param logs the logs of all plugins
   * @param access what the caller gets
   * @param lastEventId id of the last line that the reader has
   */
  constructor(
    options: FeedOptions,
    logs: PluginLogReader,
    access: LogAccess,
    lastEventId: string | null,
  ) {
    this.#options = options;
    this.#logs = logs;
    this.#access = access;
    this.#lastEventId = lastEventId;
  }

  start(): Promise<void> {
    const { store, onError } = this.#options;
    const { name, writer } = this.#access;
    if (writer !== undefined) {
      this.#unwatch.push(store.watch(name, ({ kind, by }) => {
        if (kind === "delete" || by !== writer) onError();
      }));
    }
    for (const line of this.#logs.read(name, writer, this.#lastEventId ?? undefined)) {
      this.#send(line);
    }
    this.#unwatch.push(this.#logs.watch(name, writer, (line) => this.#send(line)));
    return Promise.resolve();
  }

  stop(): void {
    for (const unwatch of this.#unwatch.splice(0)) unwatch();
  }

  #send({ id, ...line }: PluginLogLine): void {
    this.#options.send(
      splitIntoPieces(encodeEvent({ event: "line", id, data: JSON.stringify({ id, ...line }) })),
    );
  }
}
