/**
 * Removes from the Worker's realm every global by which a plugin could reach outside. The globals
 * that stay are an allow-list, so a global that a later Deno version adds is removed too. It runs
 * once, before the plugin is loaded. It must not leave a reference to a removed global where a
 * plugin can reach it.
 */

/** The callback of a timer. */
export type TimerCallback = (...values: unknown[]) => unknown;

/** Globals of ECMAScript that stay. */
const ECMASCRIPT_GLOBALS =
  "Object Array Number parseFloat parseInt Infinity NaN undefined Boolean String " +
  "Symbol Date Promise RegExp Error AggregateError EvalError RangeError ReferenceError SyntaxError " +
  "TypeError URIError SuppressedError globalThis JSON Math Intl ArrayBuffer Uint8Array Int8Array " +
  "Uint16Array Int16Array Uint32Array Int32Array BigUint64Array BigInt64Array Uint8ClampedArray " +
  "Float16Array Float32Array Float64Array DataView Map BigInt Set Iterator AsyncIterator WeakMap " +
  "WeakSet WeakRef Proxy Reflect FinalizationRegistry DisposableStack AsyncDisposableStack Temporal " +
  "decodeURI decodeURIComponent encodeURI encodeURIComponent escape unescape isFinite isNaN";
/** Globals of the web platform that stay. */
const PLATFORM_GLOBALS =
  "queueMicrotask AbortController AbortSignal Blob ByteLengthQueuingStrategy " +
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
 * Locks this realm down. This cannot be undone.
 *
 * @param pluginConsole the console that the plugin gets
 * @param bindTimer wraps the callback of a timer, so that an error in it is reported for the request
 * that set the timer
 * @throws {Error} a global cannot be removed; then the plugin must not be loaded
 */
export function lockDownRealm(
  pluginConsole: Readonly<Record<string, unknown>>,
  bindTimer: (callback: TimerCallback) => TimerCallback = (callback) => callback,
): void {
  const keep = new Set(`${ECMASCRIPT_GLOBALS} ${PLATFORM_GLOBALS}`.split(" "));
  const nativeFetch = globalThis.fetch;
  for (const key of Reflect.ownKeys(globalThis)) {
    if (typeof key === "string" && !keep.has(key)) remove(globalThis, key);
  }
  for (let proto = Object.getPrototypeOf(globalThis); proto; proto = Object.getPrototypeOf(proto)) {
    if (proto === EventTarget.prototype || proto === Object.prototype) break;
    for (const key of Reflect.ownKeys(proto)) {
      if (typeof key === "string") remove(proto, key);
    }
  }
  // EventTarget's methods stay on the global: Deno reports errors through them. Messages of the
  // server use a private port, so a listener here cannot receive them.
  define("console", pluginConsole);
  define("fetch", guardFetch(nativeFetch));
  define("navigator", Object.freeze({ userAgent: "elastik" }));
  define("setTimeout", guardTimer(globalThis.setTimeout, bindTimer));
  define("setInterval", guardTimer(globalThis.setInterval, bindTimer));
  define("Function", replaceFunctionConstructors());
  disableStackTraceHook();
}

function remove(target: object, key: string): void {
  if (Reflect.deleteProperty(target, key)) return;
  const found = Reflect.getOwnPropertyDescriptor(target, key);
  if (found?.writable) Reflect.set(target, key, undefined);
  else if (found) throw new Error(`Cannot remove the global ${key}: it is not configurable`);
}

function define(key: string, value: unknown): void {
  Object.defineProperty(globalThis, key, {
    value,
    writable: true,
    configurable: true,
    enumerable: false,
  });
}

/**
 * Wraps `fetch` to refuse `file:` URLs: Deno would read them and follow symlinks out of the
 * folders.
 */
function guardFetch(nativeFetch: typeof fetch): typeof fetch {
  const url = Object.getOwnPropertyDescriptor(Request.prototype, "url")!.get!;
  const NativeRequest = Request;
  const { apply } = Reflect;
  // Captured, because a plugin can patch the prototypes.
  const startsWith = String.prototype.startsWith;
  const startsWithText = (text: string, start: string): boolean => apply(startsWith, text, [start]);
  return async function fetch(input: RequestInfo | URL, init?: RequestInit): Promise<Response> {
    const request = new NativeRequest(input, init);
    const target: string = apply(url, request, []);
    if (
      !startsWithText(target, "http:") && !startsWithText(target, "https:") &&
      !startsWithText(target, "data:") && !startsWithText(target, "blob:")
    ) {
      throw new TypeError(
        "Cannot fetch this URL: its scheme is not allowed; use http, https, data or blob",
      );
    }
    return await nativeFetch(request);
  };
}

/** Wraps a timer to refuse a string, which would be run as code. */
function guardTimer(
  timer: (...values: never[]) => unknown,
  bindTimer: (callback: TimerCallback) => TimerCallback,
): unknown {
  const { apply } = Reflect;
  return (callback: unknown, ...rest: unknown[]) => {
    if (typeof callback !== "function") {
      throw new TypeError("Cannot set a timer: the callback is not a function");
    }
    // A callback of a timer can have any parameters; the check above is all that is known.
    return apply(timer, globalThis, [bindTimer(callback as TimerCallback), ...rest]);
  };
}

/**
 * Replaces all four function constructors, which make code from text, and returns the replacement.
 */
function replaceFunctionConstructors(): unknown {
  const refuse = function Function(): never {
    throw new EvalError("Cannot make code from text: plugins must not generate code");
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

/** Disables `Error.prepareStackTrace`, which would pass the bootstrap's call sites to a plugin. */
function disableStackTraceHook(): void {
  Object.defineProperty(Error, "prepareStackTrace", {
    get: () => undefined,
    set: () => {},
    configurable: false,
  });
}
