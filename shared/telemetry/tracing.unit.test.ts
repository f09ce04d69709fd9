import { afterEach, describe, expect, test } from '@jest/globals';
import {
  formatTraceparent,
  inChildSpan,
  isSampled,
  parseTraceparent,
  setTracing,
  startSharedSpan,
  startRootSpan,
  startSpanFrom,
  startSpanFromHeaders,
  traceparentOf,
} from './tracing.ts';

const traceId = '0af7651916cd43dd8448eb211c80319c';
const spanId = 'b7ad6b7169203331';

describe('traceparent', () => {
  test.each(['00', '01', 'ff'])('reads and writes one with flags %s', (flags) => {
    const text = `00-${traceId}-${spanId}-${flags}`;
    const spanContext = parseTraceparent(text);
    expect(spanContext).toEqual({
      traceId,
      spanId,
      traceFlags: Number.parseInt(flags, 16),
      isRemote: true,
    });
    expect(spanContext && formatTraceparent(spanContext)).toBe(text);
  });

  test.each([
    '',
    `00-${traceId}-${spanId}`,
    `00-${traceId}-${spanId}-01-more`,
    `01-${traceId}-${spanId}-01`,
    `ff-${traceId}-${spanId}-01`,
    `00-${'0'.repeat(32)}-${spanId}-01`,
    `00-${traceId}-${'0'.repeat(16)}-01`,
    `00-${traceId.toUpperCase()}-${spanId}-01`,
    ` 00-${traceId}-${spanId}-01`,
    `00-${traceId}-${spanId}-01\n`,
  ])('refuses %j', (text) => {
    expect(parseTraceparent(text)).toBeUndefined();
  });
});

describe('sampling', () => {
  afterEach(() => setTracing(false));

  test('counts only while spans go somewhere', () => {
    const sampled = `00-${traceId}-${spanId}-01`;
    expect(isSampled(sampled)).toBe(false);
    setTracing(true);
    expect(isSampled(sampled)).toBe(true);
    expect(isSampled(`00-${traceId}-${spanId}-03`)).toBe(true);
    expect(isSampled(`00-${traceId}-${spanId}-02`)).toBe(false);
    expect(isSampled('junk-01')).toBe(false);
    expect(isSampled(null)).toBe(false);
    expect(isSampled(undefined)).toBe(false);
  });
});

describe('without an SDK', () => {
  test('work runs, and nothing is recorded', async () => {
    expect(startRootSpan('send')).toBeUndefined();
    expect(startSpanFromHeaders({}, 'send')).toBeUndefined();
    expect(startSharedSpan('batch', [])).toBeUndefined();
    await expect(inChildSpan(undefined, 'COMMIT', {}, () => Promise.resolve('done'))).resolves.toBe('done');
  });

  test('a trace that passes through stays what it is', () => {
    const traceparent = `00-${traceId}-${spanId}-01`;
    expect(traceparentOf(startSpanFrom(traceparent, 'process'))).toBe(traceparent);
  });
});
