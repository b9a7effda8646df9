/**
 * The query parameters of the core routes, as data, and the check of a request against them. To add
 * a parameter, add it here to each method that uses it, in the commit that makes it work. The
 * parameters of plugin routes belong to the plugins.
 */

import { assertAllowed } from "../auth/policy.ts";
import { Problem } from "../http/problem.ts";
import {
  choiceParameter,
  flagParameter,
  isPageRequest,
  numberParameter,
  type ParametersByMethod,
  queryFault,
  type QueryParameter,
  type RouteQuery,
  textParameter,
  timeParameter,
} from "../http/query_parameters.ts";
import {
  MAX_CAPABILITY_TTL_SECONDS,
  MAX_CHANGES_PER_PAGE,
  MAX_LISTING_ROWS,
  MAX_LOG_PAGE_EVENTS,
  MAX_TRASH_PAGE_ENTRIES,
  MAX_WAIT_SECONDS,
} from "../limits.ts";
import { MAX_PLUGIN_LOG_LINES } from "../log_limits.ts";
import { MAX_SEARCH_CHARS, MAX_SEARCH_LINES } from "../search_limits.ts";
import { parseLineRange, parseVersionPair } from "../http/query_ranges.ts";
import { isInNamespace } from "../world/name.ts";
import type { RequestContext } from "./request_context.ts";
import { decideRequest } from "./requested_access.ts";

const RAW = flagParameter("raw");
const EXT = textParameter("ext");
const FROM = numberParameter("from", "the number of an earlier version, such as ?from=3");

const TRASH = textParameter("trash");

const WAIT = numberParameter(
  "wait",
  `a whole number of seconds from 0 to ${MAX_WAIT_SECONDS}`,
  0,
  MAX_WAIT_SECONDS,
);

const WORLD: ParametersByMethod = {
  GET: [
    RAW,
    { ...numberParameter("at", "a version number, such as ?at=3"), excludes: ["v"] },
    numberParameter("v", "the number of the version that you have, such as ?v=3"),
    {
      name: "lines",
      accepts: "the numbers of lines, such as ?lines=3-5, ?lines=3- or ?lines=3",
      isValid: (value) => parseLineRange(value) !== undefined,
      excludes: ["raw", "v", "wait"],
    },
    {
      name: "diff",
      accepts: "a version number or two, such as ?diff=3 or ?diff=3..5",
      isValid: (value) => parseVersionPair(value) !== undefined,
      excludes: ["raw", "at", "v", "wait", "lines"],
    },
    { ...WAIT, excludes: ["at"] },
    // Part of the address of a file of the shell.
    hide({
      name: "sha256",
      accepts: "the first 16 or more hex digits of a SHA-256, in lower case",
      isValid: (value) => /^[0-9a-f]{16,64}$/.test(value),
    }),
  ],
  PUT: [EXT, { ...FROM, excludes: ["trash"] }, TRASH],
  POST: [EXT],
};
/**
 * The hidden parameters are refused by the handlers: `?raw` with a 404 that says what the path is,
 * PUT and POST with a 405.
 */
const COLLECTION: ParametersByMethod = {
  GET: [
    flagParameter("deep"),
    choiceParameter("sort", ["name", "time", "size"]),
    timeParameter("since"),
    numberParameter(
      "limit",
      `a whole number from 1 to ${MAX_LISTING_ROWS}`,
      1,
      MAX_LISTING_ROWS,
    ),
    textParameter("after"),
    flagParameter("contents"),
    hide(RAW),
  ],
  PUT: [hide(EXT), hide(FROM), hide(TRASH)],
  POST: [hide(EXT)],
};
/** `/lib/`: a POST checks the source of a plugin. */
const PLUGINS: ParametersByMethod = {
  ...COLLECTION,
  POST: [hide(EXT), flagParameter("check"), textParameter("name")],
};
const WORLD_STREAM: ParametersByMethod = {};
const COLLECTION_STREAM: ParametersByMethod = {
  GET: [
    flagParameter("brief"),
    flagParameter("deep"),
    { ...flagParameter("contents"), excludes: ["brief"] },
  ],
};

/** Position of a search; names of worlds contain no colon. */
const SEARCH_POSITION = /^\/[^:]+:\d{1,9}$/;
const TRASH_PAGE = [
  numberParameter(
    "limit",
    `a whole number from 1 to ${MAX_TRASH_PAGE_ENTRIES}`,
    1,
    MAX_TRASH_PAGE_ENTRIES,
  ),
  textParameter("after"),
];

const COLLECTIONS = "collections, whose path ends in a slash";

/** What each kind of core route takes. */
export const ROUTE_QUERIES = {
  /** A route that takes no parameters. */
  none: { methods: {} },
  world: { methods: WORLD, similar: { paths: COLLECTIONS, methods: COLLECTION } },
  collection: { methods: COLLECTION, similar: { paths: "worlds", methods: WORLD } },
  pluginLog: {
    methods: {
      GET: [
        numberParameter(
          "limit",
          `a whole number from 1 to ${MAX_PLUGIN_LOG_LINES}`,
          1,
          MAX_PLUGIN_LOG_LINES,
        ),
      ],
    },
  },
  plugins: { methods: PLUGINS, similar: { paths: "worlds", methods: WORLD } },
  pluginState: { methods: { GET: [flagParameter("asks")] } },
  worldStream: {
    methods: WORLD_STREAM,
    similar: { paths: COLLECTIONS, methods: COLLECTION_STREAM },
  },
  collectionStream: {
    methods: COLLECTION_STREAM,
    similar: { paths: "worlds", methods: WORLD_STREAM },
  },
  mint: {
    methods: {
      POST: [
        textParameter("prefix"),
        numberParameter(
          "ttl",
          `a whole number of seconds from 1 to ${MAX_CAPABILITY_TTL_SECONDS}`,
          1,
          MAX_CAPABILITY_TTL_SECONDS,
        ),
        textParameter("mode"),
        textParameter("name"),
      ],
    },
  },
  log: {
    methods: {
      GET: [
        numberParameter("before", "the id of an event, such as ?before=20"),
        numberParameter(
          "limit",
          `a whole number from 0 to ${MAX_LOG_PAGE_EVENTS}`,
          0,
          MAX_LOG_PAGE_EVENTS,
        ),
      ],
    },
  },
  collectionLog: {
    methods: {
      GET: [
        textParameter("before"),
        numberParameter(
          "limit",
          `a whole number from 1 to ${MAX_CHANGES_PER_PAGE}`,
          1,
          MAX_CHANGES_PER_PAGE,
        ),
        timeParameter("since"),
        textParameter("by"),
      ],
    },
  },
  changes: {
    methods: {
      GET: [
        textParameter("after"),
        numberParameter(
          "limit",
          `a whole number from 1 to ${MAX_CHANGES_PER_PAGE}`,
          1,
          MAX_CHANGES_PER_PAGE,
        ),
        WAIT,
      ],
    },
  },
  search: {
    methods: {
      GET: [
        {
          name: "q",
          accepts: `the text to find, 1 to ${MAX_SEARCH_CHARS} characters without a line break`,
          isValid: isSearchText,
        },
        {
          name: "after",
          accepts: "a path and a line number, such as ?after=/home/x:12",
          isValid: (value) => SEARCH_POSITION.test(value),
        },
        numberParameter(
          "limit",
          `a whole number from 1 to ${MAX_SEARCH_LINES}`,
          1,
          MAX_SEARCH_LINES,
        ),
      ],
    },
  },
  worlds: { methods: { GET: [textParameter("prefix")] } },
  trash: { methods: { GET: TRASH_PAGE, DELETE: [textParameter("id")] } },
  trashBelow: { methods: { GET: TRASH_PAGE } },
  usage: { methods: { GET: [textParameter("by"), flagParameter("disk")] } },
} as const satisfies Readonly<Record<string, RouteQuery>>;

function isSearchText(value: string): boolean {
  const text = value.normalize("NFC");
  return text !== "" && !/[\r\n]/.test(text) && [...text].length <= MAX_SEARCH_CHARS;
}

function hide(parameter: QueryParameter): QueryParameter {
  return { ...parameter, hidden: true };
}

/** Returns what a path in a namespace takes: a namespace itself is a collection. */
export function worldQueryOf({ target: { name, isCollection } }: RequestContext): RouteQuery {
  if (name === "lib") return ROUTE_QUERIES.plugins;
  return isCollection || !name.includes("/") ? ROUTE_QUERIES.collection : ROUTE_QUERIES.world;
}

/** Returns what a path at or below `/proc/log` takes. */
export function logQueryOf({ target: { name, isCollection } }: RequestContext): RouteQuery {
  return isCollection || name === "proc/log" ? ROUTE_QUERIES.collectionLog : ROUTE_QUERIES.log;
}

/** Returns what a path below `/stream` takes. */
export function streamQueryOf({ target: { name, isCollection } }: RequestContext): RouteQuery {
  const isFolder = isCollection || name === "stream" || isNamespace(name.slice("stream/".length));
  return isFolder ? ROUTE_QUERIES.collectionStream : ROUTE_QUERIES.worldStream;
}

function isNamespace(subject: string): boolean {
  return !subject.includes("/") && isInNamespace(subject);
}

/**
 * Refuses a request whose query its route does not take. A browser that navigates is let through:
 * other sites append parameters of their own to links. A caller that may not make the request at all
 * gets 401 or 403.
 *
 * @param context the request
 * @param route what the route takes
 * @throws {Problem} `bad-query`, `unauthorized`, `forbidden`
 */
export function assertQuery(context: RequestContext, route: RouteQuery): void {
  const { request: { method, headers }, target, caller } = context;
  // OPTIONS asks about the path; it neither reads nor changes what the query names.
  if (target.query === "" || method === "OPTIONS") return;
  const fault = queryFault(target.query, method, route);
  if (fault === undefined || isPageRequest(method, headers.get("accept"))) return;
  assertAllowed(decideRequest(caller, method, target));
  const path = target.isCollection && target.path !== "/" ? `${target.path}/` : target.path;
  throw new Problem("bad-query", `Cannot ${method === "HEAD" ? "GET" : method} ${path}: ${fault}`);
}
