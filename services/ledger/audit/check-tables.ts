import { DatabaseError, type Client } from 'pg';
import type { Finding } from './finding.ts';

/** Of one kind at most so many are reported; then one more says that there are others. */
const maxFindingsPerCheck = 100;

/** An outbox row lives for milliseconds; one that is older than this is not being sent. */
const outboxLeftAfter = '5 minutes';

interface Check {
  readonly problem: string;
  /** Rows that must not be: an account id, perhaps a seq, perhaps what was expected. */
  readonly sql: string;
  /** In place of it when the audit is of one account, `$1`. */
  readonly sqlOfAccount?: string;
}

/** The entries of those who pay, each with the command id that the entry of the account that is paid must have: see domain/transfer.ts. */
const transfersOut = `(
            SELECT e.*, (substr(h, 1, 12) || '8' || substr(h, 14, 3) ||
                         CASE WHEN substr(h, 32, 1) IN ('0', '2', '4', '6', '8', 'a', 'c', 'e') THEN 'e' ELSE 'f' END ||
                         substr(h, 18, 15))::uuid AS receipt_id
            FROM entries e,
              LATERAL (SELECT encode(sha256('\\x7472616e7366657200'::bytea || convert_to(account_id::text, 'UTF8') || '\\x00'::bytea ||
                                            convert_to(command_id::text, 'UTF8')), 'hex') AS h) AS hashed
            WHERE e.kind::text = 'transfer-out'
          ) AS o`;
const transferMismatch = `SELECT coalesce(o.account_id, i.account_id) AS account_id, coalesce(o.seq, i.seq) AS seq,
                 CASE WHEN o.seq IS NULL THEN format('%s minor units taken from account %s', i.amount, i.details ->> 'from')
                   ELSE format('%s minor units paid to account %s', o.amount, o.details ->> 'to') END AS expected`;
const transferDiffers = `(o.amount, o.fingerprint, o.details ->> 'reference', o.account_id::text, o.command_id::text) IS DISTINCT FROM
                (i.amount, i.fingerprint, i.details ->> 'reference', i.details ->> 'from', i.details ->> 'commandId')`;

const ofAccount = '($1::uuid IS NULL OR account_id = $1)';

/**
 * What the entries of each hold that was extended say of when it is due, the one that makes it and each that extends it: how many
 * they are, when it is due by the last one, and whether one is no time or an earlier one than before. By their kinds' text, as the
 * books of before have no `extend`. Gathered first: `entries` has no index by hold, and to look for each hold's would be to walk
 * over all of its account's.
 */
const extensions = `(
            SELECT account_id, hold_id, count(*) AS times, (array_agg(due ORDER BY seq DESC))[1] AS due_at,
                   coalesce(bool_or(due IS NULL OR due < before), false) AS is_wrong
            FROM (
              SELECT *, lag(due) OVER (PARTITION BY account_id, hold_id ORDER BY seq) AS before
              FROM (
                SELECT account_id, hold_id, seq,
                       CASE WHEN details ->> 'dueAt' ~ '^[0-9]{1,12}$' THEN (details ->> 'dueAt')::bigint END AS due
                FROM entries WHERE kind::text IN ('subtract', 'extend') AND (account_id, hold_id) IN (
                  SELECT account_id, hold_id FROM entries WHERE kind::text = 'extend' AND ${ofAccount})
              ) AS told
            ) AS told_in_order GROUP BY account_id, hold_id
          ) AS extended ON extended.account_id = h.account_id AND extended.hold_id = h.id`;
/** Entries that end their hold: not by the names of their kinds, as the books of before have not all of them. */
const endsHold = `kind::text NOT IN ('subtract', 'extend')`;

/** What the journal determines in the other tables. `$1` narrows to one account, null is all. */
const checks: readonly Check[] = [
  {
    problem: 'has no first entry',
    sql: `SELECT a.id AS account_id, NULL::bigint AS seq, NULL::text AS expected FROM accounts a
          WHERE ($1::uuid IS NULL OR a.id = $1) AND NOT EXISTS (SELECT FROM entries e WHERE e.account_id = a.id AND e.seq = 1)`,
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
            -- By the hold, so that each of several that say they made it is looked at.
            ON e.account_id = h.account_id AND e.hold_id = h.id AND e.kind = 'subtract'
          LEFT JOIN ${extensions}
          WHERE ($1::uuid IS NULL OR h.account_id = $1)
            AND (e.command_id, e.amount, coalesce(extended.due_at::text, e.details ->> 'dueAt'), coalesce(extended.is_wrong, false), coalesce(e.details ->> 'onDue', 'settle'), e.details ->> 'reference', NULL, NULL) IS DISTINCT FROM
                (h.command_id, h.amount, trunc(extract(epoch FROM h.due_at))::text, false, h.on_due::text, h.reference,
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
    sql: `SELECT h.account_id, e.seq,
                 CASE WHEN e.seq IS NULL THEN format('hold %s, pending, as no entry ends it', h.id)
                   ELSE format('hold %s, ended by a %s of %s minor units at %s with the details %s',
                               h.id, e.kind, e.amount, e.at, coalesce(e.details::text, 'null')) END AS expected
          FROM holds h LEFT JOIN entries e
            ON e.account_id = h.account_id AND e.hold_id = h.id AND e.${endsHold}
          LEFT JOIN ${extensions}
          WHERE ($1::uuid IS NULL OR h.account_id = $1)
            AND (h.remaining <> CASE h.status WHEN 'pending' THEN h.amount ELSE 0 END
              OR CASE WHEN e.seq IS NULL THEN h.status <> 'pending' OR h.version <> coalesce(extended.times, 1)
                ELSE h.version <> 1 + coalesce(extended.times, 1)
                  OR h.status <> CASE e.kind WHEN 'settle' THEN 'settled'::hold_status ELSE 'released' END
                  -- With what a settle of a part has released; null, which is no amount, when that is none.
                  OR e.amount + CASE WHEN e.details ->> 'released' IS NULL THEN 0
                                  WHEN e.details ->> 'released' ~ '^[0-9]{1,18}$' THEN (e.details ->> 'released')::bigint
                                END IS DISTINCT FROM h.amount
                  OR e.details ->> 'dueAt' <> trunc(extract(epoch FROM h.due_at))::text
                  OR e.details ->> 'reference' <> coalesce(h.reference, '')
                  -- Without the account's status it is no caller's doing, and was due. Most have no details to look into.
                  OR ((e.details IS NULL OR e.details ->> 'accountStatus' IS NULL)
                    AND (e.at < h.due_at OR (e.kind = 'settle') <> (h.on_due = 'settle')))
                END)`,
  },
  {
    problem: 'has a hold that was ended more than once',
    sql: `SELECT e.account_id, max(e.seq) AS seq, format('hold %s', e.hold_id) AS expected FROM entries e
          WHERE ($1::uuid IS NULL OR e.account_id = $1) AND e.hold_id IS NOT NULL AND e.${endsHold}
          GROUP BY e.account_id, e.hold_id HAVING count(*) > 1`,
  },
  {
    problem: 'has an entry that extends a hold otherwise than the hold says, or after its end',
    sql: `SELECT e.account_id, e.seq, format('hold %s of %s minor units', h.id, h.amount) AS expected
          FROM entries e JOIN holds h ON h.account_id = e.account_id AND h.id = e.hold_id
          LEFT JOIN (
            SELECT account_id, hold_id, min(seq) AS seq FROM entries
            WHERE hold_id IS NOT NULL AND ${endsHold} AND ${ofAccount} GROUP BY account_id, hold_id
          ) AS ended ON ended.account_id = h.account_id AND ended.hold_id = h.id
          WHERE ($1::uuid IS NULL OR e.account_id = $1) AND e.kind::text = 'extend'
            AND ((e.amount, coalesce(e.details ->> 'onDue', 'settle'), e.details ->> 'reference') IS DISTINCT FROM
                 (h.amount, h.on_due::text, h.reference)
              OR coalesce(e.details ->> 'accountStatus' NOT IN ('open', 'closed'), true)
              -- What only entries of other kinds say.
              OR e.details ->> 'released' IS NOT NULL OR e.details ->> 'to' IS NOT NULL OR e.details ->> 'from' IS NOT NULL
              OR ended.seq < e.seq)`,
  },
  {
    problem: 'has an entry that names a hold and is about none, or the other way round',
    sql: `SELECT e.account_id, e.seq, NULL::text AS expected FROM entries e
          WHERE ($1::uuid IS NULL OR e.account_id = $1)
            AND (e.hold_id IS NOT NULL) <> (e.kind::text IN ('subtract', 'settle', 'release', 'extend'))`,
  },
  {
    problem: 'has a balance that its entries do not add up to',
    sql: `SELECT a.id AS account_id, NULL::bigint AS seq, format('%s minor units', coalesce(e.moved, 0)) AS expected
          FROM accounts a LEFT JOIN (
            SELECT account_id, sum(CASE kind WHEN 'add' THEN amount WHEN 'settle' THEN -amount
                                     -- By their text: the books of before have no such kinds.
                                     ELSE CASE kind::text WHEN 'transfer-in' THEN amount WHEN 'transfer-out' THEN -amount ELSE 0 END
                                   END) AS moved
            FROM entries GROUP BY account_id
          ) AS e ON e.account_id = a.id
          WHERE ($1::uuid IS NULL OR a.id = $1) AND a.balance <> coalesce(e.moved, 0)`,
  },
  {
    problem: 'has an entry of a transfer that the other account’s does not match',
    sql: `${transferMismatch}
          FROM ${transfersOut} FULL JOIN (SELECT * FROM entries WHERE kind::text = 'transfer-in') AS i
            ON i.account_id::text = o.details ->> 'to' AND i.command_id = o.receipt_id
          WHERE ($1::uuid IS NULL OR o.account_id = $1 OR i.account_id = $1) AND ${transferDiffers}`,
    // The other accounts' entries by their keys: of one account the whole journal need not be read. What is gone from it on the
    // other side shows on that account alone.
    sqlOfAccount: `${transferMismatch}
          FROM ${transfersOut} LEFT JOIN entries AS i
            ON i.account_id = (o.details ->> 'to')::uuid AND i.command_id = o.receipt_id AND i.kind::text = 'transfer-in'
          WHERE o.account_id = $1 AND ${transferDiffers}
          UNION ALL
          ${transferMismatch}
          FROM entries AS i LEFT JOIN ${transfersOut}
            ON o.account_id = (i.details ->> 'from')::uuid AND o.command_id = (i.details ->> 'commandId')::uuid
          WHERE i.account_id = $1 AND i.kind::text = 'transfer-in'
            AND (${transferDiffers} OR i.command_id <> o.receipt_id OR i.account_id::text <> o.details ->> 'to')`,
  },
  {
    problem: 'messages that were never sent are left in the outbox',
    sql: `SELECT NULL::uuid AS account_id, NULL::bigint AS seq, format('%s rows', count(*)) AS expected FROM outbox
          WHERE $1::uuid IS NULL AND at < (SELECT clock_timestamp() - interval '${outboxLeftAfter}') HAVING count(*) > 0`,
  },
];

/** SQLSTATE class of values that can't be read, such as a JSON escape that stands for no character. */
const dataException = '22';

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
  for (const { problem, sql, sqlOfAccount = sql } of checks) {
    const rows = await find(client, accountId === undefined ? sql : sqlOfAccount, accountId);
    if (rows instanceof DatabaseError) {
      const message = `accounts of which can't be said whether one ${problem}: ${rows.message}`;
      onFinding({ accountId: null, problem: message });
      continue;
    }
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

/** The first rows that must not be; or why that can't be known, as somebody wrote what we never do. */
async function find(
  client: Client,
  sql: string,
  accountId: string | undefined,
): Promise<readonly FoundRow[] | DatabaseError> {
  // All are found before some are taken: else the planner takes the limit for a reason to go along an index row by row, and
  // there are hardly ever any.
  const some = `WITH found AS MATERIALIZED (${sql})
    SELECT * FROM found ORDER BY account_id, seq LIMIT ${maxFindingsPerCheck + 1}`;
  await client.query('SAVEPOINT before_check');
  try {
    const { rows } = await client.query<FoundRow>(some, [accountId ?? null]);
    return rows;
  } catch (error) {
    if (!(error instanceof DatabaseError) || !error.code?.startsWith(dataException)) throw error;
    // The checks that follow are made all the same.
    await client.query('ROLLBACK TO SAVEPOINT before_check');
    return error;
  }
}
