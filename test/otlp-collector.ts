import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A span as it reached the collector. */
export interface CollectedSpan {
  /** The resource's `service.name`. */
  service: string;
  /** The resource's attributes. */
  resource: Readonly<Record<string, unknown>>;
  traceId: string;
  spanId: string;
  /** Undefined for the first span of a trace. */
  parentSpanId: string | undefined;
  name: string;
  kind: 'internal' | 'server' | 'client' | 'producer' | 'consumer';
  attributes: Readonly<Record<string, unknown>>;
  links: readonly { traceId: string; spanId: string }[];
  isError: boolean;
  startMs: number;
  endMs: number;
}

export interface OtlpCollector {
  /** What a process must have in its environment to send its spans and metrics here, without waiting long. */
  env: Readonly<Record<string, string>>;
  /** All spans so far, in the order of their arrival. */
  spans: readonly CollectedSpan[];
  /** Names of all metrics so far. */
  metricNames: ReadonlySet<string>;
  /** Waits until `condition` holds for the spans so far; throws with their names when it doesn't within `limitMs`. */
  until: (condition: (spans: readonly CollectedSpan[]) => boolean, limitMs: number) => Promise<void>;
  close: () => Promise<void>;
}

/** Starts a collector of traces and metrics (OTLP over HTTP, as JSON) on a free port of this machine. */
export async function startOtlpCollector(): Promise<OtlpCollector> {
  const spans: CollectedSpan[] = [];
  const metricNames = new Set<string>();
  const waiting = new Set<() => void>();

  const server = createServer((request, response) => {
    const receive = async () => {
      const body = await readJson(request);
      if (request.url === '/v1/traces') spans.push(...readSpans(body as OtlpTraces));
      if (request.url === '/v1/metrics')
        for (const name of readMetricNames(body as OtlpMetrics)) metricNames.add(name);
      response.writeHead(200, { 'content-type': 'application/json' }).end('{}');
      for (const look of waiting) look();
    };
    receive().catch((error: unknown) => response.writeHead(400).end(String(error)));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;

  return {
    env: {
      OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${port}`,
      OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json',
      OTEL_BSP_SCHEDULE_DELAY: '100',
      OTEL_METRIC_EXPORT_INTERVAL: '500',
      OTEL_METRIC_EXPORT_TIMEOUT: '500',
    },
    spans,
    metricNames,
    until: (condition, limitMs) =>
      new Promise((resolve, reject) => {
        const end = (error?: Error) => {
          clearTimeout(timer);
          waiting.delete(look);
          if (error === undefined) resolve();
          else reject(error);
        };
        const look = () => {
          if (condition(spans)) end();
        };
        const timer = setTimeout(() => {
          const names = spans.map((span) => `${span.service}: ${span.name}`).join('\n');
          end(new Error(`the spans awaited did not come within ${limitMs} ms; these did:\n${names}`));
        }, limitMs);
        waiting.add(look);
        look();
      }),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

interface OtlpAttribute {
  key: string;
  value: Readonly<Record<string, unknown>>;
}

interface OtlpTraces {
  resourceSpans?: {
    resource?: { attributes?: OtlpAttribute[] };
    scopeSpans?: {
      spans?: {
        traceId: string;
        spanId: string;
        parentSpanId?: string;
        name: string;
        kind: number;
        attributes?: OtlpAttribute[];
        links?: { traceId: string; spanId: string }[];
        status?: { code?: number };
        startTimeUnixNano: string;
        endTimeUnixNano: string;
      }[];
    }[];
  }[];
}

interface OtlpMetrics {
  resourceMetrics?: { scopeMetrics?: { metrics?: { name: string }[] }[] }[];
}

/** In the order of OTLP's numbers, from 1. */
const KINDS = ['internal', 'server', 'client', 'producer', 'consumer'] as const;
const STATUS_ERROR = 2;

function readSpans(body: OtlpTraces): CollectedSpan[] {
  return (body.resourceSpans ?? []).flatMap(({ resource, scopeSpans = [] }) => {
    const resourceAttributes = readAttributes(resource?.attributes);
    return scopeSpans
      .flatMap((scope) => scope.spans ?? [])
      .map((span) => ({
        service: String(resourceAttributes['service.name']),
        resource: resourceAttributes,
        traceId: span.traceId,
        spanId: span.spanId,
        parentSpanId: span.parentSpanId === '' ? undefined : span.parentSpanId,
        name: span.name,
        kind: KINDS[span.kind - 1] ?? 'internal',
        attributes: readAttributes(span.attributes),
        links: (span.links ?? []).map(({ traceId, spanId }) => ({ traceId, spanId })),
        isError: span.status?.code === STATUS_ERROR,
        startMs: Number(BigInt(span.startTimeUnixNano) / 1_000_000n),
        endMs: Number(BigInt(span.endTimeUnixNano) / 1_000_000n),
      }));
  });
}

/** A value comes as an object with the one field that has its type, such as `{ "stringValue": "nats" }`. */
function readAttributes(attributes: readonly OtlpAttribute[] = []): Record<string, unknown> {
  return Object.fromEntries(attributes.map(({ key, value }) => [key, Object.values(value)[0]]));
}

function readMetricNames(body: OtlpMetrics): string[] {
  return (body.resourceMetrics ?? [])
    .flatMap((resource) => resource.scopeMetrics ?? [])
    .flatMap((scope) => scope.metrics ?? [])
    .map((metric) => metric.name);
}

async function readJson(request: IncomingMessage): Promise<unknown> {
  let text = '';
  request.setEncoding('utf8');
  for await (const chunk of request) text += String(chunk);
  return JSON.parse(text);
}
