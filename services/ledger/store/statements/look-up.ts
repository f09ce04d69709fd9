import type { EntryKind } from '../../../../shared/contracts/outcomes.ts';
import type { AccountId, CommandId, HoldId } from '../../../../shared/contracts/primitives.ts';
import { money } from '../../../../shared/money/money.ts';
import type { Entry } from '../../domain/entry.ts';
import type { KeptRefusal, Refusal } from '../../domain/refusals.ts';
import type { Micros } from '../../domain/time.ts';
import type { Statement } from '../pipeline.ts';
import { uuid } from './array-types.ts';
import { booksNow } from './books-now.ts';

/** The one row of the look-up. The lists are null when empty, which they nearly always are. */
export interface LookUpRow {
  now: Micros;
  real_now: Micros;
  applied: string | null;
  refused: string | null;
}

/**
 * The books' time and the real one, and what the batch's command ids have led to before.
 *
 * This must be a statement of its own, after the one that locks: only a later statement has a snapshot that shows what
 * the lock's previous owner wrote. Lock and look-up in one statement apply a command twice, because after the wait they
 * see the fresh account but not the entry that made it fresh.
 *
 * LATERAL with OFFSET 0 makes the planner look up each asked id by its key. A plain join is planned the other way round
 * (walk the whole table, compare each row with what is asked) on a table that had a handful of rows when it was last
 * analysed, and the session keeps that plan while the table grows: at 100,000 rows a look-up then took 10 seconds.
 */
export function lookUp(accountIds: readonly AccountId[], commandIds: readonly CommandId[]): Statement {
  return {
    name: 'look-up',
    text: `
      SELECT clock_timestamp() AS real_now, ${booksNow} AS now,
        (SELECT json_agg(json_build_array(e.account_id, e.seq, e.command_id, e.kind, e.amount::text, e.balance::text,
                  e.held::text, e.overdraft_limit::text, e.hold_id, (extract(epoch FROM e.at) * 1000000)::bigint,
                  encode(e.fingerprint, 'hex'), e.details::text, e.format_version, encode(e.hash, 'hex')))
           FROM generate_subscripts($1::uuid[], 1) AS i, LATERAL (
             SELECT * FROM entries WHERE (account_id, command_id) = (($1::uuid[])[i], ($2::uuid[])[i]) OFFSET 0
           ) AS e) AS applied,
        (SELECT json_agg(json_build_array(r.account_id, r.command_id, encode(r.fingerprint, 'hex'), r.detail,
                  (extract(epoch FROM r.at) * 1000000)::bigint))
           FROM generate_subscripts($1::uuid[], 1) AS i, LATERAL (
             SELECT * FROM refusals WHERE (account_id, command_id) = (($1::uuid[])[i], ($2::uuid[])[i]) OFFSET 0
           ) AS r) AS refused`,
    values: [uuid.parameter(accountIds), uuid.parameter(commandIds)],
  };
}

type EntryColumns = [
  accountId: AccountId,
  seq: number,
  commandId: CommandId,
  kind: EntryKind,
  amount: string,
  balance: string,
  held: string,
  overdraftLimit: string,
  holdId: HoldId | null,
  at: number,
  fingerprint: string,
  details: string | null,
  formatVersion: number,
  hash: string,
];

/** What commands of the batch were applied before, by their entries. */
export function entriesOf(row: LookUpRow): Entry[] {
  if (row.applied === null) return [];
  return (JSON.parse(row.applied) as EntryColumns[]).map(
    ([
      accountId,
      seq,
      commandId,
      kind,
      amount,
      balance,
      held,
      limit,
      holdId,
      at,
      fingerprint,
      details,
      version,
      hash,
    ]) => ({
      accountId,
      seq,
      commandId,
      kind,
      amount: money(BigInt(amount)),
      balance: money(BigInt(balance)),
      held: money(BigInt(held)),
      overdraftLimit: money(BigInt(limit)),
      holdId,
      at: at as Micros,
      fingerprint: Buffer.from(fingerprint, 'hex'),
      details,
      formatVersion: version,
      hash: Buffer.from(hash, 'hex'),
    }),
  );
}

type RefusalColumns = [
  accountId: AccountId,
  commandId: CommandId,
  fingerprint: string,
  refusal: Refusal,
  at: number,
];

/** What commands of the batch were refused before. */
export function refusalsOf(row: LookUpRow): KeptRefusal[] {
  if (row.refused === null) return [];
  return (JSON.parse(row.refused) as RefusalColumns[]).map(
    ([accountId, commandId, fingerprint, refusal, at]) => ({
      accountId,
      commandId,
      fingerprint: Buffer.from(fingerprint, 'hex'),
      refusal,
      at: at as Micros,
    }),
  );
}
