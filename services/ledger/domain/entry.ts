import type { EntryKind } from '../../../shared/contracts/outcomes.ts';
import type { AccountId, CommandId, HoldId } from '../../../shared/contracts/primitives.ts';
import { sha256 } from '../../../shared/hashing/sha256.ts';
import type { Money } from '../../../shared/money/money.ts';
import type { Micros } from './time.ts';

/** One line of the append-only journal: what changed an account, and what the account was afterwards. */
export interface Entry {
  readonly accountId: AccountId;
  /** 1, 2, 3 … per account, without gaps. */
  readonly seq: number;
  readonly commandId: CommandId;
  readonly kind: EntryKind;
  /** Never negative; the kind tells the direction. Zero for entries that move no money. */
  readonly amount: Money;
  /** The account's balance, held amount and overdraft limit after this entry. */
  readonly balance: Money;
  readonly held: Money;
  readonly overdraftLimit: Money;
  readonly holdId: HoldId | null;
  /** Never before the predecessor's. */
  readonly at: Micros;
  /** 16 bytes: what the command meant, so that the same id with another meaning is noticed. */
  readonly fingerprint: Buffer;
  /** JSON text of what else the entry fixes, such as a hold's due time. Kept byte for byte, because it is hashed. */
  readonly details: string | null;
  readonly formatVersion: number;
  /** 32 bytes: SHA-256 over the predecessor's hash and every field above. */
  readonly hash: Buffer;
}

/** An entry whose place in the chain is not computed yet. */
export type UnchainedEntry = Omit<Entry, 'formatVersion' | 'hash'>;

/** The version of the field order below; a change of it is a new number, and old entries keep theirs. */
export const entryFormatVersion = 1;

/** What the first entry of an account takes as its predecessor's hash. */
export function chainStart(accountId: AccountId): Buffer {
  return sha256(accountId);
}

const absentField = 0xffff_ffff;

/** Lengths as they are hashed, four bytes each, as text of bytes. */
const absentLength = '\u00ff\u00ff\u00ff\u00ff';
const shortLengths = Array.from({ length: 256 }, (_, length) => `\0\0\0${String.fromCharCode(length)}`);

/**
 * The chain hash of an entry: SHA-256 of
 *
 *     previous hash (32 bytes) ‖ format version (1 byte) ‖ each field as length (4 bytes, big endian) ‖ bytes
 *
 * with the fields account id, seq, command id, kind, amount, balance, held, overdraft limit, hold id, time (µs since
 * 1970), fingerprint, details. Texts are UTF-8, uuids their lower-case text, integers decimal text, the fingerprint
 * its raw bytes; an absent field has the length 0xFFFFFFFF and no bytes. `docs/concepts.md` says the same to auditors.
 */
export function hashEntry(previousHash: Buffer, entry: UnchainedEntry): Buffer {
  return hashFields(previousHash, {
    formatVersion: entryFormatVersion,
    plain: [
      entry.accountId,
      entry.seq.toString(),
      entry.commandId,
      entry.kind,
      entry.amount.toString(),
      entry.balance.toString(),
      entry.held.toString(),
      entry.overdraftLimit.toString(),
      entry.holdId,
      entry.at.toString(),
    ],
    fingerprint: entry.fingerprint,
    details: entry.details,
  });
}

/** The fields of an entry as they are hashed. */
interface HashedFields {
  readonly formatVersion: number;
  /** Ids, numbers and kind, in their order: ASCII, and shorter than 256 characters. */
  readonly plain: readonly (string | null)[];
  readonly fingerprint: Buffer;
  readonly details: string | null;
}

/** As {@link hashEntry}, for fields that are texts already: an audit reads millions of them. */
export function hashFields(
  previousHash: Buffer,
  { formatVersion, plain, fingerprint, details }: HashedFields,
): Buffer {
  // Lengths and all, they are one text of bytes: to write field by field takes Node half as long again.
  let head = String.fromCharCode(formatVersion);
  for (const field of plain) head += field === null ? absentLength : `${shortLengths[field.length]}${field}`;
  const detailsLength = details === null ? 0 : Buffer.byteLength(details);
  const message = Buffer.allocUnsafe(
    previousHash.length + head.length + 4 + fingerprint.length + 4 + detailsLength,
  );
  let offset = previousHash.copy(message, 0);
  offset += message.write(head, offset, 'latin1');
  offset = message.writeUInt32BE(fingerprint.length, offset);
  offset += fingerprint.copy(message, offset);
  offset = message.writeUInt32BE(details === null ? absentField : detailsLength, offset);
  if (details !== null) message.write(details, offset);
  return sha256(message);
}

/** The entry with its place in the chain. */
export function chainEntry(previousHash: Buffer, entry: UnchainedEntry): Entry {
  // With the spread in front V8 takes a hundred times as long, more than for the hash.
  return { formatVersion: entryFormatVersion, hash: hashEntry(previousHash, entry), ...entry };
}
