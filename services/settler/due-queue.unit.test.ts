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

test('the broker is told of what waits as well as of what a worker has, until it is settled', async () => {
  const told: string[] = [];
  const ends: (() => void)[] = [];
  const queue = new DueQueue({ workers: 1, settle: () => new Promise((done) => ends.push(done)) });
  const add = (dueAt: string) => queue.add({ ...messageOf(dueAt), working: () => told.push(dueAt) });
  const toldNow = () => {
    queue.keepAlive();
    return told.splice(0);
  };

  add('taken');
  await turn();
  add('waits');
  add('waits too');
  expect(toldNow()).toEqual(['taken', 'waits', 'waits too']);

  ends[0]?.();
  await turn();
  expect(toldNow()).toEqual(['waits', 'waits too']);

  ends[1]?.();
  await turn();
  expect(toldNow()).toEqual([]);
});

test('is idle when no worker has anything', async () => {
  const ends: (() => void)[] = [];
  const queue = new DueQueue({ workers: 2, settle: () => new Promise((done) => ends.push(done)) });
  await queue.idle();
  queue.add(messageOf('1'));
  await turn();
  queue.add(messageOf('2'));
  await turn();
  let isIdle = false;
  const idle = queue.idle().then(() => (isIdle = true));
  ends[1]?.();
  await turn();
  expect(isIdle).toBe(false);
  ends[0]?.();
  await idle;
});
