import { describe, expect, test } from '@jest/globals';
import { Lane, type WorkSource } from './lane.ts';
import { MicroBatcher } from './micro-batcher.ts';

function batcherOf(lane: Lane, process: (items: readonly (() => void)[]) => Promise<() => void>) {
  return new MicroBatcher<() => void>({ lane, maxBatch: 4, maxWaiting: 6, process });
}

describe('the micro-batcher', () => {
  test('processes together what came in the same turn of the event loop or meanwhile', async () => {
    const lane = new Lane();
    const sizes: number[] = [];
    const batcher = batcherOf(lane, async (items) => {
      sizes.push(items.length);
      if (sizes.length === 1) for (let more = 0; more < 5; more += 1) batcher.offer(() => undefined);
      return () => undefined;
    });
    batcher.offer(() => undefined);
    batcher.offer(() => undefined);
    await lane.idle();
    expect(sizes).toEqual([2, 4, 1]);
  });

  test('turns away what is too much', async () => {
    const lane = new Lane();
    const batcher = batcherOf(lane, async () => () => undefined);
    const taken = Array.from({ length: 8 }, () => batcher.offer(() => undefined));
    expect(taken).toEqual([true, true, true, true, true, true, false, false]);
    await lane.idle();
    expect(batcher.offer(() => undefined)).toBe(true);
    await lane.idle();
  });

  // The lane ends its run while promises of the last batch's callers are still being followed up.
  test.each([0, 1, 2, 3, 4, 5, 6, 7, 8])(
    'loses nothing that is offered %i microtasks after an answer',
    async (hops) => {
      const lane = new Lane();
      const batcher = batcherOf(lane, async (items) => {
        await new Promise(setImmediate);
        return () => {
          for (const answer of items) answer();
        };
      });
      const send = () => new Promise<void>((answer) => batcher.offer(answer));
      await send();
      for (let hop = 0; hop < hops; hop += 1) await Promise.resolve();
      await send();
      expect(batcher.hasWork()).toBe(false);
    },
  );
});

describe('the lane', () => {
  test('lets its sources take turns, one at a time', async () => {
    const lane = new Lane();
    const turns: string[] = [];
    let atOnce = 0;
    const source = (name: string, count: number): WorkSource => ({
      hasWork: () => turns.filter((turn) => turn === name).length < count,
      takeTurn: async () => {
        atOnce += 1;
        turns.push(atOnce === 1 ? name : 'two at once');
        await new Promise(setImmediate);
        atOnce -= 1;
        return () => undefined;
      },
    });
    lane.add(source('commands', 3));
    lane.add(source('holds', 2));
    lane.wake();
    lane.wake();
    await lane.idle();
    expect(turns).toEqual(['commands', 'holds', 'commands', 'holds', 'commands']);
  });

  test('tells of a turn once the next one has begun, and of the last one before it is idle', async () => {
    const lane = new Lane();
    const events: string[] = [];
    let left = 3;
    lane.add({
      hasWork: () => left > 0,
      takeTurn: async () => {
        const turn = 4 - left;
        left -= 1;
        // A turn may ask for its connection before it sends anything.
        await Promise.resolve();
        events.push(`begin ${turn}`);
        await new Promise(setImmediate);
        return () => events.push(`tell ${turn}`);
      },
    });
    lane.wake();
    await lane.idle();
    expect(events).toEqual(['begin 1', 'begin 2', 'tell 1', 'begin 3', 'tell 2', 'tell 3']);
  });
});
