/**
 * Takes out of the Worker's realm everything by which code reaches past it. What may stay is listed;
 * what the runtime adds tomorrow is therefore gone tomorrow. It runs once, before the plugin's text is
 * loaded, and hands the natives that the bootstrap needs to nobody else.
 */

const LANGUAGE = "Object Array Number parseFloat parseInt Infinity NaN undefined Boolean String " +
  "Symbol Date Promise RegExp Error AggregateError EvalError RangeError ReferenceError SyntaxError " +
  "TypeError URIError SuppressedError globalThis JSON Math Intl ArrayBuffer Uint8Array Int8Array " +
  "Uint16Array Int16Array Uint32Array Int32Array BigUint64Array BigInt64Array Uint8ClampedArray " +
  "Float16Array Float32Array Float64Array DataView Map BigInt Set Iterator AsyncIterator WeakMap " +
  "WeakSet WeakRef Proxy Reflect FinalizationRegistry DisposableStack AsyncDisposableStack Temporal " +
  "decodeURI decodeURIComponent encodeURI encodeURIComponent escape unescape isFinite isNaN";
const PLATFORM = "queueMicrotask AbortController AbortSignal Blob ByteLengthQueuingStrategy " +
  "CompressionStream CountQueuingStrategy CryptoKey CustomEvent DecompressionStream DOMException " +
  "QuotaExceededError ErrorEvent Event EventTarget File FileReader FormData Headers MessageEvent " +
  "Performance PerformanceEntry PerformanceMark PerformanceMeasure ProgressEvent " +
  "PromiseRejectionEvent ReadableStream ReadableStreamDefaultReader ReadableByteStreamController " +
  "ReadableStreamBYOBReader ReadableStreamBYOBRequest ReadableStreamDefaultController Request " +
  "Response TextDecoder TextEncoder TextDecoderStream TextEncoderStream TransformStream " +
  "TransformStreamDefaultController URL URLPattern URLSearchParams MessageChannel MessagePort " +
  "WritableStream WritableStreamDefaultWriter WritableStreamDefaultController atob btoa " +
  "clearInterval clearTimeout setInterval setTimeout crypto Crypto SubtleCrypto performance " +
  "structuredClone reportError self";

/**
 * Strips the realm for good.
 *
 * @param lines the console the plugin gets
 */
export function lockDownRealm(lines: Readonly<Record<string, unknown>>): void {
  const keep = new Set(`${LANGUAGE} ${PLATFORM}`.split(" "));
  const network = globalThis.fetch;
  for (const key of Reflect.ownKeys(globalThis)) {
    if (typeof key === "string" && !keep.has(key)) remove(globalThis, key);
  }
  for (let proto = Object.getPrototypeOf(globalThis); proto; proto = Object.getPrototypeOf(proto)) {
    if (proto === EventTarget.prototype || proto === Object.prototype) break;
    for (const key of Reflect.ownKeys(proto)) {
      if (typeof key === "string") remove(proto, key);
    }
  }
  // Listening on the global stays: the runtime itself reports errors through it, and no message of
  // this Worker ever comes that way again.
  give("console", lines);
  give("fetch", guardFetch(network));
  give("navigator", Object.freeze({ userAgent: "elastik" }));
  give("setTimeout", guardTimer(globalThis.setTimeout));
  give("setInterval", guardTimer(globalThis.setInterval));
  give("Function", closeGenerators());
  closeStackTraces();
}

function remove(target: object, key: string): void {
  if (Reflect.deleteProperty(target, key)) return;
  const found = Reflect.getOwnPropertyDescriptor(target, key);
  if (found?.writable) Reflect.set(target, key, undefined);
  else if (found) throw new Error(`Cannot take ${key} out of the realm`);
}

function give(key: string, value: unknown): void {
  Object.defineProperty(globalThis, key, {
    value,
    writable: true,
    configurable: true,
    enumerable: false,
  });
}

/** `fetch` would read `file:` URLs within the read permission and follow their links; it may not. */
function guardFetch(network: typeof fetch): typeof fetch {
  const url = Object.getOwnPropertyDescriptor(Request.prototype, "url")!.get!;
  const NativeRequest = Request;
  const { apply } = Reflect;
  // Captured, since a plugin may patch what these checks would otherwise call.
  const startsWith = String.prototype.startsWith;
  const is = (text: string, start: string): boolean => apply(startsWith, text, [start]);
  return async function fetch(input: RequestInfo | URL, init?: RequestInit): Promise<Response> {
    const request = new NativeRequest(input, init);
    const target: string = apply(url, request, []);
    if (
      !is(target, "http:") && !is(target, "https:") && !is(target, "data:") && !is(target, "blob:")
    ) {
      throw new TypeError(
        "Cannot fetch this URL: http, https, data and blob are the schemes there are",
      );
    }
    return await network(request);
  };
}

/** Timers take text as code otherwise. */
function guardTimer(timer: (...values: never[]) => unknown): unknown {
  const { apply } = Reflect;
  return (callback: unknown, ...rest: unknown[]) => {
    if (typeof callback !== "function") throw new TypeError("Cannot set a timer: not a function");
    return apply(timer, globalThis, [callback, ...rest]);
  };
}

/** Every function constructor makes code of text; each is replaced by one that refuses. */
function closeGenerators(): unknown {
  const refuse = function Function(): never {
    throw new EvalError("Cannot make code from text in a plugin");
  };
  const samples = [
    function () {},
    async function () {},
    function* () {},
    async function* () {},
  ];
  for (const sample of samples) {
    const proto: object = Object.getPrototypeOf(sample);
    Object.defineProperty(proto, "constructor", {
      value: refuse,
      writable: false,
      configurable: false,
    });
  }
  Object.defineProperty(refuse, "prototype", {
    value: Object.getPrototypeOf(samples[0]),
    writable: false,
  });
  return refuse;
}

/** A stack trace hook would be handed the bootstrap's own frames. */
function closeStackTraces(): void {
  Object.defineProperty(Error, "prepareStackTrace", {
    get: () => undefined,
    set: () => {},
    configurable: false,
  });
}
