/**
 * Defers two objects that Deno creates for every request although few plugins use them: the abort
 * signal of a Request, and the body stream of a Response made from text or bytes. Together they
 * took a third of a cell's time per request. A plugin must not be able to observe a difference.
 */

/** Functions that use the installed replacements. */
export interface LazyNatives {
  /** Sets a signal of `request` that is created when `request.signal` is read. */
  setSignal(request: Request, make: () => AbortSignal): void;
  /**
   * Whether the response was made from text or bytes and is unread, so that reading it does not
   * wait.
   */
  hasBufferedBody(response: Response): boolean;
}

/** Base class whose subclasses add their private fields to an existing object. */
class FieldHost {
  constructor(object: object) {
    return object;
  }
}

/**
 * Adds the signal to a Request. A private field, because a `WeakMap` costs time in each garbage
 * collection.
 */
class LazySignal extends FieldHost {
  readonly #make: () => AbortSignal;

  constructor(request: Request, make: () => AbortSignal) {
    super(request);
    this.#make = make;
  }

  static of(request: object): (() => AbortSignal) | undefined {
    return #make in request ? request.#make : undefined;
  }
}

/** Marks a Response whose body was text or bytes. */
class BufferedBody extends FieldHost {
  readonly #is = true;

  static is(response: object): boolean {
    return #is in response && response.#is;
  }
}

/** Installs both replacements in this realm. Must run before the plugin is loaded. */
export function installLazyNatives(): LazyNatives {
  const { apply, construct } = Reflect;
  const native = Object.getOwnPropertyDescriptor(Request.prototype, "signal")?.get;
  Object.defineProperty(Request.prototype, "signal", {
    get(this: Request): AbortSignal {
      const make = LazySignal.of(this);
      return make ? make() : apply(native!, this, []);
    },
    configurable: true,
    enumerable: true,
  });
  const { json } = Response;
  Object.defineProperty(Response, "json", {
    value: function (data: unknown, init?: ResponseInit): Response {
      const response: Response = apply(json, undefined, [data, init]);
      new BufferedBody(response);
      return response;
    },
    writable: true,
    configurable: true,
    enumerable: true,
  });
  const { clone } = Response.prototype;
  Object.defineProperty(Response.prototype, "clone", {
    value: function (this: Response): Response {
      const isFresh = BufferedBody.is(this) && !this.bodyUsed;
      const response: Response = apply(clone, this, []);
      if (isFresh) new BufferedBody(response);
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
      if (typeof body === "string" || body instanceof Uint8Array) new BufferedBody(response);
      return response;
    },
  });
  return {
    setSignal: (request, make) => void new LazySignal(request, make),
    hasBufferedBody: (response) => BufferedBody.is(response) && !response.bodyUsed,
  };
}
