import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { LedgerClient } from '../shared/messaging/ledger-client/index.ts';
import type { ReceivedSpan } from '../deploy/local/traces/received-span.ts';
import { startOtlpCollector, type OtlpCollector } from './support/otlp-collector.ts';
import { openAccount } from './support/accounts.ts';
import { call } from './support/http.ts';
import { Stack } from './support/stack.ts';

const traceId = '4bf92f3577b34da6a3ce929d0e0e4736';
const callerSpanId = '00f067aa0ba902b7';

const sampledIn = (trace: string) => ({ traceparent: `00-${trace}-${callerSpanId}-01` });

describe('traces', () => {
  let collector: OtlpCollector;
  let stack: Stack;
  let client: LedgerClient;
  beforeAll(async () => {
    collector = await startOtlpCollector();
    // Only what a caller has sampled is traced: the openings of accounts below stay out of sight.
    const env = { ...collector.env, OTEL_TRACES_SAMPLER: 'parentbased_always_off' };
    stack = await Stack.start({ holdPeriodMinutes: 0.02, settlers: 0, env });
    // The settler begins traces of its own: nobody asks it to do what it does.
    await stack.add('settler', { OTEL_TRACES_SAMPLER: 'always_on' });
    ({ client } = await stack.ledgerClient());
  }, 60_000);
  afterAll(async () => {
    await stack.stop();
    await collector.close();
  });

  test('tell a hold’s whole life, from the HTTP request to its settling', async () => {
    const id = await openAccount(client, '10.00');
    const answer = await call(
      stack.url(),
      '/api/substract',
      { id, amount: '4.00' },
      { traceparent: `00-${traceId}-${callerSpanId}-01` },
    );
    expect(answer.status).toBe(200);
    const inTrace = (): ReceivedSpan[] => collector.spans.filter((span) => span.traceId === traceId);
    await collector.until(() => inTrace().filter(({ name }) => name === 'batch').length === 2, 15_000);
    await collector.until(() => inTrace().some(({ name }) => name.startsWith('POST')), 5_000);

    const spans = inTrace();
    const only = (name: string, parent?: string): ReceivedSpan => {
      const found = spans.filter(
        (span) => span.name === name && (parent === undefined || span.parentSpanId === parent),
      );
      expect([name, found.length]).toEqual([name, 1]);
      return found[0] as ReceivedSpan;
    };

    const http = only('POST /api/substract');
    expect([http.service, http.kind, http.parentSpanId]).toEqual([
      'holdfast-gateway',
      'server',
      callerSpanId,
    ]);
    const send = only('send balance.command.subtract', http.spanId);
    expect([send.service, send.kind]).toEqual(['holdfast-gateway', 'client']);
    const processed = only('process balance.command.subtract', send.spanId);
    expect([processed.service, processed.kind]).toEqual(['holdfast-ledger', 'consumer']);

    const batch = only('batch', processed.spanId);
    expect(batch.links).toEqual([{ traceId, spanId: processed.spanId }]);
    const announcing = only('send balance.hold.due', batch.spanId);
    expect([announcing.kind, only('send balance.event', batch.spanId).kind]).toEqual([
      'producer',
      'producer',
    ]);
    expect(statementsOf(batch, spans)).toEqual([
      'BEGIN',
      'COMMIT',
      'SELECT lock-accounts',
      'SELECT look-up',
      'WITH write accounts entries holds',
    ]);

    // Seconds later, and still the same trace: below the span of the command that made the hold.
    const settling = only('settle hold', processed.spanId);
    const settleBatch = only('batch', settling.spanId);
    expect(settling.links).toEqual([{ traceId, spanId: settleBatch.spanId }]);
    // Linked to the settler's own trace: which due message it was, and what it asked.
    const askedIn = settleBatch.links.find((link) => link.traceId !== traceId)?.traceId;
    await collector.until((all) => all.filter((span) => span.traceId === askedIn).length >= 6, 10_000);
    const asking = collector.spans.filter((span) => span.traceId === askedIn);
    expect(asking.map(({ service, name }) => `${service}: ${name}`).toSorted(byText)).toEqual([
      'holdfast-ledger: BEGIN',
      'holdfast-ledger: SELECT claim-settling',
      'holdfast-ledger: SELECT pick-due-holds',
      'holdfast-ledger: process balance.command.settle-due',
      'holdfast-settler: process balance.hold.due',
      'holdfast-settler: send balance.command.settle-due',
    ]);
    // And that one to the sending of the due message, minutes before.
    expect(
      asking.flatMap(({ name, links }) => (name.startsWith('process balance.hold') ? links : [])),
    ).toEqual([{ traceId, spanId: announcing.spanId }]);
    expect(statementsOf(settleBatch, spans)).toContain('COMMIT');
    expect(settling.startMs).toBeGreaterThan(http.endMs);

    expect(spans.filter(({ isError }) => isError)).toEqual([]);
    expect(answer.headers.get('trace-id')).toBe(traceId);
  }, 30_000);

  test.each(['settle', 'release'])(
    'tell of a hold that its caller ends by %s, in the trace of who made it and of who ended it',
    async (kind) => {
      const id = await openAccount(client, '10.00');
      const [made, over] =
        kind === 'settle' ? ['2'.repeat(32), '3'.repeat(32)] : ['4'.repeat(32), '5'.repeat(32)];
      const held = await call(
        stack.url(),
        '/api/substract',
        { id, amount: '4.00', dueInSeconds: 600 },
        sampledIn(made),
      );
      const { id: holdId } = held.body['hold'] as { id: string };
      const ended = await call(stack.url(), `/api/${kind}`, { id, holdId }, sampledIn(over));
      expect(ended.status).toBe(200);
      const find = (trace: string, name: string): ReceivedSpan | undefined =>
        collector.spans.find((span) => span.traceId === trace && span.name === name);
      const wanted = [
        [made, 'process balance.command.subtract'],
        [over, `process balance.command.${kind}`],
        [made, `${kind} hold`],
      ] as const;
      await collector.until(() => wanted.every(([trace, name]) => find(trace, name) !== undefined), 10_000);
      const [making, ending, end] = wanted.map(([trace, name]) => find(trace, name));
      expect(end?.parentSpanId).toBe(making?.spanId);
      expect(end?.links).toEqual([{ traceId: over, spanId: ending?.spanId }]);
    },
  );

  test('tell of a hold that a caller ends who is not sampled', async () => {
    const id = await openAccount(client, '10.00');
    const made = '6'.repeat(32);
    const held = await call(
      stack.url(),
      '/api/substract',
      { id, amount: '4.00', dueInSeconds: 600 },
      sampledIn(made),
    );
    const { id: holdId } = held.body['hold'] as { id: string };
    expect((await call(stack.url(), '/api/release', { id, holdId })).status).toBe(200);
    const ends = () =>
      collector.spans.filter(({ traceId: of, name }) => of === made && name === 'release hold');
    await collector.until(() => ends().length > 0, 10_000);
    expect(ends()).toMatchObject([{ links: [] }]);
  });

  test('mark a refusal, but not as an error', async () => {
    const id = await openAccount(client);
    const refusedTrace = '11111111111111111111111111111111';
    const { status } = await call(
      stack.url(),
      '/api/substract',
      { id, amount: '4.00' },
      { traceparent: `00-${refusedTrace}-${callerSpanId}-01` },
    );
    expect(status).toBe(409);
    const inTrace = (): ReceivedSpan[] => collector.spans.filter((span) => span.traceId === refusedTrace);
    await collector.until(() => inTrace().some(({ name }) => name.startsWith('POST')), 10_000);
    await collector.until(() => inTrace().some(({ name }) => name.startsWith('process')), 10_000);
    const processed = inTrace().find(({ name }) => name === 'process balance.command.subtract');
    expect(processed?.attributes['holdfast.outcome']).toBe('insufficient_funds');
    const marked = inTrace().filter(({ attributes }) => 'holdfast.refusal.code' in attributes);
    expect(marked.map(({ name }) => name).toSorted(byText)).toEqual([
      'process balance.command.subtract',
      'send balance.command.subtract',
    ]);
    expect(inTrace().filter(({ isError }) => isError)).toEqual([]);
  }, 30_000);

  test('leave out what nobody sampled', () => {
    expect(collector.spans.filter(({ name }) => name.includes('balance.command.open'))).toEqual([]);
  });
});

function statementsOf(batch: ReceivedSpan, spans: readonly ReceivedSpan[]): string[] {
  return spans
    .filter(({ parentSpanId, kind }) => parentSpanId === batch.spanId && kind === 'client')
    .map(({ name }) => name)
    .toSorted(byText);
}

function byText(left: string, right: string): number {
  return left < right ? -1 : 1;
}
