import { describe, expect, test } from '@jest/globals';
import { stripVTControlCharacters } from 'node:util';
import { someSpan } from '../../../test/support/spans.ts';
import { formatDuration, formatList, formatTrace } from './format-trace.ts';
import { buildTraceTree } from './trace-tree.ts';

const traceId = '4bf92f3577b34da6a3ce929d0e0e4736';
const startMs = Date.UTC(2026, 0, 31, 12);

const root = someSpan({
  service: 'holdfast-gateway',
  name: 'POST /api/substract',
  kind: 'server',
  // The caller's, which is not kept here.
  parentSpanId: 'elsewhere',
  attributes: { 'http.response.status_code': '200' },
  startMs,
  endMs: startMs + 8,
});
const processed = someSpan({
  name: 'process',
  parentSpanId: root.spanId,
  attributes: { 'holdfast.outcome': 'applied', 'holdfast.hold.id': 'h1' },
  links: [{ traceId: 'another', spanId: 'shared' }],
  startMs: startMs + 2,
  endMs: startMs + 6,
});
const settling = someSpan({
  name: 'settle hold',
  parentSpanId: processed.spanId,
  isError: true,
  startMs: startMs + 600_306,
  endMs: startMs + 600_310,
});
const batch = someSpan({
  traceId: 'another',
  spanId: 'shared',
  parentSpanId: 'not kept',
  name: 'batch',
  attributes: { 'holdfast.batch.size': '7' },
  startMs: startMs + 3,
  endMs: startMs + 5,
});
// As they come: children end first.
const tree = buildTraceTree(traceId, [settling, batch, processed, root]);

describe('a trace for a person', () => {
  const text = formatTrace(traceId, tree, false);

  test('has a line per span, the caller’s own left out, and one for the time between hold and settling', () => {
    expect(text.split('\n')).toEqual([
      `trace ${traceId}  2026-01-31T12:00:00.000Z  3 spans`,
      '',
      '     +0.00 ms    8.0 ms ━━━━━━━━━━━━━━━━ gateway POST /api/substract  200',
      '      +2.0 ms    4.0 ms     ━━━━━━━━     ledger  └ process  applied hold h1',
      '      +3.0 ms    2.0 ms       ━━━━       ledger    ├ batch  of 7 shared with other traces',
      '  ⋯ 10 min 0.3 s later',
      '+10 min 0.3 s    4.0 ms ━━━━━━━━━━━━━━━━ ledger    └ settle hold  ERROR',
      '',
    ]);
  });

  test('says the same in colours', () => {
    const colored = formatTrace(traceId, tree, true);
    expect(colored).not.toBe(text);
    expect(stripVTControlCharacters(colored)).toBe(text);
  });
});

test('the list of traces has a line each', () => {
  const summary = { traceId, startMs, name: 'GET /api/status/:id', outcome: '', spans: 2, isError: false };
  const lines = formatList([summary, { ...summary, name: 'x', outcome: 'internal', isError: true }], false);
  expect(lines.split('\n')).toEqual([
    `2026-01-31T12:00:00.000Z  ${traceId}  GET /api/status/:id     2 spans  `,
    `2026-01-31T12:00:00.000Z  ${traceId}  x                       2 spans  internal ERROR`,
  ]);
});

test.each([
  [0.412, '0.41 ms'],
  [12.34, '12.3 ms'],
  [2_040, '2.04 s'],
  [600_300, '10 min 0.3 s'],
  // Not 1.00 ms, 1000.0 ms, 60.00 s or 1 min 60.0 s.
  [0.999, '1.0 ms'],
  [999.97, '1.00 s'],
  [59_999, '1 min 0.0 s'],
  [119_990, '2 min 0.0 s'],
])('%d ms are written as %s', (ms, text) => {
  expect(formatDuration(ms)).toBe(text);
});
