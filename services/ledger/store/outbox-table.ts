import type { Pool } from 'pg';
import type { OutboxMessage } from '../outbox/messages.ts';

/** Rows younger than this are most likely still on their way from the ledger that wrote them. */
const leftAfter = '5 seconds';

interface LeftRow {
  id: bigint;
  topic: OutboxMessage['topic'];
  message_id: string;
  payload: string;
}

export interface LeftMessage {
  readonly id: bigint;
  readonly message: OutboxMessage;
}

/** The outbox as the relay sees it: without locks, beside the batches. */
export class OutboxTable {
  readonly #pool: Pool;

  constructor(pool: Pool) {
    this.#pool = pool;
  }

  /** How many rows there are (counted up to `countTo`), and the oldest of those that were left behind. */
  async left(countTo: number, limit: number): Promise<{ count: number; left: LeftMessage[] }> {
    const counted = await this.#pool.query<{ count: bigint }>({
      name: 'count-outbox',
      text: 'SELECT count(*) FROM (SELECT FROM outbox LIMIT $1) AS rows',
      values: [countTo],
    });
    const left = await this.#pool.query<LeftRow>({
      name: 'left-in-outbox',
      text: `
        SELECT id, topic, message_id, payload FROM outbox
        WHERE at < clock_timestamp() - interval '${leftAfter}' ORDER BY id LIMIT $1`,
      values: [limit],
    });
    return { count: Number(counted.rows[0]?.count ?? 0n), left: left.rows.map(leftMessageOf) };
  }

  /** Deletes rows whose messages the broker has. */
  async delete(ids: readonly bigint[]): Promise<void> {
    await this.#pool.query({
      name: 'delete-from-outbox',
      text: 'DELETE FROM outbox WHERE id = ANY ($1::bigint[])',
      values: [ids],
    });
  }
}

function leftMessageOf({ id, topic, message_id, payload }: LeftRow): LeftMessage {
  // A due message may have been delivered, and its hold not yet visible: then a second one under the same id would be
  // swallowed. Under another id it is at worst one question too many.
  const messageId = topic === 'due' ? `${message_id}:${id}` : message_id;
  return { id, message: { topic, messageId, payload } };
}
