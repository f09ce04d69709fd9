import { randomBytes } from 'node:crypto';
import type { ReceivedSpan } from '../../deploy/local/traces/received-span.ts';

/** A span of which a test says what counts. */
export function someSpan(facts: Partial<ReceivedSpan>): ReceivedSpan {
  return {
    service: 'holdfast-ledger',
    resource: {},
    traceId: '4bf92f3577b34da6a3ce929d0e0e4736',
    spanId: randomBytes(8).toString('hex'),
    name: 'a span',
    kind: 'internal',
    attributes: {},
    links: [],
    isError: false,
    startMs: 0,
    endMs: 1,
    ...facts,
  };
}
