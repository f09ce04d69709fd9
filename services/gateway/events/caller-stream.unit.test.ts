import { afterEach, describe, expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import { PassThrough } from 'node:stream';
import { setImmediate as turn } from 'node:timers/promises';
import { until } from '../../../test/support/eventually.ts';
import type { AccountId } from '../../../shared/contracts/primitives.ts';
import { CallerStream, type ReadPast, type Subscription } from './caller-stream.ts';
import { goOn, oldest, type Cursor } from './cursor.ts';
import { readFactMessage, type FactMessage } from './fact-message.ts';
import { eventLimits, type EventLimits } from './limits.ts';

const since = 36;
const everything: Subscription = { accounts: undefined, after: undefined, expiresMs: undefined };

/** Message n has n % 3 + 1 facts, told apart by their seq. */
function messageOf(sequence: number): FactMessage {
  const facts = Array.from({ length: (sequence % 3) + 1 }, (_, index) => ({
    type: 'entry',
    accountId: index % 2 === 0 ? 'even' : 'odd',
    seq: `${sequence}.${index}`,
  }));
  return readFactMessage({ sequence, since, text: JSON.stringify(facts) }, (json) => json);
}

/** A stream of which so much is there, and a hub that gives it, at the test's word. */
class Given {
  readonly written: string[] = [];
  readonly response = new PassThrough();
  stored = 0;
  given = 0;
  readonly stream: CallerStream;

  constructor(subscription: Subscription, limits: Partial<EventLimits> = {}) {
    responses.push(this.response);
    this.response.on('data', (chunk: Buffer) => this.written.push(chunk.toString()));
    this.stream = new CallerStream(this.response, subscription, { ...eventLimits, ...limits });
  }

  get next(): Cursor {
    return { sequence: this.given + 1, index: 0, since };
  }

  hasNotPassed({ sequence }: Cursor): boolean {
    return this.next.sequence <= sequence;
  }

  /** Two messages at a time, each time a turn of the event loop later. */
  readonly readPast: ReadPast = async (after) => {
    const { next: begin, gap } = goOn(after, { since, first: 1, last: this.stored });
    const count = Math.max(0, Math.min(2, this.stored - begin.sequence + 1));
    const messages = Array.from({ length: count }, (_, index) => messageOf(begin.sequence + index));
    await turn();
    const end = count === 0 ? begin : { ...begin, sequence: begin.sequence + count, index: 0 };
    return { gap, begin, end, messages };
  };

  start(): void {
    this.stream.start(this, this.readPast);
  }

  deliver(): void {
    if (this.given === this.stored) return;
    this.given += 1;
    this.stream.onMessage(messageOf(this.given));
  }

  get seqs(): (string | undefined)[] {
    return [...this.written.join('').matchAll(/"seq":"([\d.]+)"/g)].map(([, seq]) => seq);
  }
}

function seqsFrom(sequence: number, index: number, last: number): string[] {
  return Array.from({ length: last - sequence + 1 }, (_, offset) => sequence + offset)
    .flatMap((each) => Array.from({ length: (each % 3) + 1 }, (_, at) => [each, at] as const))
    .filter(([each, at]) => each > sequence || at >= index)
    .map(([each, at]) => `${each}.${at}`);
}

/** Those of the test, to be closed behind it. */
const responses: PassThrough[] = [];
afterEach(() => {
  for (const response of responses.splice(0)) response.destroy();
});

describe('what has been and what comes', () => {
  test('meet without a hole and without a double, however far the hub is behind', async () => {
    const steps = fc.array(fc.constantFrom('publish', 'deliver', 'turn'), { maxLength: 60 });
    const begin = { sequence: fc.integer({ min: 1, max: 6 }), index: fc.integer({ min: 0, max: 1 }) };
    await fc.assert(
      fc.asyncProperty(steps, steps, begin.sequence, begin.index, async (earlier, later, sequence, index) => {
        const after = { sequence, index: index % ((sequence % 3) + 1), since };
        const given = new Given({ ...everything, after });
        given.stored = 6;
        const take = async (step: string): Promise<void> => {
          if (step === 'publish') given.stored += 1;
          else if (step === 'deliver') given.deliver();
          else await turn();
        };
        for (const step of earlier) await take(step);
        given.start();
        for (const step of later) await take(step);
        while (given.given < given.stored) given.deliver();
        const expected = seqsFrom(after.sequence, after.index, given.stored);
        await until(() => given.seqs.length >= expected.length);
        given.stored += 1;
        given.deliver();
        await until(() => given.seqs.length > expected.length);
        expect(given.seqs).toEqual(seqsFrom(after.sequence, after.index, given.stored));
      }),
      { numRuns: 300 },
    );
  });

  test('of one account are those of a message that are about it', async () => {
    const given = new Given({ ...everything, accounts: new Set(['odd' as AccountId]), after: oldest });
    given.stored = 5;
    given.given = 5;
    given.start();
    await until(() => given.seqs.length === 4);
    given.stored = 7;
    given.deliver();
    given.deliver();
    await until(() => given.seqs.length === 5);
    expect(given.seqs).toEqual(['1.1', '2.1', '4.1', '5.1', '7.1']);
  });

  test('come behind a gap where some are missing, and it is told once', async () => {
    const given = new Given({ ...everything, after: { sequence: 3, index: 0, since: since - 1 } });
    given.stored = 2;
    given.given = 2;
    given.start();
    await until(() => given.seqs.length === 5);
    expect(given.written.join('')).toMatch(
      /^: facts\nretry: 1000\n\nevent: gap\nid: 1-0-10\ndata: .*\n\nevent: ready\nid: 1-0-10\ndata: \{\}\n\nevent: entry\n/,
    );
    given.stream.onGap({ sequence: 1, index: 0, since: 37 }, 'The broker has lost facts, and counts anew.');
    await until(() => given.written.join('').includes('event: gap\nid: 1-0-11\n'));
    expect(given.written.join('').match(/event: gap/g)).toHaveLength(2);
  });
});

describe('a stream', () => {
  test('says where it stands while nothing happens', async () => {
    const given = new Given(everything, { heartbeatMs: 5 });
    given.given = 7;
    given.start();
    const sign = ': \nid: 8-0-10\n\n';
    await until(() => given.written.join('').endsWith(sign + sign));
    expect(given.seqs).toEqual([]);
  });

  test('ends when its token does', async () => {
    const given = new Given({ ...everything, expiresMs: Date.now() + 20 });
    given.start();
    await until(() => given.response.writableEnded);
    expect(given.stream.endReason).toBe('token expired');
  });

  test('is cut off when too much waits to be read', async () => {
    const given = new Given(everything, { maxUnsentBytes: 1_000 });
    given.response.removeAllListeners('data').pause();
    given.stored = 1_000;
    given.start();
    for (let each = 0; each < 1_000 && !given.response.destroyed; each += 1) given.deliver();
    expect(given.stream.endReason).toBe('too slow');
  });

  test('is cut off when what has been is not read in time', async () => {
    const given = new Given({ ...everything, after: oldest }, { maxReadingMs: 20 });
    given.response.removeAllListeners('data').pause();
    given.stored = 1_000;
    given.given = 1_000;
    given.start();
    await until(() => given.response.destroyed);
    expect(given.stream.endReason).toBe('too slow');
  });

  test('that has not begun is not ended: its caller is answered otherwise', () => {
    const given = new Given(everything);
    given.stream.end('stopping');
    expect(given.response.writableEnded).toBe(false);
  });
});
