import type { Client } from 'pg';
import type { AccountId } from '../../../shared/contracts/primitives.ts';
import { chainStart, hashFields } from '../domain/entry.ts';
import type { Finding } from './finding.ts';

/** One fetch: large enough to keep both ends busy, small enough that memory stays flat. */
const rowsPerFetch = 10_000;

/** The columns of an entry as the texts that are hashed, in the order in which they are. */
type JournalRow = [
  accountId: string,
  seq: string,
  commandId: string,
  kind: string,
  amount: string,
  balance: string,
  held: string,
  overdraftLimit: string,
  holdId: string | null,
  at: string,
  fingerprint: string,
  details: string | null,
  formatVersion: string,
  hash: string,
];

const journalColumns = `account_id::text, seq::text, command_id::text, kind::text, amount::text, balance::text, held::text,
  overdraft_limit::text, hold_id::text, (extract(epoch FROM at) * 1000000)::bigint::text, encode(fingerprint, 'hex'),
  details::text, format_version::text, encode(hash, 'hex')`;

/** Which chains to check, and who is told of it. */
export interface ChainCheck {
  readonly client: Client;
  /** Only this account. */
  readonly accountId?: string | undefined;
  readonly onProgress: (entries: number) => void;
  readonly onFinding: (finding: Finding) => void;
  /** Each account's last entry, in the order of the accounts' ids. */
  readonly onHead?: (accountId: string, seq: number, hash: string) => void;
}

/**
 * Recomputes every chain from its first entry, in the transaction that `client` is in. A wrong entry is reported once:
 * the chain goes on from the hash that is stored, so that later entries are judged by themselves.
 *
 * @returns how many entries there are.
 */
export async function checkChains(check: ChainCheck): Promise<number> {
  const { client, accountId, onProgress } = check;
  const where = accountId === undefined ? '' : 'WHERE account_id = $1';
  const values = accountId === undefined ? [] : [accountId];
  const sql = `DECLARE journal NO SCROLL CURSOR FOR
    SELECT ${journalColumns} FROM entries ${where} ORDER BY entries.account_id, entries.seq`;
  await client.query(sql, values);
  const fetch = () =>
    client.query<JournalRow>({ text: `FETCH ${rowsPerFetch} FROM journal`, rowMode: 'array' });
  const chain = new Chain(check);
  let entries = 0;
  for (let page = fetch(); ;) {
    const { rows } = await page;
    if (rows.length === 0) break;
    // The server reads on while we hash.
    page = fetch();
    for (const row of rows) chain.take(row);
    entries += rows.length;
    onProgress(entries);
  }
  chain.endAccount();
  await client.query('CLOSE journal');
  return entries;
}

/** Where the walk along the journal is. */
class Chain {
  readonly #check: ChainCheck;
  #accountId: string | undefined;
  #seq = 0;
  #at = 0;
  #overdraftLimit = '';
  #head: Buffer = Buffer.alloc(0);

  constructor(check: ChainCheck) {
    this.#check = check;
  }

  take(row: JournalRow): void {
    const [
      accountId,
      seqText,
      commandId,
      kind,
      amount,
      balance,
      held,
      overdraftLimit,
      holdId,
      at,
      fingerprint,
      details,
      formatVersion,
      stored,
    ] = row;
    if (accountId !== this.#accountId) this.#beginAccount(accountId);
    const seq = Number(seqText);
    if (seq !== this.#seq + 1) this.#report(seq, `follows entry ${this.#seq}: ${this.#seq + 1} is missing`);
    if (Number(at) < this.#at) this.#report(seq, 'is older than its predecessor');
    if (overdraftLimit !== this.#overdraftLimit && kind !== 'open' && kind !== 'set-limit')
      this.#report(seq, `changes the overdraft limit to ${overdraftLimit}, which a ${kind} does not`);
    const expected = hashFields(this.#head, {
      formatVersion: Number(formatVersion),
      plain: [accountId, seqText, commandId, kind, amount, balance, held, overdraftLimit, holdId, at],
      fingerprint: Buffer.from(fingerprint, 'hex'),
      details,
    }).toString('hex');
    if (expected !== stored) this.#report(seq, `has the hash ${stored}, expected ${expected}`);
    this.#seq = seq;
    this.#at = Number(at);
    this.#overdraftLimit = overdraftLimit;
    this.#head = Buffer.from(stored, 'hex');
  }

  endAccount(): void {
    if (this.#accountId !== undefined) {
      this.#check.onHead?.(this.#accountId, this.#seq, this.#head.toString('hex'));
    }
  }

  #beginAccount(accountId: string): void {
    this.endAccount();
    this.#accountId = accountId;
    this.#seq = 0;
    this.#at = 0;
    this.#head = chainStart(accountId as AccountId);
  }

  #report(seq: number, problem: string): void {
    this.#check.onFinding({ accountId: this.#accountId ?? null, seq, problem });
  }
}
