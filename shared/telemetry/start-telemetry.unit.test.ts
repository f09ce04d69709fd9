import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { startOtlpCollector, type OtlpCollector } from '../../test/support/otlp-collector.ts';
import { runTypeScript } from '../../test/support/run-typescript.ts';

interface Report {
  enabled: boolean;
  tracing: boolean;
  sent?: string;
  modules: string[];
  shutdownMs: number;
}

/** Runs the telemetry fixture as a process of its own; answers its report and its log lines. */
async function run(env: Record<string, string>) {
  const script = runTypeScript('test/fixtures/telemetry.ts', env);
  const exitCode = await script.ended;
  const lines = script
    .stdout()
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>);
  expect([exitCode, script.stderr()]).toEqual([0, '']);
  return { report: lines.at(-1) as unknown as Report, log: lines.slice(0, -1) };
}

describe('telemetry switched off', () => {
  test.each([
    ['by default', {}],
    ['when the endpoint is empty', { OTEL_EXPORTER_OTLP_ENDPOINT: '' }],
    [
      'when the SDK is disabled',
      { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:9', OTEL_SDK_DISABLED: 'TRUE' },
    ],
  ])('loads no module of the SDK and makes no span %s', async (_, env) => {
    const { report, log } = await run({
      ...env,
      FIXTURE_TRACEPARENT: `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`,
    });
    expect(report).toMatchObject({ enabled: false, tracing: false, modules: ['api'] });
    expect(report).not.toHaveProperty('sent');
    expect(log).toEqual([expect.not.objectContaining({ trace_id: expect.anything() })]);
  });
});

describe('telemetry switched on', () => {
  let collector: OtlpCollector;
  beforeEach(async () => {
    collector = await startOtlpCollector();
  });
  afterEach(() => collector.close());

  test('sends one connected trace, whole at shutdown, and metrics', async () => {
    const { report, log } = await run({
      ...collector.env,
      FIXTURE_TRACEPARENT: `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`,
    });
    expect(report).toMatchObject({ enabled: true, tracing: true });

    const byName = new Map(collector.spans.map((span) => [span.name, span]));
    const idOf = (name: string) => byName.get(name)?.spanId;
    expect(
      Object.fromEntries(collector.spans.map(({ name, kind, parentSpanId }) => [name, [kind, parentSpanId]])),
    ).toEqual({
      'POST /api/substract': ['server', 'b'.repeat(16)],
      send: ['producer', idOf('POST /api/substract')],
      process: ['consumer', idOf('send')],
      batch: ['internal', idOf('process')],
      COMMIT: ['client', idOf('batch')],
      'settle hold': ['internal', idOf('send')],
    });
    expect(collector.spans).toHaveLength(6);
    expect(new Set(collector.spans.map((span) => span.traceId))).toEqual(new Set(['a'.repeat(32)]));
    expect(byName.get('settle hold')?.links).toEqual([{ traceId: 'a'.repeat(32), spanId: idOf('batch') }]);
    expect(byName.get('batch')?.links).toEqual([{ traceId: 'a'.repeat(32), spanId: idOf('process') }]);

    expect(byName.get('process')).toMatchObject({
      service: 'holdfast-example',
      resource: {
        'service.instance.id': 'instance-1',
        'service.version': expect.stringMatching(/^\d+\.\d+\.\d+/),
      },
      attributes: { 'holdfast.refusal.code': 'insufficient_funds' },
      isError: false,
    });
    expect(byName.get('settle hold')).toMatchObject({
      attributes: { 'error.type': 'EHOSTUNREACH' },
      isError: true,
    });
    expect(collector.metricNames).toEqual(
      new Set(['holdfast.commands', 'holdfast.batch.size', 'holdfast.outbox.depth']),
    );
    expect(log).toContainEqual(
      expect.objectContaining({
        msg: 'inside the request',
        trace_id: 'a'.repeat(32),
        span_id: idOf('POST /api/substract'),
      }),
    );
  });

  test('makes no span below one that is not sampled', async () => {
    const { report } = await run({
      ...collector.env,
      FIXTURE_TRACEPARENT: `00-${'a'.repeat(32)}-${'b'.repeat(16)}-00`,
    });
    expect(report.tracing).toBe(true);
    expect(report).not.toHaveProperty('sent');
    expect(collector.spans).toEqual([]);
  });

  test.each([
    // The ratio is for new traces alone.
    ['parentbased_traceidratio', '0', '01', 6],
    ['parentbased_traceidratio', '1', undefined, 6],
    ['parentbased_traceidratio', '0', undefined, 0],
    ['parentbased_traceidratio', '1', '00', 0],
    // What can't be a ratio is left to the SDK, which warns and takes them all.
    ['parentbased_traceidratio', 'half', undefined, 6],
    ['parentbased_traceidratio', '', undefined, 6],
    ['traceidratio', '0', '01', 0],
    ['always_off', '', '01', 0],
  ])('samples by %s with %j what comes with flags %s: %i spans', async (sampler, ratio, flags, spans) => {
    const { report } = await run({
      ...collector.env,
      OTEL_TRACES_SAMPLER: sampler,
      OTEL_TRACES_SAMPLER_ARG: ratio,
      ...(flags !== undefined && { FIXTURE_TRACEPARENT: `00-${'a'.repeat(32)}-${'b'.repeat(16)}-${flags}` }),
    });
    expect([collector.spans.length, 'sent' in report]).toEqual([spans, spans > 0]);
  });

  test('obeys the standard variables', async () => {
    await run({
      ...collector.env,
      OTEL_EXPORTER_OTLP_ENDPOINT: '',
      OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: `${collector.env['OTEL_EXPORTER_OTLP_ENDPOINT']}/v1/traces`,
      OTEL_SERVICE_NAME: 'my-name',
      OTEL_RESOURCE_ATTRIBUTES: 'deployment.environment.name=here',
    });
    expect(collector.spans).toHaveLength(6);
    expect(collector.spans[0]).toMatchObject({
      service: 'my-name',
      resource: { 'deployment.environment.name': 'here', 'service.instance.id': 'instance-1' },
    });
    expect(collector.metricNames).toEqual(new Set());
  });
});

describe('a collector that does not work', () => {
  test('is no error when nobody listens', async () => {
    const { log } = await run({ OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:9' });
    expect(log.filter(({ level }) => level === 'error' || level === 'fatal')).toEqual([]);
  });

  test('does not hold up the stop when it never answers', async () => {
    const silent = createServer((socket) => socket.on('error', () => {}));
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
    silent.unref();
    const { port } = silent.address() as AddressInfo;
    const { report, log } = await run({
      OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${port}`,
      OTEL_EXPORTER_OTLP_TIMEOUT: '20000',
    });
    expect(report.shutdownMs).toBeLessThan(10_000);
    expect(log.filter(({ level }) => level === 'error' || level === 'fatal')).toEqual([]);
    silent.close();
  });
});
