/**
 * A Worker that loads its modules while the program still loads its own. Its user comes later and
 * takes it over; a failure before that is kept, because without a listener it would end the process.
 */

/** A Worker that is started before its user exists. */
export class EarlyWorker {
  readonly #worker: Worker;
  #fault: string | undefined;

  /**
   * Starts the Worker.
   *
   * @param url URL of its module
   * @param name name of the Worker in messages of the runtime
   */
  constructor(url: string, name: string) {
    this.#worker = new Worker(url, { type: "module", name });
    this.#worker.onerror = (event) => {
      event.preventDefault();
      this.#fault = event.message;
    };
  }

  /**
   * Passes the Worker to its user, which sets its own listeners in the same turn.
   *
   * @param onFault called with the reason in a later turn if the Worker has failed already
   */
  take(onFault: (reason: string) => void): Worker {
    const fault = this.#fault;
    if (fault !== undefined) queueMicrotask(() => onFault(fault));
    return this.#worker;
  }
}
