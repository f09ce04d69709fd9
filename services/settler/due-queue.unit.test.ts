import { expect, test } from '@jest/globals';
import { DueQueue, type DueMessage } from './due-queue.ts';

const nothing = () => undefined;
const messageOf = (dueAt: string): DueMessage => ({
  dueAt,
  traceparent: undefined,
  ack: nothing,
  nak: nothing,
  working: nothing,
});
const turn = () => new Promise((done) => setImmediate(done));

test.each([1, 2, 3])(
  '%d workers settle as much at once, and what waits is taken together',
  async (workers) => {
    const begun: string[][] = [];
    const ends: (() => void)[] = [];
    const queue = new DueQueue({
      workers,
      settle: (messages) => {
        begun.push(messages.map(({ dueAt }) => dueAt));
        return new Promise((done) => ends.push(done));
      },
    });
    for (const dueAt of ['1', '2', '3', '4', '5']) {
      queue.add(messageOf(dueAt));
      await turn();
      await turn();
    }
    const alone = ['1', '2', '3'].slice(0, workers).map((dueAt) => [dueAt]);
    expect(begun).toEqual(alone);

    ends[0]?.();
    await turn();
    expect(begun).toEqual([...alone, ['1', '2', '3', '4', '5'].slice(workers)]);
  },
);
