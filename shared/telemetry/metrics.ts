import { metrics, type Attributes, type Counter, type Gauge, type Histogram } from '@opentelemetry/api';
import { attributeNames } from './conventions.ts';
import { gaugeOf, meterName } from './gauges.ts';

interface MetricFacts {
  kind: 'counter' | 'histogram' | 'gauge';
  name: string;
  /** As UCUM has it: `s`, or a word in braces for things that are counted. */
  unit: string;
  description: string;
  /** Upper bounds of a histogram's buckets, in the unit. */
  buckets?: readonly number[];
  /** The attributes of its measurements. None has an unbounded number of values: no ids, names or paths. */
  attributes: readonly string[];
}

/** The conventions' own for requests, with finer steps at the low end, where a good answer takes 1 to 5 ms. */
const seconds = [
  0.001, 0.0025, 0.005, 0.0075, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10,
];

const messaging = [
  attributeNames.messagingSystem,
  attributeNames.messagingDestinationName,
  attributeNames.messagingOperationName,
  attributeNames.messagingOperationType,
];

/** Every metric there is. What each is called here is also how code calls it: `metrics.batchSize.record(…)`. */
export const metricCatalogue = {
  commands: {
    kind: 'counter',
    name: 'holdfast.commands',
    unit: '{command}',
    description: 'Commands answered by the ledger, by kind and outcome.',
    attributes: [attributeNames.commandKind, attributeNames.outcome],
  },
  httpServerDuration: {
    kind: 'histogram',
    name: 'http.server.request.duration',
    unit: 's',
    description:
      'From the first byte of an HTTP request to the last of its answer (of a stream, to its headers), by method, route and status.',
    buckets: seconds,
    attributes: [
      attributeNames.httpRequestMethod,
      attributeNames.httpRoute,
      attributeNames.httpResponseStatusCode,
    ],
  },
  eventStreams: {
    kind: 'gauge',
    name: 'holdfast.event.streams',
    unit: '{stream}',
    description: 'Streams of facts over HTTP that a gateway has open; past 1,000 new ones are refused.',
    attributes: [],
  },
  natsRequestDuration: {
    kind: 'histogram',
    name: 'messaging.client.operation.duration',
    unit: 's',
    description:
      'From sending a message over NATS to its answer or acknowledgement, by subject; retries are messages of their own.',
    buckets: seconds,
    attributes: messaging,
  },
  processDuration: {
    kind: 'histogram',
    name: 'messaging.process.duration',
    unit: 's',
    description:
      'From when the ledger took a batch’s longest-waiting command to its answer: waiting, deciding and the commit.',
    buckets: seconds,
    attributes: [],
  },
  queueWait: {
    kind: 'histogram',
    name: 'holdfast.queue.wait',
    unit: 's',
    description: 'How long the longest-waiting command of a batch waited in the ledger for its turn.',
    buckets: seconds,
    attributes: [],
  },
  queueDepth: {
    kind: 'gauge',
    name: 'holdfast.queue.depth',
    unit: '{command}',
    description: 'Commands that wait in the ledger for their turn; past 8,192 new ones are refused.',
    attributes: [],
  },
  batchSize: {
    kind: 'histogram',
    name: 'holdfast.batch.size',
    unit: '{command}',
    description: 'Commands in one transaction of the ledger.',
    buckets: [1, 2, 4, 8, 16, 32, 64, 128, 256, 512],
    attributes: [],
  },
  transactionDuration: {
    kind: 'histogram',
    name: 'holdfast.transaction.duration',
    unit: 's',
    description: 'From the begin of a batch or settle turn to its commit, tries included.',
    buckets: seconds,
    attributes: [],
  },
  settleLag: {
    kind: 'histogram',
    name: 'holdfast.hold.settle.lag',
    unit: 's',
    description: 'From when a hold fell due to when it was settled, or released if it was to be.',
    buckets: [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 10, 30, 60, 300],
    attributes: [],
  },
  holdsPending: {
    kind: 'gauge',
    name: 'holdfast.holds.pending',
    unit: '{hold}',
    description: 'Holds that are pending: counted up to 10,000, past that the estimate of the last ANALYZE.',
    attributes: [],
  },
  holdsOverdue: {
    kind: 'gauge',
    name: 'holdfast.holds.overdue',
    unit: '{hold}',
    description: 'Pending holds that fell due more than 5 s ago, counted up to 10,000.',
    attributes: [],
  },
  holdsOverdueAge: {
    kind: 'gauge',
    name: 'holdfast.holds.overdue.age',
    unit: 's',
    description: 'How long ago the oldest pending hold fell due; 0 while none is due.',
    attributes: [],
  },
  outboxDepth: {
    kind: 'gauge',
    name: 'holdfast.outbox.depth',
    unit: '{message}',
    description:
      'Messages written to the outbox and not yet known to have reached the broker, counted up to 10,001.',
    attributes: [],
  },
  outboxAge: {
    kind: 'gauge',
    name: 'holdfast.outbox.age',
    unit: 's',
    description:
      'Age of the oldest outbox message that the relay has to send; 0 when nothing was left behind.',
    attributes: [],
  },
  parkedMessages: {
    kind: 'gauge',
    name: 'holdfast.due.parked',
    unit: '{message}',
    description:
      'Due messages that the broker keeps for later or a settler works on: at most about one per coming second of each ledger.',
    attributes: [],
  },
  redeliveries: {
    kind: 'counter',
    name: 'holdfast.redeliveries',
    unit: '{message}',
    description:
      'Messages of a stream delivered more often than its rule (a due message twice: parked, and when due), by consumer.',
    attributes: [attributeNames.messagingConsumerGroupName],
  },
  reconnects: {
    kind: 'counter',
    name: 'holdfast.reconnects',
    unit: '{connection}',
    description: 'Connections made again after a loss, to NATS or for the ledger’s writing to Postgres.',
    attributes: [attributeNames.peer],
  },
  poolConnections: {
    kind: 'gauge',
    name: 'db.client.connection.count',
    unit: '{connection}',
    description: 'The ledger’s connections to Postgres for all but batches and settling, by pool and state.',
    attributes: [attributeNames.dbPoolName, attributeNames.dbConnectionState],
  },
  poolPending: {
    kind: 'gauge',
    name: 'db.client.connection.pending_requests',
    unit: '{request}',
    description: 'Queries that wait for a connection, by pool.',
    attributes: [attributeNames.dbPoolName],
  },
  ready: {
    kind: 'gauge',
    name: 'holdfast.ready',
    unit: '{service}',
    description: 'Whether the service can serve: 1, or 0 while something is missing, which /readyz tells.',
    attributes: [],
  },
  eventLoopDelayP99: {
    kind: 'gauge',
    name: 'nodejs.eventloop.delay.p99',
    unit: 's',
    description:
      'How late timers were in the last 10 s, 99th percentile: what everything else in the process waits.',
    attributes: [],
  },
  eventLoopDelayMax: {
    kind: 'gauge',
    name: 'nodejs.eventloop.delay.max',
    unit: 's',
    description: 'How late a timer was at most in the last 10 s.',
    attributes: [],
  },
  eventLoopUtilization: {
    kind: 'gauge',
    name: 'nodejs.eventloop.utilization',
    unit: '1',
    description:
      'Part of the last 10 s in which the event loop was busy, 0 to 1; near 1 the process is the limit.',
    attributes: [],
  },
  memoryUsage: {
    kind: 'gauge',
    name: 'process.memory.usage',
    unit: 'By',
    description: 'Memory that the process keeps resident.',
    attributes: [],
  },
} as const satisfies Record<string, MetricFacts>;

interface Instruments {
  counter: Counter;
  histogram: Histogram;
  gauge: Gauge;
}

export type Metrics = {
  readonly [Name in keyof typeof metricCatalogue]: Instruments[(typeof metricCatalogue)[Name]['kind']];
};

let measuring = false;

/** For `startTelemetry`: says that metrics go somewhere. */
export function setMeasuring(on: boolean): void {
  measuring = on;
}

/** Whether metrics go somewhere. Ask it before work that is done for a metric alone. */
export function isMeasuring(): boolean {
  return measuring;
}

/** The instruments of all metrics. Made after `startTelemetry`: counters made before it count nothing, for good. */
export function createMetrics(): Metrics {
  return Object.fromEntries(
    Object.entries(metricCatalogue).map(([key, facts]) => [key, instrument(facts)]),
  ) as unknown as Metrics;
}

/** For a histogram of durations: the seconds since `startedAtMs` by `performance.now()`. */
export function secondsSince(startedAtMs: number): number {
  return (performance.now() - startedAtMs) / 1_000;
}

/**
 * Counts one series of a counter, which is there from the start: of one that begins with a 1, Prometheus can't tell that
 * it grew.
 */
export function countFromZero(counter: Counter, attributes: Attributes): () => void {
  counter.add(0, attributes);
  return () => counter.add(1, attributes);
}

function instrument(facts: MetricFacts): Counter | Histogram | Gauge {
  const meter = metrics.getMeter(meterName);
  const { name, unit, description, buckets } = facts;
  switch (facts.kind) {
    case 'counter':
      return meter.createCounter(name, { unit, description });
    case 'histogram':
      return meter.createHistogram(name, {
        unit,
        description,
        ...(buckets === undefined ? {} : { advice: { explicitBucketBoundaries: [...buckets] } }),
      });
    case 'gauge':
      return gaugeOf({ name, unit, description });
    default:
      return facts.kind satisfies never;
  }
}

/** What a metric is called in Prometheus text, here and behind an OpenTelemetry collector: units are spelled out. */
export function prometheusName({ kind, name, unit }: Pick<MetricFacts, 'kind' | 'name' | 'unit'>): string {
  const withUnit = name.replaceAll('.', '_') + (unitSuffixes[unit] ?? '');
  return kind === 'counter' ? `${withUnit}_total` : withUnit;
}

/** Words in braces are no units there. */
export const unitSuffixes: Readonly<Record<string, string>> = { s: '_seconds', By: '_bytes', '1': '_ratio' };
