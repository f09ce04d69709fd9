import type { Client } from 'pg';
import type { Finding } from './finding.ts';

/** Of one kind at most so many are reported; then one more says that there are others. */
const maxFindingsPerCheck = 100;

/** An outbox row lives for milliseconds; one that is older than this is not being sent. */
const outboxLeftAfter = '5 minutes';

interface Check {
  readonly problem: string;
  /** Rows that must not be: an account id, perhaps a seq, perhaps what was expected. */
  readonly sql: string;
}

/** What the journal determines in the other tables. `$1` narrows to one account, null is all. */
const checks: readonly Check[] = [
  {
    problem: 'has no entry',
    sql: `SELECT a.id AS account_id, NULL::bigint AS seq, NULL::text AS expected FROM accounts a
          WHERE ($1::uuid IS NULL OR a.id = $1) AND NOT EXISTS (SELECT FROM entries e WHERE e.account_id = a.id)`,
  },
  {
    problem: 'has entries, but is not there',
    sql: `SELECT e.account_id, e.seq, NULL::text AS expected FROM entries e
          WHERE ($1::uuid IS NULL OR e.account_id = $1) AND e.seq = 1
            AND NOT EXISTS (SELECT FROM accounts a WHERE a.id = e.account_id)`,
  },
  {
    problem: 'differs from its last entry',
    sql: `SELECT a.id AS account_id, last.seq, format('seq %s, balance %s, held %s, limit %s (minor units)',
                 last.seq, last.balance, last.held, last.overdraft_limit) AS expected
          FROM accounts a JOIN LATERAL (
            SELECT * FROM entries e WHERE e.account_id = a.id ORDER BY e.seq DESC LIMIT 1
          ) AS last ON true
          WHERE ($1::uuid IS NULL OR a.id = $1)
            AND (a.seq, a.balance, a.held, a.overdraft_limit, a.chain_head, a.last_entry_at)
                IS DISTINCT FROM (last.seq, last.balance, last.held, last.overdraft_limit, last.hash, last.at)`,
  },
  {
    problem: 'differs from what it was opened with',
    sql: `SELECT a.id AS account_id, e.seq, e.details::text AS expected
          FROM accounts a JOIN entries e ON e.account_id = a.id AND e.seq = 1
          WHERE ($1::uuid IS NULL OR a.id = $1)
            AND (e.kind <> 'open' OR (a.name, a.currency, a.decimals::text, a.metadata::jsonb) IS DISTINCT FROM
                (e.details ->> 'name', e.details ->> 'currency', e.details ->> 'decimals', (e.details -> 'metadata')::jsonb))`,
  },
  {
    problem: 'is closed without an entry that closed it, or the other way round',
    sql: `SELECT a.id AS account_id, NULL::bigint AS seq, NULL::text AS expected FROM accounts a
          WHERE ($1::uuid IS NULL OR a.id = $1)
            AND (a.status = 'closed') <> EXISTS (SELECT FROM entries e WHERE e.account_id = a.id AND e.kind = 'close')`,
  },
  {
    problem: 'holds another amount than its pending holds',
    sql: `SELECT a.id AS account_id, NULL::bigint AS seq, format('%s minor units', coalesce(h.pending, 0)) AS expected
          FROM accounts a LEFT JOIN (
            SELECT account_id, sum(remaining) AS pending FROM holds WHERE status = 'pending' GROUP BY account_id
          ) AS h ON h.account_id = a.id
          WHERE ($1::uuid IS NULL OR a.id = $1) AND a.held <> coalesce(h.pending, 0)`,
  },
  {
    problem: 'has a hold that differs from the entry that made it, or has none',
    sql: `SELECT h.account_id, e.seq, format('hold %s', h.id) AS expected
          FROM holds h LEFT JOIN entries e
            ON e.account_id = h.account_id AND e.command_id = h.command_id AND e.kind = 'subtract'
          WHERE ($1::uuid IS NULL OR h.account_id = $1)
            AND (e.hold_id, e.amount, e.details ->> 'dueAt', coalesce(e.details ->> 'onDue', 'settle'), e.details ->> 'reference', NULL, NULL) IS DISTINCT FROM
                (h.id, h.amount, extract(epoch FROM h.due_at)::bigint::text, h.on_due::text, h.reference,
                 h.to_account_id::text, h.metadata::text)`,
  },
  {
    problem: 'has an entry whose hold is not there',
    sql: `SELECT e.account_id, e.seq, format('hold %s', e.hold_id) AS expected FROM entries e
          WHERE ($1::uuid IS NULL OR e.account_id = $1) AND e.hold_id IS NOT NULL
            AND NOT EXISTS (SELECT FROM holds h WHERE h.account_id = e.account_id AND h.id = e.hold_id)`,
  },
  {
    problem: 'has a hold whose status, version or amount is not what its entries say',
    sql: `SELECT h.account_id, NULL::bigint AS seq,
                 format('hold %s, changed by %s entries, settled by %s, released by %s, ended with %s minor units',
                        h.id, s.entries, s.settlings, s.releases, s.ended + s.rest) AS expected
          FROM holds h LEFT JOIN (
            SELECT account_id, hold_id, count(*) AS entries, count(*) FILTER (WHERE kind = 'settle') AS settlings,
                   -- Not by its name: the books of before have no such kind.
                   count(*) FILTER (WHERE kind NOT IN ('subtract', 'settle')) AS releases,
                   sum(amount) FILTER (WHERE kind <> 'subtract') AS ended,
                   -- What a settle of a part has released.
                   coalesce(sum(CASE WHEN details ->> 'released' ~ '^[0-9]{1,18}$'
                                  THEN (details ->> 'released')::bigint END) FILTER (WHERE kind = 'settle'), 0) AS rest,
                   max(details ->> 'dueAt') FILTER (WHERE kind <> 'subtract') AS told_due,
                   -- Without details it is no caller's doing, and was due.
                   max(at) FILTER (WHERE kind <> 'subtract' AND details IS NULL) AS due_ended_at
            FROM entries WHERE hold_id IS NOT NULL GROUP BY account_id, hold_id
          ) AS s ON s.account_id = h.account_id AND s.hold_id = h.id
          WHERE ($1::uuid IS NULL OR h.account_id = $1)
            AND (h.version IS DISTINCT FROM s.entries
              OR (h.status = 'settled')::int <> s.settlings OR (h.status = 'released')::int <> s.releases
              OR h.remaining <> CASE h.status WHEN 'pending' THEN h.amount ELSE 0 END
              OR s.ended + s.rest <> h.amount
              OR s.told_due <> extract(epoch FROM h.due_at)::bigint::text
              OR s.due_ended_at < h.due_at
              OR (s.due_ended_at IS NOT NULL AND (h.status = 'settled') <> (h.on_due = 'settle')))`,
  },
  {
    problem: 'has a balance that its entries do not add up to',
    sql: `SELECT a.id AS account_id, NULL::bigint AS seq, format('%s minor units', coalesce(e.moved, 0)) AS expected
          FROM accounts a LEFT JOIN (
            SELECT account_id, sum(CASE kind WHEN 'add' THEN amount WHEN 'settle' THEN -amount ELSE 0 END) AS moved
            FROM entries GROUP BY account_id
          ) AS e ON e.account_id = a.id
          WHERE ($1::uuid IS NULL OR a.id = $1) AND a.balance <> coalesce(e.moved, 0)`,
  },
  {
    problem: 'messages that were never sent are left in the outbox',
    sql: `SELECT NULL::uuid AS account_id, NULL::bigint AS seq, format('%s rows', count(*)) AS expected FROM outbox
          WHERE $1::uuid IS NULL AND at < (SELECT clock_timestamp() - interval '${outboxLeftAfter}') HAVING count(*) > 0`,
  },
];

interface FoundRow {
  account_id: string | null;
  seq: bigint | null;
  expected: string | null;
}

/** Holds accounts, holds and outbox against the journal, in the transaction that `client` is in. */
export async function checkTables(
  client: Client,
  accountId: string | undefined,
  onFinding: (finding: Finding) => void,
): Promise<void> {
  for (const { problem, sql } of checks) {
    // In an order: else the planner takes the limit for a reason to look up row by row, and there are hardly ever any.
    const ordered = `${sql} ORDER BY account_id, seq LIMIT ${maxFindingsPerCheck + 1}`;
    const { rows } = await client.query<FoundRow>(ordered, [accountId ?? null]);
    for (const row of rows.slice(0, maxFindingsPerCheck)) {
      const expected = row.expected === null ? '' : `; expected: ${row.expected}`;
      onFinding({
        accountId: row.account_id,
        ...(row.seq !== null && { seq: Number(row.seq) }),
        problem: problem + expected,
      });
    }
    if (rows.length > maxFindingsPerCheck)
      onFinding({ accountId: null, problem: `more accounts of which one ${problem}` });
  }
}
