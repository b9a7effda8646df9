/**
 * Two things the runtime makes for every request and few plugins look at, put off until one does: the
 * abort signal of a Request, and the stream of a Response whose body is text or bytes. Together they
 * were a third of a cell's time per request. What a plugin sees is the same either way.
 */

/** See {@link takeShortcuts}. */
export interface Shortcuts {
  /** Gives `request` a signal that is made when it is asked for. */
  setSignal(request: Request, make: () => AbortSignal): void;
  /** Whether the response was made of text or bytes, so that reading it waits for nobody. */
  isWhole(response: Response): boolean;
}

/** Installs both in this realm, before the plugin is loaded. */
export function takeShortcuts(): Shortcuts {
  const signals = new WeakMap<Request, () => AbortSignal>();
  const whole = new WeakSet<Response>();
  const { apply, construct } = Reflect;
  const { get, set } = WeakMap.prototype;
  const { add, has } = WeakSet.prototype;
  const native = Object.getOwnPropertyDescriptor(Request.prototype, "signal")?.get;
  Object.defineProperty(Request.prototype, "signal", {
    get(this: Request): AbortSignal {
      const make: (() => AbortSignal) | undefined = apply(get, signals, [this]);
      return make ? make() : apply(native!, this, []);
    },
    configurable: true,
    enumerable: true,
  });
  const { json } = Response;
  Object.defineProperty(Response, "json", {
    value: function (data: unknown, init?: ResponseInit): Response {
      const response: Response = apply(json, undefined, [data, init]);
      apply(add, whole, [response]);
      return response;
    },
    writable: true,
    configurable: true,
    enumerable: true,
  });
  const { clone } = Response.prototype;
  Object.defineProperty(Response.prototype, "clone", {
    value: function (this: Response): Response {
      const isFresh: boolean = apply(has, whole, [this]) && !this.bodyUsed;
      const response: Response = apply(clone, this, []);
      if (isFresh) apply(add, whole, [response]);
      return response;
    },
    writable: true,
    configurable: true,
    enumerable: true,
  });
  globalThis.Response = new Proxy(Response, {
    construct(target, values: [BodyInit?, ResponseInit?], newTarget) {
      const response: Response = construct(target, values, newTarget);
      const body = values[0];
      if (typeof body === "string" || body instanceof Uint8Array) apply(add, whole, [response]);
      return response;
    },
  });
  return {
    setSignal: (request, make) => void apply(set, signals, [request, make]),
    isWhole: (response) => apply(has, whole, [response]) && !response.bodyUsed,
  };
}
