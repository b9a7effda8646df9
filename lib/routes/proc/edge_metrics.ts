/** The metrics of the network edge: connections, bodies in flight, and the event loop delay. */

import type { MetricFamily, MetricSample } from "../../observe/open_metrics.ts";
import { DELAY_BOUNDS_SECONDS } from "../../observe/event_loop_delay.ts";
import type { EdgeCounts } from "../../request/edge_counts.ts";

/** Returns the metric families of the network edge. */
export function edgeFamilies(counts: EdgeCounts): MetricFamily[] {
  const { connections, bodies, acceptErrors, eventLoopDelay } = counts;
  return [
    gauge("elastik_connections_open", "Open connections.", connections.open),
    gauge("elastik_connections_limit", "Highest number of open connections.", connections.limit),
    counter(
      "elastik_connections_refused",
      "Connections above a limit, answered with 503 or closed, by the limit.",
      Object.entries(connections.refused).map(([limit, value]) => ({ labels: { limit }, value })),
    ),
    counter(
      "elastik_connections_closed",
      "Connections that the server closed: the head or the next request did not arrive in time, a " +
        "new connection needed the place, or a response was not read in time.",
      Object.entries(connections.closed).map(([reason, value]) => ({ labels: { reason }, value })),
    ),
    counter("elastik_accept_errors", "Errors of accepting a connection.", [
      { value: acceptErrors },
    ]),
    bytes("elastik_request_body_bytes", "Request bodies in memory.", bodies.bytes),
    counter("elastik_request_bodies_refused", "Request bodies above the memory limit.", [
      { value: bodies.refused },
    ]),
    counter("elastik_request_bodies_timed_out", "Request bodies that were too slow.", [
      { value: bodies.timedOut },
    ]),
    counter("elastik_request_bodies_short_chunks", "Request bodies in too many short chunks.", [
      { value: bodies.shortChunks },
    ]),
    bytes(
      "elastik_response_body_bytes",
      "Memory of long responses that are being sent.",
      connections.responseBytes,
    ),
    counter("elastik_responses_refused", "Responses above the memory limit.", [
      { value: connections.responsesRefused },
    ]),
    {
      name: "elastik_event_loop_delay_seconds",
      type: "histogram",
      unit: "seconds",
      help: "How late timers fire because the thread is busy.",
      histogram: {
        bounds: DELAY_BOUNDS_SECONDS,
        buckets: eventLoopDelay.buckets,
        sum: eventLoopDelay.seconds,
      },
    },
  ];
}

function counter(name: string, help: string, samples: readonly MetricSample[]): MetricFamily {
  return { name, type: "counter", help, samples };
}

function gauge(name: string, help: string, value: number): MetricFamily {
  return { name, type: "gauge", help, samples: [{ value }] };
}

function bytes(name: string, help: string, value: number): MetricFamily {
  return { ...gauge(name, help, value), unit: "bytes" };
}
