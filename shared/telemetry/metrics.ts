import { metrics, type Counter, type Gauge, type Histogram } from '@opentelemetry/api';

interface MetricFacts {
  kind: 'counter' | 'histogram' | 'gauge';
  name: string;
  /** As UCUM has it: `s`, or a word in braces for things that are counted. */
  unit: string;
  description: string;
  /** Upper bounds of a histogram's buckets, in the unit. */
  buckets?: readonly number[];
}

/** The conventions' own for requests, with finer steps at the low end, where a good answer takes 1 to 5 ms. */
const SECONDS = [
  0.001, 0.0025, 0.005, 0.0075, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10,
];

/** Every metric there is. What each is called here is also how code calls it: `metrics.commands.add(1, …)`. */
export const METRICS = {
  commands: {
    kind: 'counter',
    name: 'holdfast.commands',
    unit: '{command}',
    description: 'Commands answered by the ledger, by kind and outcome.',
  },
  httpServerDuration: {
    kind: 'histogram',
    name: 'http.server.request.duration',
    unit: 's',
    description:
      'From the first byte of an HTTP request to the last of its answer, by method, route and status.',
    buckets: SECONDS,
  },
  natsRequestDuration: {
    kind: 'histogram',
    name: 'messaging.client.operation.duration',
    unit: 's',
    description:
      'From sending a request over NATS to its answer, by subject; retries are requests of their own.',
    buckets: SECONDS,
  },
  batchSize: {
    kind: 'histogram',
    name: 'holdfast.batch.size',
    unit: '{command}',
    description: 'Commands in one transaction of the ledger.',
    buckets: [1, 2, 4, 8, 16, 32, 64, 128, 256, 512],
  },
  transactionDuration: {
    kind: 'histogram',
    name: 'holdfast.transaction.duration',
    unit: 's',
    description: 'From the begin of a batch transaction to its commit.',
    buckets: SECONDS,
  },
  settleLag: {
    kind: 'histogram',
    name: 'holdfast.hold.settle.lag',
    unit: 's',
    description: 'From when a hold fell due to when it was settled.',
    buckets: [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 10, 30, 60, 300],
  },
  outboxDepth: {
    kind: 'gauge',
    name: 'holdfast.outbox.depth',
    unit: '{message}',
    description: 'Messages written to the outbox and not yet known to have reached the broker.',
  },
} as const satisfies Record<string, MetricFacts>;

interface Instruments {
  counter: Counter;
  histogram: Histogram;
  gauge: Gauge;
}

export type Metrics = {
  readonly [Name in keyof typeof METRICS]: Instruments[(typeof METRICS)[Name]['kind']];
};

/** The instruments of all metrics. Made after `startTelemetry`: those made before it record nothing, for good. */
export function createMetrics(): Metrics {
  return Object.fromEntries(
    Object.entries(METRICS).map(([key, facts]) => [key, instrument(facts)]),
  ) as unknown as Metrics;
}

function instrument(facts: MetricFacts): Counter | Histogram | Gauge {
  const meter = metrics.getMeter('holdfast');
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
      return meter.createGauge(name, { unit, description });
    default:
      return facts.kind satisfies never;
  }
}
