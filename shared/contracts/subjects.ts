/* Every NATS subject, stream and consumer name. Nobody spells one anywhere else. */

/** The commands that change accounts; all but `transfer` change one. They may also be sent without waiting for an answer. */
export const accountCommandKinds = [
  'open',
  'set-limit',
  'close',
  'add',
  'subtract',
  'settle',
  'release',
  'extend',
  'transfer',
] as const;
export type AccountCommandKind = (typeof accountCommandKinds)[number];

/** The commands that there are, each on a subject of its own, so that permissions can allow just one kind. */
export const commandKinds = [...accountCommandKinds, 'settle-due', 'advance-clock'] as const;
export type CommandKind = (typeof commandKinds)[number];

/** The questions a caller can ask; they change nothing. */
export const queryKinds = ['ping', 'account', 'accounts', 'hold', 'holds', 'entries'] as const;
export type QueryKind = (typeof queryKinds)[number];

export const commandSubjectPrefix = 'balance.command.';
export const querySubjectPrefix = 'balance.query.';
export const asyncCommandSubjectPrefix = 'balance.async.';

export function commandSubject<K extends CommandKind>(kind: K): `balance.command.${K}` {
  return `balance.command.${kind}`;
}

export function querySubject<K extends QueryKind>(kind: K): `balance.query.${K}` {
  return `balance.query.${kind}`;
}

export function asyncCommandSubject<K extends AccountCommandKind>(kind: K): `balance.async.${K}` {
  return `balance.async.${kind}`;
}

/** All ledgers share this queue group: each message reaches one of them. */
export const ledgerQueueGroup = 'ledger';

/** "Holds fall due at second T", delivered to the settler when T has come. */
export const holdDueSubject = 'balance.hold.due';
export const holdsStream = 'BALANCE_HOLDS';
export const settlerConsumer = 'settler';

/** What has happened: arrays of facts. */
export const eventSubject = 'balance.event';
export const eventsStream = 'BALANCE_EVENTS';

/** Commands of callers who do not wait for the answer. */
export const commandsStream = 'BALANCE_COMMANDS';
export const asyncCommandsConsumer = 'ledger';

/** What the subjects of replies begin with: clients' inboxes, and what servers make of them between accounts and clusters. */
const replySubjectPrefixes = ['_INBOX', '_R_.', '_GR_.'] as const;

/**
 * Whether an answer may go to this reply subject. A caller may name any, also one to which it may not publish itself,
 * such as that of an event or of JetStream's API: the ledger must not do that in its place.
 */
export function isReplySubject(subject: string): boolean {
  return replySubjectPrefixes.some((prefix) => subject.startsWith(prefix));
}
