import { describe, expect, test } from '@jest/globals';
import { maxMessageBytes } from '../../../shared/contracts/limits.ts';
import type { OutboxMessage } from '../store/outbox-message.ts';
import { gatherRows, type OutgoingRow } from './gather-rows.ts';
import { eventMessage } from './messages.ts';

let nextId = 1n;

function rowOf(message: OutboxMessage): OutgoingRow {
  return { id: nextId++, message };
}

function factsRow(...facts: unknown[]): OutgoingRow {
  return rowOf(eventMessage(JSON.stringify(facts)));
}

describe('rows of the outbox', () => {
  test('leave together, their facts in order, under an id of their own', () => {
    const rows = [factsRow({ seq: 1 }, { seq: 2 }), factsRow({ seq: 3 }), factsRow({ seq: 4 })];
    const [message, ...more] = gatherRows(rows, maxMessageBytes);
    expect(more).toEqual([]);
    expect(message?.rows).toEqual(rows);
    expect(JSON.parse(message?.message.payload ?? '')).toEqual([
      { seq: 1 },
      { seq: 2 },
      { seq: 3 },
      { seq: 4 },
    ]);
    expect(rows.map((row) => row.message.messageId)).not.toContain(message?.message.messageId);
  });

  test('keep their ids when they leave alone, so that the broker knows a second sending', () => {
    const lone = factsRow({ seq: 1 });
    const due = ['1', '2'].map((second) =>
      rowOf({ topic: 'due', messageId: `due:${second}`, payload: `{"dueAt":"${second}"}` }),
    );
    expect(gatherRows([...due, lone], maxMessageBytes)).toEqual(
      [lone, ...due].map((row) => ({ message: row.message, rows: [row] })),
    );
    expect(gatherRows([], maxMessageBytes)).toEqual([]);
  });

  test('leave in several messages when one would be too large, however large each is', () => {
    const rows = [0.4, 0.4, 0.4, 1, 0.1].map((share) => {
      const row = factsRow('');
      const text = 'é'.repeat((maxMessageBytes * share - row.message.payload.length) / 2);
      return factsRow(text);
    });
    const gathered = gatherRows(rows, maxMessageBytes);
    expect(gathered.map((each) => each.rows.length)).toEqual([2, 1, 1, 1]);
    expect(gathered.flatMap((each) => each.rows)).toEqual(rows);
    expect(gatherRows(rows, maxMessageBytes / 2).map((each) => each.rows.length)).toEqual([1, 1, 1, 1, 1]);
    for (const { message } of gathered)
      expect(Buffer.byteLength(message.payload)).toBeLessThanOrEqual(maxMessageBytes);
  });
});
