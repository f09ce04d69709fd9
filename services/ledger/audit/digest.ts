import { createHash } from 'node:crypto';
import type { Client } from 'pg';
import type { Finding } from './finding.ts';

/*
 * A digest of the books: the accounts' last entries, and at the end one hash over them all:
 *
 *     holdfast-digest-1
 *     <account id> <seq> <hash of that entry>
 *     …
 *     end <accounts> <SHA-256 of the lines between, each with its line end>
 *
 * Who keeps a digest outside can prove later that the books have only grown since: every entry named in it must still be
 * there with the same hash, and the chain vouches for those before it. It is written and read line by line, however many
 * accounts there are.
 */

const format = 'holdfast-digest-1';
const headLine = /^([0-9a-f-]{36}) (\d+) ([0-9a-f]{64})$/;

/** Heads compared with the journal by one statement. */
const headsPerStatement = 5_000;

/** An account’s last entry. */
export interface Head {
  readonly accountId: string;
  readonly seq: number;
  readonly hash: string;
}

/** Writes a digest, a line at a time. Without its last line, which `end` writes, nobody takes it for one. */
export class DigestWriter {
  readonly #hash = createHash('sha256');
  readonly #write: (line: string) => void;
  #accounts = 0;

  constructor(write: (line: string) => void) {
    this.#write = write;
    write(format);
  }

  add(accountId: string, seq: number, hash: string): void {
    const line = `${accountId} ${seq} ${hash}`;
    this.#hash.update(`${line}\n`);
    this.#accounts += 1;
    this.#write(line);
  }

  end(): void {
    this.#write(`end ${this.#accounts} ${this.#hash.digest('hex')}`);
  }
}

/**
 * Reads a digest to its end.
 *
 * @throws with plain words when it is none, or was changed.
 */
export async function verifyDigest(lines: AsyncIterable<string>): Promise<void> {
  const hash = createHash('sha256');
  let isFirst = true;
  let accounts = 0;
  // The last line is not hashed, and which one is the last is known when there is no other.
  let pending: string | undefined;
  for await (const line of lines) {
    if (isFirst && line !== format) break;
    if (pending !== undefined) {
      hash.update(`${pending}\n`);
      accounts += 1;
    }
    if (!isFirst) pending = line;
    isFirst = false;
  }
  if (isFirst) throw new Error(`this is no digest: its first line must be ${format}`);
  if (pending !== `end ${accounts} ${hash.digest('hex')}`) {
    throw new Error('this digest was changed or cut: its last line does not fit the others');
  }
}

/** The heads of a digest that {@link verifyDigest} has found whole, some at a time. */
export async function* readHeads(lines: AsyncIterable<string>): AsyncGenerator<Head[]> {
  let heads: Head[] = [];
  for await (const line of lines) {
    const [, accountId = '', seq, hash = ''] = headLine.exec(line) ?? [];
    // The first line and the last.
    if (seq === undefined) continue;
    heads.push({ accountId, seq: Number(seq), hash });
    if (heads.length < headsPerStatement) continue;
    yield heads;
    heads = [];
  }
  yield heads;
}

/** Reports every entry of an older digest that is no longer in the journal as it was. */
export async function checkSince(
  client: Client,
  heads: AsyncIterable<readonly Head[]>,
  onFinding: (finding: Finding) => void,
): Promise<void> {
  for await (const some of heads) {
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
