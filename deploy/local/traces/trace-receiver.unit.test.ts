import { describe, expect, test } from '@jest/globals';
import { envForTraces, startTraceReceiver, tracesGoElsewhere } from './trace-receiver.ts';

const traceId = '4bf92f3577b34da6a3ce929d0e0e4736';

/** As OpenTelemetry's own exporter writes it. */
const exported = {
  resourceSpans: [
    {
      resource: { attributes: [{ key: 'service.name', value: { stringValue: 'holdfast-ledger' } }] },
      scopeSpans: [
        {
          scope: { name: 'holdfast' },
          spans: [
            {
              traceId,
              spanId: '00f067aa0ba902b7',
              name: 'COMMIT',
              kind: 3,
              startTimeUnixNano: '1769860800000000000',
              endTimeUnixNano: '1769860800002500000',
              attributes: [{ key: 'db.operation.name', value: { stringValue: 'COMMIT' } }],
              droppedAttributesCount: 0,
              events: [],
              status: { code: 2, message: 'gone' },
              links: [],
            },
          ],
        },
      ],
    },
  ],
};

describe('the receiver of traces', () => {
  test('keeps what it is sent, refuses what it does not know, and answers', async () => {
    const { url, close } = await startTraceReceiver();
    try {
      const post = (body: unknown) =>
        fetch(`${url}/v1/traces`, {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify(body),
        });
      expect((await post(exported)).status).toBe(200);
      expect((await post({ resourceSpans: [{ scopeSpans: [{ spans: [{}] }] }] })).ok).toBe(false);
      const answer = await fetch(`${url}/traces/${traceId}`);
      expect(await answer.json()).toMatchObject({
        traces: [
          {
            traceId,
            spans: [
              {
                service: 'holdfast-ledger',
                name: 'COMMIT',
                kind: 'client',
                isError: true,
                startMs: 1769860800000,
                endMs: 1769860800002.5,
              },
            ],
          },
        ],
      });
      expect(await (await fetch(`${url}/traces/${'0'.repeat(32)}`)).json()).toEqual({ traces: [] });
    } finally {
      await close();
    }
  });
});

const delayOf = (env: Record<string, string>) =>
  ({ ...env, ...envForTraces('http://127.0.0.1:1', env, false) })['OTEL_BSP_SCHEDULE_DELAY'];

const sampler = (env: Record<string, string>, isProduction: boolean) =>
  envForTraces('http://127.0.0.1:1', env, isProduction)['OTEL_TRACES_SAMPLER'];

describe('the services', () => {
  test.each([
    [{}, false],
    [{ OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:4318' }, true],
    [{ OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'http://127.0.0.1:4318/v1/traces' }, true],
    [{ OTEL_EXPORTER_OTLP_ENDPOINT: ' ' }, false],
    [{ OTEL_TRACES_EXPORTER: 'none' }, true],
    [{ OTEL_TRACES_EXPORTER: 'otlp' }, false],
    [{ OTEL_SDK_DISABLED: 'true' }, true],
    [{ OTEL_TRACES_SAMPLER: 'always_off' }, false],
  ])('with %j send their traces elsewhere: %s', (env, elsewhere) => {
    expect(tracesGoElsewhere(env)).toBe(elsewhere);
  });

  test('send as often as one asks for, else each second', () => {
    expect([delayOf({}), delayOf({ OTEL_BSP_SCHEDULE_DELAY: '50' })]).toEqual(['1000', '50']);
  });

  test('sample one request in a hundred in production, and what one asks for anywhere', () => {
    expect(sampler({}, false)).toBeUndefined();
    expect(sampler({}, true)).toBe('parentbased_traceidratio');
    expect(sampler({ OTEL_TRACES_SAMPLER: 'always_on' }, true)).toBeUndefined();
  });
});
