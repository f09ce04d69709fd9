import type { Client } from 'pg';
import type { Fact } from '../../shared/contracts/events.ts';
import type { AppliedOutcome } from '../../shared/contracts/outcomes.ts';
import { canonicalDecimal, parseMoney } from '../../shared/money/money.ts';

/** What answers and facts vouch for: every entry that may be in the journal, by account and seq. */
export class Vouchers {
  readonly #vouched = new Map<string, string>();
  /** The last hold of each account. */
  readonly #holds = new Map<string, string>();

  /** An answer, held against the command that it answers. @returns what is wrong with it. */
  takeAnswer(kind: string, sent: unknown, { account, entry, hold }: AppliedOutcome): string | undefined {
    const { accountId, amount } = sent as { accountId: string; amount?: string };
    // A hold that is ended without an amount is ended with its own.
    const asked = canonicalDecimal(amount ?? hold?.amount ?? '0');
    const isAnswer =
      entry.kind === (kind === 'transfer' ? 'transfer-out' : kind) &&
      account.id === accountId.toLowerCase() &&
      canonicalDecimal(entry.amount) === asked;
    if (!isAnswer) return `${kind} ${JSON.stringify(sent)} was answered with ${JSON.stringify(entry)}`;
    this.#vouched.set(entry.id, lineOf(entry.kind, parseMoney(entry.amount, account.decimals)));
    if (hold?.status === 'pending') this.#holds.set(account.id, hold.id);
    return undefined;
  }

  /** A hold of the account that was answered, which may have ended since. */
  holdOf(accountId: string): string | undefined {
    return this.#holds.get(accountId);
  }

  /** A fact about a command whose sender got no answer. */
  takeFact(fact: Extract<Fact, { type: 'entry' }>): void {
    const [, decimals = ''] = fact.amount.split('.');
    this.#vouched.set(
      `${fact.accountId}:${fact.seq}`,
      lineOf(fact.kind, parseMoney(fact.amount, decimals.length)),
    );
  }

  /** Entries nobody vouches for, and vouched ones that are not there. */
  async compare(books: Client): Promise<{ unexplained: string[]; missing: string[] }> {
    const { rows } = await books.query<{ id: string; kind: string; amount: string }>(
      `SELECT account_id || ':' || seq AS id, kind::text, amount::text FROM entries`,
    );
    const journal = new Map(rows.map(({ id, kind, amount }) => [id, lineOf(kind, amount)]));
    return { unexplained: difference(journal, this.#vouched), missing: difference(this.#vouched, journal) };
  }
}

function lineOf(kind: string, minorUnits: string | bigint | undefined): string {
  return `${kind} ${minorUnits}`;
}

function difference(left: ReadonlyMap<string, string>, right: ReadonlyMap<string, string>): string[] {
  return [...left].flatMap(([id, line]) =>
    right.get(id) === line ? [] : `${id} ${line}, not ${right.get(id)}`,
  );
}
