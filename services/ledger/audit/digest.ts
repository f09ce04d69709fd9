import { createHash, type Hash } from 'node:crypto';
import type { Client } from 'pg';
import type { Finding } from './finding.ts';

/*
 * A digest of the books: its first line is one hash over all that follow, which are the accounts' last entries:
 *
 *     holdfast-digest-1 <SHA-256 of the other lines> <accounts>
 *     <account id> <seq> <hash of that entry>
 *     …
 *
 * Who keeps a digest outside can prove later that the books have only grown since: every entry named in it must still be
 * there with the same hash, and the chain vouches for those before it.
 */

const format = 'holdfast-digest-1';

/** Heads compared with the journal by one statement. */
const headsPerStatement = 5_000;

export interface Head {
  readonly accountId: string;
  readonly seq: number;
  readonly hash: string;
}

/** Gathers heads into a digest. */
export class Digest {
  readonly #hash: Hash = createHash('sha256');
  readonly #lines: string[] = [];

  add(accountId: string, seq: number, hash: string): void {
    const line = `${accountId} ${seq} ${hash}\n`;
    this.#hash.update(line);
    this.#lines.push(line);
  }

  /** The text of the whole digest; its first line alone is enough to recognise it. */
  text(): string {
    return `${format} ${this.#hash.copy().digest('hex')} ${this.#lines.length}\n${this.#lines.join('')}`;
  }
}

/**
 * Reads a digest.
 *
 * @throws with plain words when it is none, or was changed.
 */
export function readDigest(text: string): Head[] {
  const end = text.indexOf('\n');
  const [name, hash, accounts] = text.slice(0, end).split(' ');
  const body = text.slice(end + 1);
  if (end === -1 || name !== format)
    throw new Error(`this is no digest: its first line must begin with ${format}`);
  const lines = body === '' ? [] : body.trimEnd().split('\n');
  if (createHash('sha256').update(body).digest('hex') !== hash || lines.length !== Number(accounts)) {
    throw new Error('this digest was changed or cut: its first line does not fit the others');
  }
  return lines.map((line) => {
    const [accountId = '', seq, head = ''] = line.split(' ');
    return { accountId, seq: Number(seq), hash: head };
  });
}

/** Reports every entry of an older digest that is no longer in the journal as it was. */
export async function checkSince(
  client: Client,
  heads: readonly Head[],
  onFinding: (finding: Finding) => void,
): Promise<void> {
  for (let from = 0; from < heads.length; from += headsPerStatement) {
    const some = heads.slice(from, from + headsPerStatement);
    const { rows } = await client.query<{ account_id: string; seq: bigint; there: boolean }>(
      `SELECT kept.account_id, kept.seq, e.hash IS NOT NULL AS there
       FROM unnest($1::uuid[], $2::bigint[], $3::text[]) AS kept (account_id, seq, hash)
       LEFT JOIN entries e USING (account_id, seq)
       WHERE encode(e.hash, 'hex') IS DISTINCT FROM kept.hash`,
      [some.map(({ accountId }) => accountId), some.map(({ seq }) => seq), some.map(({ hash }) => hash)],
    );
    for (const { account_id: accountId, seq, there } of rows) {
      const problem = there
        ? 'was rewritten since the digest was made'
        : 'was there when the digest was made, and is gone';
      onFinding({ accountId, seq: Number(seq), problem });
    }
  }
}
