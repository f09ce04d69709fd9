import { describe, expect, test } from '@jest/globals';
import { someSpan } from '../../../test/support/spans.ts';
import { TraceStore } from './trace-store.ts';

const hold = '01a211e6-58e6-7ebb-8cd2-ef19d67986a4';
const command = '18468782-919b-80cc-9ca6-57f798ac4bc6';

describe('kept traces', () => {
  test('are found by trace id, command id and hold id', () => {
    const store = new TraceStore();
    const attributes = { 'holdfast.command.id': command, 'holdfast.hold.id': hold };
    store.add([someSpan({ traceId: 'a' }), someSpan({ traceId: 'b', attributes })]);
    expect([store.find('b'), store.find(command), store.find(hold)]).toEqual([['b'], ['b'], ['b']]);
    expect(store.find('c')).toEqual([]);
  });

  test('of a command that was sent twice come both, the newest first', () => {
    const store = new TraceStore();
    const attributes = { 'holdfast.command.id': command };
    store.add([someSpan({ traceId: 'a', attributes })]);
    store.add([someSpan({ traceId: 'b', attributes })]);
    expect(store.find(command)).toEqual(['b', 'a']);
  });

  test('go as a whole, those first that were silent for longest', () => {
    const store = new TraceStore({ maxSpans: 4, maxSpansOfTrace: 4, maxBytes: Infinity });
    store.add([someSpan({ traceId: 'a' }), someSpan({ traceId: 'b' }), someSpan({ traceId: 'b' })]);
    store.add([someSpan({ traceId: 'a' }), someSpan({ traceId: 'c' })]);
    expect(store.list(9).map(({ traceId, spans }) => [traceId, spans])).toEqual([
      ['c', 1],
      ['a', 2],
    ]);
    expect(store.size).toBe(3);
  });

  test('are named by the span that is below none of theirs, whichever began first on its clock', () => {
    const store = new TraceStore();
    const root = someSpan({
      traceId: 'a',
      name: 'GET /api/status/:id',
      startMs: 7,
      parentSpanId: 'a caller’s',
    });
    store.add([someSpan({ traceId: 'a', name: 'send', startMs: 6.9, parentSpanId: root.spanId }), root]);
    expect(store.list(1)).toMatchObject([{ name: 'GET /api/status/:id', startMs: 6.9 }]);
  });

  test('are bounded in bytes as well, even a single one', () => {
    const store = new TraceStore({ maxSpans: 100, maxSpansOfTrace: 100, maxBytes: 10_000 });
    store.add([someSpan({ traceId: 'a' })]);
    store.add([someSpan({ traceId: 'b', attributes: { long: 'x'.repeat(20_000) } })]);
    expect([store.size, store.list(9)]).toEqual([0, []]);
  });

  test('that are too long by themselves push out no others, and keep their first spans', () => {
    const store = new TraceStore({ maxSpans: 4, maxSpansOfTrace: 3, maxBytes: Infinity });
    const long = Array.from({ length: 9 }, () => someSpan({ traceId: 'long' }));
    store.add([someSpan({ traceId: 'a' }), ...long]);
    expect(store.spansOf('long')).toEqual(long.slice(0, 3));
    expect([store.find('a'), store.size]).toEqual([['a'], 4]);
  });

  test('have each span once, also when it was sent again', () => {
    const store = new TraceStore();
    const span = someSpan({ traceId: 'a' });
    store.add([span, span]);
    expect(store.spansOf('a')).toEqual([span]);
  });

  test('bring the transaction that their command shared, not the other commands in it', () => {
    const store = new TraceStore();
    const batch = someSpan({ traceId: 'a', name: 'batch', links: [{ traceId: 'b', spanId: 'p' }] });
    const statement = someSpan({ traceId: 'a', name: 'COMMIT', parentSpanId: batch.spanId });
    const links = [{ traceId: 'a', spanId: batch.spanId }];
    const processed = someSpan({ traceId: 'b', spanId: 'p', name: 'process', links });
    store.add([batch, statement, someSpan({ traceId: 'a' }), processed]);
    expect(store.spansOf('b')).toEqual([processed, batch, statement]);
    expect(store.spansOf('a')).toHaveLength(3);
  });
});
