import { beforeEach, describe, expect, jest, test } from '@jest/globals';
import type { JsMsg } from '@nats-io/jetstream';
import { randomUUID } from 'node:crypto';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { NatsLink } from '../../../shared/messaging/connect.ts';
import { createLogger } from '../../../shared/telemetry/logger.ts';
import { createMetrics } from '../../../shared/telemetry/metrics.ts';
import type { Micros } from '../domain/time.ts';
import type { Failure } from '../run-batch.ts';
import { commandObserver } from '../telemetry.ts';
import { AsyncMessages } from './async-commands.ts';
import type { QueuedCommand } from './commands.ts';

/** What the ledger was offered and has not answered. */
let offered: QueuedCommand[];
/** What the broker was told of which message. */
let told: string[];
const now = jest.fn(() => Promise.reject<Micros>(new Error('the database is away')));
let messages: AsyncMessages;
beforeEach(() => {
  offered = [];
  told = [];
  now.mockClear();
  messages = new AsyncMessages({
    link: {} as NatsLink,
    offer: (command) => offered.push(command) > 0,
    observe: commandObserver(createMetrics()),
    logger: createLogger('test', 'silent'),
    now,
  });
});

function deliver(seq: number, commands: number, deliveryCount = 1, kind = 'add'): void {
  const payload = Array.from({ length: commands }, () => ({
    id: randomUUID(),
    accountId: randomUUID(),
    amount: '1',
  }));
  const tell = (word: string) => () => told.push(`${word} ${seq}`);
  messages.add({
    subject: `balance.async.${kind}`,
    data: Buffer.from(JSON.stringify(payload)),
    seq,
    info: { deliveryCount },
    ack: tell('ack'),
    nak: tell('nak'),
    term: tell('term'),
    working: tell('working'),
  } as unknown as JsMsg);
}

async function answer(outcome: { type: 'expired' } | Failure): Promise<void> {
  for (const command of offered.splice(0)) command.answer(outcome);
  await nextTurn();
}

describe('messages of the stream', () => {
  test('of which there are thousands leave the queue to those who wait for an answer', async () => {
    for (const seq of [1, 2, 3]) deliver(seq, 1_000);
    expect(offered).toHaveLength(2_000);
    await answer({ type: 'expired' });
    expect(told).toEqual(['ack 1', 'ack 2']);
    expect(offered).toHaveLength(1_000);
  });

  test('are all kept alive, and those that have not begun given back at a stop', async () => {
    for (const seq of [1, 2, 3, 4]) deliver(seq, 1_024);
    messages.keepAlive();
    expect(told.splice(0)).toEqual(['working 1', 'working 2', 'working 3', 'working 4']);
    messages.stop();
    expect(told.splice(0)).toEqual(['nak 3', 'nak 4']);
    await answer({ type: 'expired' });
    expect(told).toEqual(['ack 1', 'ack 2']);
    expect(offered).toEqual([]);
  });

  test('that are too many to be kept are given back, and taken again once others have begun', async () => {
    for (let seq = 1; seq <= 400; seq += 1) deliver(seq, 1_024);
    const givenBack = told.splice(0);
    // 32 MiB of some 110 KiB each, and two that are under way.
    expect(givenBack.length).toBeGreaterThan(50);
    expect(givenBack.length).toBeLessThan(200);
    expect(givenBack.at(-1)).toBe('nak 400');
    await answer({ type: 'expired' });
    expect(told.splice(0)).toEqual(['ack 1', 'ack 2']);
    deliver(401, 1_024);
    expect(told).toEqual([]);
  });

  test('that fail are not followed by the next ones at once', async () => {
    for (const seq of [1, 2, 3]) deliver(seq, 1_024);
    await answer({ type: 'failed', code: 'unavailable' });
    expect(told).toEqual(['nak 1', 'nak 2']);
    expect(offered).toEqual([]);
  });

  test('of a kind that only a newer ledger knows are left to it, for a minute', async () => {
    deliver(1, 1, 59, 'of-tomorrow');
    await nextTurn();
    expect(told.splice(0)).toEqual(['nak 1']);
    deliver(1, 1, 60, 'of-tomorrow');
    await nextTurn();
    expect(told).toEqual(['term 1']);
    expect(offered).toEqual([]);
  });

  test.each([
    ['for want of the database, never', 'unavailable', 0],
    ['for an unknown outcome, never', 'outcome_unknown', 0],
    ['for a fault of ours, at the sixtieth delivery', 'internal', 1],
  ] as const)('are given up %s', async (_, code, times) => {
    deliver(1, 1, 59);
    await answer({ type: 'failed', code });
    expect(now).not.toHaveBeenCalled();
    deliver(1, 1, 60);
    await answer({ type: 'failed', code });
    expect(now).toHaveBeenCalledTimes(times);
  });
});
