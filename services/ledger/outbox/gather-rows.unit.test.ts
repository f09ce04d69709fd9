import { describe, expect, test } from '@jest/globals';
import { randomUUID } from 'node:crypto';
import { maxMessageBytes } from '../../../shared/contracts/limits.ts';
import { gatherRows, type OutgoingRow } from './gather-rows.ts';
import { dueMessage, type SendableMessage } from './messages.ts';
import { parseTime } from '../domain/time.ts';

let nextId = 1n;

function rowOf(message: SendableMessage): OutgoingRow {
  return { id: nextId++, message };
}

function factsRow(...facts: unknown[]): OutgoingRow {
  return rowOf({
    topic: 'event',
    messageId: `event:${randomUUID()}`,
    payload: '[]',
    entries: [],
    facts: facts.map((fact) => JSON.stringify(fact)),
  });
}

/** A fact that takes so much of the largest message. */
function factOf(share: number): string {
  return 'é'.repeat((maxMessageBytes * share - '[""]'.length) / 2);
}

function idsOf(rows: readonly { readonly id: bigint }[]): bigint[] {
  return rows.map(({ id }) => id);
}

describe('rows of the outbox', () => {
  test('leave together, their facts in order, under an id of their own', () => {
    const rows = [factsRow({ seq: 1 }, { seq: 2 }), factsRow({ seq: 3 }), factsRow({ seq: 4 })];
    const [message, ...more] = gatherRows(rows, maxMessageBytes);
    expect(more).toEqual([]);
    expect(idsOf(message?.rows ?? [])).toEqual(idsOf(rows));
    expect(JSON.parse(message?.payload ?? '')).toEqual([{ seq: 1 }, { seq: 2 }, { seq: 3 }, { seq: 4 }]);
    expect(rows.map((row) => row.message.messageId)).not.toContain(message?.messageId);
  });

  test('keep their ids when they leave alone, so that the broker knows a second sending', () => {
    const dueAt = ['2026-01-31T12:00:00Z', '2026-01-31T12:00:01Z'];
    const due = dueAt.map((second) => rowOf(dueMessage(`due:${second}`, parseTime(second))));
    for (const facts of [[{ seq: 1 }], [{ seq: 1 }, { seq: 2 }]]) {
      const lone = factsRow(...facts);
      expect(gatherRows([...due, lone], maxMessageBytes)).toEqual([
        {
          topic: 'event',
          messageId: lone.message.messageId,
          payload: JSON.stringify(facts),
          rows: [lone],
        },
        ...due.map((row, index) => ({
          topic: 'due',
          messageId: row.message.messageId,
          payload: JSON.stringify({ dueAt: dueAt[index] }),
          rows: [row],
        })),
      ]);
    }
    expect(gatherRows([], maxMessageBytes)).toEqual([]);
  });

  test('leave in several messages when one would be too large, however large each is', () => {
    const rows = [0.4, 0.4, 0.4, 1, 0.1].map((share) => factsRow(factOf(share)));
    const gathered = gatherRows(rows, maxMessageBytes);
    expect(gathered.map((each) => each.rows.length)).toEqual([2, 1, 1, 1]);
    expect(gathered.flatMap((each) => idsOf(each.rows))).toEqual(idsOf(rows));
    expect(gatherRows(rows, maxMessageBytes / 2).map((each) => each.rows.length)).toEqual([1, 1, 1, 1, 1]);
    for (const { payload } of gathered)
      expect(Buffer.byteLength(payload)).toBeLessThanOrEqual(maxMessageBytes);
  });

  test('are cut where a message is full, and no part has the id of its row', () => {
    const facts = [0.4, 0.4, 0.4, 0.3, 0.2].map(factOf);
    const rows = [factsRow(...facts.slice(0, 3)), factsRow(...facts.slice(3))];
    const gathered = gatherRows(rows, maxMessageBytes);
    expect(gathered.map((each) => idsOf(each.rows))).toEqual([idsOf(rows.slice(0, 1)), idsOf(rows)]);
    expect(gathered.flatMap((each) => JSON.parse(each.payload) as unknown[])).toEqual(facts);
    const ids = gathered.map((each) => each.messageId);
    expect(new Set([...ids, ...rows.map((row) => row.message.messageId)]).size).toBe(4);
    // But the same at each sending: the broker keeps each part once.
    expect(gatherRows(rows, maxMessageBytes).map((each) => each.messageId)).toEqual(ids);
  });
});
