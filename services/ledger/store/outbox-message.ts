import type { AccountId } from '../../../shared/contracts/primitives.ts';
import type { Account } from '../domain/account.ts';
import type { Entry } from '../domain/entry.ts';

/** A message that must reach the broker because of what a batch did: a row of the outbox. */
export interface OutboxMessage {
  readonly topic: 'event' | 'due';
  /** What the broker recognises a second sending by, unless it was gathered with others, or cut, before. */
  readonly messageId: string;
  /** JSON: of a due second the message itself, of an event an array of those facts that no entry tells. */
  readonly payload: string;
  /** What an event tells of: the journal has what its facts are made from, so the outbox need not keep them. */
  readonly entries: readonly EntryRange[];
}

/** A message, and the id of its row. */
export interface StoredMessage<M extends OutboxMessage = OutboxMessage> {
  readonly id: bigint;
  readonly message: M;
}

/** An entry, and what of its account never changes: all that its fact is made from. */
export interface EntryOfAccount {
  readonly entry: Entry;
  readonly account: Pick<Account, 'currency' | 'decimals'>;
}

/** Entries of one account that a batch made, without gaps. */
export interface EntryRange {
  readonly accountId: AccountId;
  readonly firstSeq: number;
  readonly lastSeq: number;
}
