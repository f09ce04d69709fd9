import type { Account } from '../../domain/account.ts';
import type { Statement } from '../pipeline.ts';
import type { EntryOfAccount, EntryRange } from '../outbox-message.ts';
import { bigint, uuid } from './array-types.ts';
import { entryColumns, entryOf, type EntryRow } from './entry-row.ts';

export type EntryInRangeRow = EntryRow & Pick<Account, 'currency' | 'decimals'>;

/** Entries, and what of their accounts never changes. For LATERAL with OFFSET 0 see `lookUp`. */
export function readRanges(ranges: readonly EntryRange[]): Statement {
  return {
    name: 'read-ranges',
    text: `
      SELECT ${entryColumns}, currency, decimals
      FROM unnest($1::uuid[], $2::bigint[], $3::bigint[]) AS told (account, first, last),
        LATERAL (SELECT currency, decimals FROM accounts WHERE id = account OFFSET 0) AS of_account,
        LATERAL (
          SELECT * FROM entries WHERE account_id = account AND seq BETWEEN first AND last ORDER BY seq OFFSET 0
        ) AS entry`,
    values: [
      uuid.parameter(ranges.map((range) => range.accountId)),
      bigint.parameter(ranges.map((range) => BigInt(range.firstSeq))),
      bigint.parameter(ranges.map((range) => BigInt(range.lastSeq))),
    ],
  };
}

export function entryOfAccount(row: EntryInRangeRow): EntryOfAccount {
  const { currency, decimals } = row;
  return { entry: entryOf(row), account: { currency, decimals } };
}
