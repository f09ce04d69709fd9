import type { Pool } from 'pg';
import type { AccountId } from '../../../shared/contracts/primitives.ts';
import type { EntryOfAccount, EntryRange, OutboxMessage, StoredMessage } from './outbox-message.ts';
import { booksNow } from './statements/books-now.ts';
import { entryOfAccount, readRanges, type EntryInRangeRow } from './statements/read-ranges.ts';

/**
 * Younger rows are most likely still on their way from the ledger that wrote them. A row of the future was written before
 * the clock was put back.
 */
const isLeft = `at NOT BETWEEN clock_timestamp() - interval '5 seconds' AND clock_timestamp()`;

/** How far ahead a batch announces by itself, see DueSeconds. */
const announcedByBatches = '62 minutes';
/** One minute less: so nothing falls between the two. */
const announcedAhead = '61 minutes';

interface StoredRow {
  id: bigint;
  message_id: string;
  payload: string;
}

interface LeftRow extends StoredRow {
  topic: OutboxMessage['topic'];
  account_ids: AccountId[];
  first_seqs: string[];
  last_seqs: string[];
}

/**
 * The outbox beside the batches, and the row that tells how far due seconds were announced. Nothing here keeps a batch
 * waiting: no lock of the outbox is held while something is published.
 */
export class OutboxTable {
  readonly #pool: Pool;

  constructor(pool: Pool) {
    this.#pool = pool;
  }

  /** How many rows there are, counted up to `countTo`, and the age of the oldest that was left behind, in seconds. */
  async depth(countTo: number): Promise<{ count: number; oldestS: number | undefined }> {
    const { rows } = await this.#pool.query<{ count: bigint; oldest_s: number | null }>({
      name: 'count-outbox',
      text: `
        SELECT count(*), (
          SELECT greatest(0, extract(epoch FROM clock_timestamp() - at))::float8 FROM outbox
          WHERE ${isLeft} ORDER BY id LIMIT 1
        ) AS oldest_s
        FROM (SELECT FROM outbox LIMIT $1) AS rows`,
      values: [countTo],
    });
    return { count: Number(rows[0]?.count ?? 0n), oldestS: rows[0]?.oldest_s ?? undefined };
  }

  /**
   * The oldest of those left behind whose ids come after this one. With OFFSET 0 they are walked over in their order: a plan
   * made on an empty table would read all of a full one to sort it.
   */
  async leftBehind(topic: OutboxMessage['topic'], after: bigint, limit: number): Promise<StoredMessage[]> {
    const { rows } = await this.#pool.query<LeftRow>({
      name: 'left-in-outbox',
      text: `
        SELECT id, topic, message_id, payload, account_ids, first_seqs::text[], last_seqs::text[]
        FROM (SELECT * FROM outbox ORDER BY id OFFSET 0) AS by_id
        WHERE topic = $1 AND id > $2 AND ${isLeft} ORDER BY id LIMIT $3`,
      values: [topic, after, limit],
    });
    return rows.map(leftMessageOf);
  }

  /** What the journal has of these entries: all of them, as their batch is committed, unless someone has rewritten it. */
  async entriesIn(ranges: readonly EntryRange[]): Promise<EntryOfAccount[]> {
    if (ranges.length === 0) return [];
    const { rows } = await this.#pool.query<EntryInRangeRow>(readRanges(ranges));
    return rows.map(entryOfAccount);
  }

  /**
   * Announces the due seconds that come into the next hour, and remembers how far it came. Seconds, not holds: each
   * second of the range is one look into the index, however many holds are due then. Id and payload are as `DueSeconds`
   * makes them: the broker knows by the id which it has.
   *
   * It never came farther than batches announce by themselves. If it seems to have, the clock was put back, and what it
   * would skip nobody has announced: it begins anew.
   */
  async announceComing(): Promise<StoredMessage[]> {
    const { rows } = await this.#pool.query<StoredRow>({
      name: 'announce-coming',
      text: `
        WITH turn AS (
          SELECT date_trunc('second', CASE WHEN announced_until > now + interval '${announcedByBatches}' THEN now
                   ELSE greatest(announced_until, now) END) AS since,
                 date_trunc('second', now) + interval '${announcedAhead}' AS until
          FROM announcements, (SELECT ${booksNow} AS now) AS clock FOR UPDATE OF announcements
        ), moved AS (
          UPDATE announcements SET announced_until = turn.until FROM turn WHERE turn.since < turn.until
        )
        INSERT INTO outbox (topic, message_id, payload)
        SELECT 'due', 'due:' || second, json_build_object('dueAt', second)::text
        FROM (
          SELECT to_char(each, 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS second
          FROM turn, generate_series(since + interval '1 second', until, interval '1 second') AS each
          WHERE EXISTS (SELECT FROM holds WHERE status = 'pending' AND due_at = each)
        ) AS coming
        RETURNING id, message_id, payload`,
    });
    return rows.map(({ id, message_id: messageId, payload }) => ({
      id,
      message: { topic: 'due', messageId, payload, entries: [] },
    }));
  }

  /**
   * Notes since when the broker has its stream of due seconds. When that is news, all that was announced before is
   * forgotten, here and by the broker.
   *
   * @returns whether it was news.
   */
  async noteStream(since: string): Promise<boolean> {
    const { rowCount } = await this.#pool.query({
      name: 'note-stream',
      text: `
        UPDATE announcements SET announced_until = ${booksNow}, stream_since = $1
        WHERE stream_since IS DISTINCT FROM $1::timestamptz`,
      values: [since],
    });
    return rowCount === 1;
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

function leftMessageOf(row: LeftRow): StoredMessage {
  const { id, topic, message_id, payload } = row;
  // A due message may have been delivered, and its hold not yet visible: then a second one under the same id would be
  // swallowed. Under another id it is at worst one question too many.
  const messageId = topic === 'due' ? `${message_id}:${id}` : message_id;
  const entries = row.account_ids.map((accountId, index) => ({
    accountId,
    firstSeq: Number(row.first_seqs[index]),
    lastSeq: Number(row.last_seqs[index]),
  }));
  return { id, message: { topic, messageId, payload, entries } };
}
