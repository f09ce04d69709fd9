import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { readOtlpTraces, type ReceivedSpan } from '../../deploy/local/traces/received-span.ts';

export interface OtlpCollector {
  /** What a process must have in its environment to send its spans and metrics here, without waiting long. */
  env: Readonly<Record<string, string>>;
  /** All spans so far, in the order of their arrival. */
  spans: readonly ReceivedSpan[];
  /** Names of all metrics so far. */
  metricNames: ReadonlySet<string>;
  /** Waits until `condition` holds for the spans so far; throws with their names when it doesn't within `limitMs`. */
  until: (condition: (spans: readonly ReceivedSpan[]) => boolean, limitMs: number) => Promise<void>;
  close: () => Promise<void>;
}

/** Starts a collector of traces and metrics (OTLP over HTTP, as JSON) on a free port of this machine. */
export async function startOtlpCollector(): Promise<OtlpCollector> {
  const spans: ReceivedSpan[] = [];
  const metricNames = new Set<string>();
  const waiting = new Set<() => void>();

  const server = createServer((request, response) => {
    const receive = async () => {
      const body = await readJson(request);
      if (request.url === '/v1/traces') spans.push(...readOtlpTraces(body));
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

interface OtlpMetrics {
  resourceMetrics?: { scopeMetrics?: { metrics?: { name: string }[] }[] }[];
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
