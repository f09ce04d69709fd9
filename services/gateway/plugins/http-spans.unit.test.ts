import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { propagation, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api';
import { core, tracing } from '@opentelemetry/sdk-node';
import type { FastifyInstance } from 'fastify';
import { eventually } from '../../../test/support/eventually.ts';
import { createLogger } from '../../../shared/telemetry/logger.ts';
import { createMetrics } from '../../../shared/telemetry/metrics.ts';
import { setTracing, type Span } from '../../../shared/telemetry/tracing.ts';
import { buildApp } from '../app.ts';
import type { Ledger } from '../ledger-when-connected.ts';

const traceId = '0af7651916cd43dd8448eb211c80319c';
const accountId = '26c940a1-7228-4ea2-a3bc-e6460b172040';

describe('HTTP server spans', () => {
  let app: FastifyInstance;
  let logLines: string[];
  let parentSpans: (Span | undefined)[];
  let questions: string[];
  const exporter = new tracing.InMemorySpanExporter();
  const ledger: Ledger = {
    send: (async (_kind: string, _command: object, options: { parentSpan?: Span }) => {
      parentSpans.push(options.parentSpan);
      return { ok: false, error: { code: 'unavailable', detail: 'not today' } };
    }) as unknown as Ledger['send'],
    ask: (kind) => {
      questions.push(kind);
      return new Promise(() => undefined);
    },
    missing: () => [],
  };

  beforeEach(async () => {
    exporter.reset();
    parentSpans = [];
    questions = [];
    logLines = [];
    trace.setGlobalTracerProvider(
      new tracing.BasicTracerProvider({
        sampler: new tracing.ParentBasedSampler({ root: new tracing.AlwaysOnSampler() }),
        spanProcessors: [new tracing.SimpleSpanProcessor(exporter)],
      }),
    );
    propagation.setGlobalPropagator(new core.W3CTraceContextPropagator());
    setTracing(true);
    const logger = createLogger('gateway', 'info', { write: (line) => logLines.push(line) });
    const traceUrl = 'https://traces.example/trace/';
    app = await buildApp({ ledger, logger, metrics: createMetrics(), traceUrl });
  });
  afterEach(async () => {
    await app.close();
    setTracing(false);
    trace.disable();
    propagation.disable();
  });

  const add = (traceparent: string) =>
    app.inject({
      method: 'POST',
      url: '/api/add',
      headers: { traceparent },
      payload: { id: accountId, amount: '1' },
    });

  test('go below the caller’s span, and the ledger’s below them', async () => {
    const answer = await add(`00-${traceId}-b7ad6b7169203331-01`);
    const [span] = exporter.getFinishedSpans();
    expect(span).toMatchObject({
      name: 'POST /api/add',
      kind: SpanKind.SERVER,
      parentSpanContext: { traceId, spanId: 'b7ad6b7169203331' },
      status: { code: SpanStatusCode.ERROR },
      attributes: {
        'http.request.method': 'POST',
        'http.route': '/api/add',
        'http.response.status_code': 503,
        'url.scheme': 'http',
        'url.path': '/api/add',
        'error.type': '503',
      },
    });
    expect(answer.headers['trace-id']).toBe(traceId);
    expect(answer.json()).toMatchObject({
      code: 'unavailable',
      traceId,
      trace: `https://traces.example/trace/${traceId}`,
    });
    expect(parentSpans.map((each) => each?.spanContext().spanId)).toEqual([span?.spanContext().spanId]);
    expect(logLines.join('')).toContain(`"trace_id":"${traceId}"`);
  });

  test('start a trace for a caller without one, and do not call its mistakes errors', async () => {
    const answer = await app.inject('/nope');
    const [span] = exporter.getFinishedSpans();
    expect(span).toMatchObject({ name: 'GET', status: { code: SpanStatusCode.UNSET } });
    expect(answer.headers['trace-id']).toBe(span?.spanContext().traceId);
  });

  test('end when the caller goes before it is answered', async () => {
    const origin = await app.listen({ port: 0, host: '127.0.0.1' });
    const caller = new AbortController();
    const asking = fetch(`${origin}/api/status/${accountId}?secret=1`, { signal: caller.signal });
    await eventually(async () => questions[0]);
    caller.abort();
    await expect(asking).rejects.toThrow('aborted');
    const span = await eventually(async () => exporter.getFinishedSpans()[0]);
    expect(span.attributes).not.toHaveProperty('http.response.status_code');
    expect(span.attributes['url.path']).toBe(`/api/status/${accountId}`);
  });

  test('are not made for probes', async () => {
    const answer = await app.inject('/readyz');
    expect(exporter.getFinishedSpans()).toEqual([]);
    expect(answer.headers).not.toHaveProperty('trace-id');
  });

  test('are not made for a caller that does not sample', async () => {
    const answer = await add(`00-${traceId}-b7ad6b7169203331-00`);
    expect(exporter.getFinishedSpans()).toEqual([]);
    expect(answer.headers).not.toHaveProperty('trace-id');
    expect(Object.keys(answer.json())).toEqual(expect.not.arrayContaining(['traceId', 'trace']));
    expect(parentSpans).toEqual([undefined]);
  });
});
