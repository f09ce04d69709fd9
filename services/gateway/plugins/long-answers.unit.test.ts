import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { propagation, trace } from '@opentelemetry/api';
import { core, tracing } from '@opentelemetry/sdk-node';
import type { FastifyInstance } from 'fastify';
import { createLogger } from '../../../shared/telemetry/logger.ts';
import { createMetrics } from '../../../shared/telemetry/metrics.ts';
import { setTracing } from '../../../shared/telemetry/tracing.ts';
import { until } from '../../../test/support/eventually.ts';
import { buildApp } from '../app.ts';
import type { Ledger } from '../ledger-when-connected.ts';

const exporter = new tracing.InMemorySpanExporter();
const noLedger: Ledger = {
  send: () => Promise.reject(new Error('not asked')),
  ask: () => Promise.reject(new Error('not asked')),
  missing: () => [],
};

let app: FastifyInstance;
let url: string;
let measured: object[];
let logLines: string[];
/** Goes on with the answer. */
let write: (text: string) => void;
let end: () => void;

beforeEach(async () => {
  exporter.reset();
  trace.setGlobalTracerProvider(
    new tracing.BasicTracerProvider({
      sampler: new tracing.AlwaysOnSampler(),
      spanProcessors: [new tracing.SimpleSpanProcessor(exporter)],
    }),
  );
  propagation.setGlobalPropagator(new core.W3CTraceContextPropagator());
  setTracing(true);
  measured = [];
  logLines = [];
  const logger = createLogger('gateway', 'info', { write: (line) => logLines.push(line) });
  const metrics = createMetrics();
  const httpServerDuration = {
    record: (_seconds: number, attributes: object) => measured.push(attributes),
  } as unknown as typeof metrics.httpServerDuration;
  app = await buildApp({ ledger: noLedger, logger, metrics: { ...metrics, httpServerDuration } });
  app.get('/long', (_request, reply) => {
    reply.beginLong();
    write = (text) => void reply.raw.write(text);
    end = () => void reply.raw.end();
    write('begun');
  });
  url = await app.listen({ host: '127.0.0.1', port: 0 });
});
afterEach(async () => {
  await app.close();
  setTracing(false);
  trace.disable();
  propagation.disable();
});

const lines = () => logLines.filter((line) => line.includes('"msg":"request"'));
const attributes = {
  'http.request.method': 'GET',
  'http.route': '/long',
  'http.response.status_code': 200,
};

test('a long answer is measured, and its span is over, when it begins; its line comes when it ends', async () => {
  const answer = await fetch(`${url}/long`);
  expect(answer.headers.get('trace-id')).toMatch(/^[0-9a-f]{32}$/);
  expect(answer.headers.get('x-request-id')).not.toBeNull();
  expect(exporter.getFinishedSpans()).toMatchObject([{ name: 'GET /long', attributes }]);
  expect(measured).toEqual([attributes]);
  expect(lines()).toEqual([]);
  write(' and ended');
  end();
  expect(await answer.text()).toBe('begun and ended');
  await until(() => lines().length > 0);
  expect(JSON.parse(lines()[0] ?? '')).toMatchObject({ route: '/long', status: 200 });
  expect([exporter.getFinishedSpans().length, measured.length, lines().length]).toEqual([1, 1, 1]);
});

test('a caller who leaves one is told of once, with the status that it had', async () => {
  const caller = new AbortController();
  await fetch(`${url}/long`, { signal: caller.signal });
  caller.abort();
  await until(() => lines().length > 0);
  expect(JSON.parse(lines()[0] ?? '')).toMatchObject({ route: '/long', status: 200, callerGone: true });
  expect([exporter.getFinishedSpans().length, measured.length, lines().length]).toEqual([1, 1, 1]);
});
