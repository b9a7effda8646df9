/**
 * Two things the runtime makes for every request and few plugins look at, put off until one does: the
 * abort signal of a Request, and the stream of a Response whose body is text or bytes. Together they
 * were a third of a cell's time per request. What a plugin sees is the same either way.
 */

/** See {@link installLazyNatives}. */
export interface LazyNatives {
  /** Gives `request` a signal that is made when it is asked for. */
  setSignal(request: Request, make: () => AbortSignal): void;
  /** Whether the response was made of text or bytes, so that reading it waits for nobody. */
  hasBufferedBody(response: Response): boolean;
}

/** Makes its subclasses write their private fields onto what it is given. */
class Given {
  constructor(object: object) {
    return object;
  }
}

/** A Request's own signal. A `WeakMap` would say the same, and cost each collection a look at all. */
class Signalled extends Given {
  readonly #make: () => AbortSignal;

  constructor(request: Request, make: () => AbortSignal) {
    super(request);
    this.#make = make;
  }

  static of(request: object): (() => AbortSignal) | undefined {
    return #make in request ? request.#make : undefined;
  }
}

/** A Response whose body was text or bytes. */
class Whole extends Given {
  readonly #is = true;

  static is(response: object): boolean {
    return #is in response && response.#is;
  }
}

/** Installs both in this realm, before the plugin is loaded. */
export function installLazyNatives(): LazyNatives {
  const { apply, construct } = Reflect;
  const native = Object.getOwnPropertyDescriptor(Request.prototype, "signal")?.get;
  Object.defineProperty(Request.prototype, "signal", {
    get(this: Request): AbortSignal {
      const make = Signalled.of(this);
      return make ? make() : apply(native!, this, []);
    },
    configurable: true,
    enumerable: true,
  });
  const { json } = Response;
  Object.defineProperty(Response, "json", {
    value: function (data: unknown, init?: ResponseInit): Response {
      const response: Response = apply(json, undefined, [data, init]);
      new Whole(response);
      return response;
    },
    writable: true,
    configurable: true,
    enumerable: true,
  });
  const { clone } = Response.prototype;
  Object.defineProperty(Response.prototype, "clone", {
    value: function (this: Response): Response {
      const isFresh = Whole.is(this) && !this.bodyUsed;
      const response: Response = apply(clone, this, []);
      if (isFresh) new Whole(response);
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
      if (typeof body === "string" || body instanceof Uint8Array) new Whole(response);
      return response;
    },
  });
  return {
    setSignal: (request, make) => void new Signalled(request, make),
    hasBufferedBody: (response) => Whole.is(response) && !response.bodyUsed,
  };
}
