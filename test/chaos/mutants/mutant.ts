import type { Scenario } from './scenarios.ts';
import * as scenarios from './scenarios.ts';

/** A mistake that someone could make in the code, and a scenario in which it must be found out. */
export interface Mutant {
  readonly name: string;
  readonly patches: readonly Patch[];
  readonly scenario: Scenario;
}

export interface Patch {
  /** Of the build, below `dist`. */
  readonly file: string;
  /** Must be there exactly once: when the code has moved on, so must its mutant. */
  readonly search: string;
  readonly replace: string;
}

const batchTransaction = 'services/ledger/store/batch-transaction.js';
const executeBatch = 'services/ledger/domain/execute-batch.js';

export const mutants: readonly Mutant[] = [
  {
    name: 'replies before COMMIT',
    patches: [
      {
        file: batchTransaction,
        search: 'const [written, committed] = await session.pipeline([write, commit]);',
        replace: `const [written] = await session.pipeline([write]);
        const committed = { command: 'COMMIT' };
        void session.pipeline([commit]).catch(() => undefined);`,
      },
    ],
    scenario: scenarios.lineCutOnceAnswered,
  },
  {
    name: 'does not look up what was applied',
    patches: [
      {
        file: executeBatch,
        search: 'const earlier = batch.earlierOutcome(key, fingerprint);',
        replace: 'const earlier = undefined;',
      },
    ],
    scenario: scenarios.askedAgain,
  },
  {
    name: 'looks up in the statement that locks',
    patches: [
      {
        file: 'services/ledger/store/statements/look-up.js',
        search: 'SELECT clock_timestamp() AS real_now,',
        replace: `WITH locked AS MATERIALIZED (SELECT id FROM accounts WHERE id = ANY ($1::uuid[]) ORDER BY id FOR UPDATE)
      SELECT (SELECT clock_timestamp() FROM (SELECT count(*) FROM locked) AS all_locked) AS real_now,`,
      },
      // The accounts are read afterwards, as the lock's previous owner left them.
      {
        file: batchTransaction,
        search: `lockAccounts(accountIds),
        lookUp(repeatable.map((command) => command.accountId), repeatable.map((command) => command.id)),`,
        replace: `lookUp(repeatable.map((command) => command.accountId), repeatable.map((command) => command.id)),
        lockAccounts(accountIds),`,
      },
      {
        file: batchTransaction,
        search: 'function loadedFrom([accounts, lookedUp, holds])',
        replace: 'function loadedFrom([lookedUp, accounts, holds])',
      },
    ],
    scenario: scenarios.sameIdAtTwoLedgers,
  },
  {
    name: 'locks in no common order',
    patches: [
      {
        file: 'services/ledger/store/statements/lock-accounts.js',
        search: 'ORDER BY id FOR UPDATE`',
        replace: 'ORDER BY random() FOR UPDATE`',
      },
    ],
    scenario: scenarios.crossingBatches,
  },
  {
    name: 'does not lock the ids of absent accounts',
    patches: [
      {
        file: batchTransaction,
        search: 'lockAbsentAccounts(absent), ...load',
        replace: 'lockAbsentAccounts([]), ...load',
      },
    ],
    scenario: scenarios.openedTwiceAtOnce,
  },
  {
    name: 'does not keep refusals',
    patches: [
      {
        file: executeBatch,
        search: 'this.#refusals.push(kept);',
        replace: '',
      },
    ],
    scenario: scenarios.fundedAfterRefusal,
  },
  {
    name: 'ignores deadlines',
    patches: [
      {
        file: executeBatch,
        search: 'if (command.deadline !== null && command.deadline <= batch.realNow)',
        replace: 'if (command.deadline === 0)',
      },
    ],
    scenario: scenarios.frozenPastDeadline,
  },
  {
    name: 'calls a lost answer a failure',
    patches: [
      {
        file: 'services/ledger/run-batch.js',
        search: 'mayHaveCommitted ||= error instanceof CommitUnknownError;',
        replace: '',
      },
    ],
    scenario: scenarios.databaseGoneAfterCommit,
  },
  {
    name: 'acks a command of the stream before it is decided',
    patches: [
      {
        file: 'services/ledger/messaging/async-commands.js',
        search: 'const payload = readPayload(message.data);',
        replace: 'const payload = readPayload(message.data); message.ack();',
      },
    ],
    scenario: scenarios.streamWhileDatabaseStalls,
  },
  {
    name: 'writes no outbox row',
    patches: [
      {
        file: 'services/ledger/process-batch.js',
        search: 'const stored = await transaction.save(changes, messages, acknowledged);',
        replace: `await transaction.save(changes, [], acknowledged);
    const stored = messages.map((message, index) => ({ id: BigInt(-1 - index), message }));`,
      },
    ],
    scenario: scenarios.killedBeforeTelling,
  },
  {
    name: 'names an account’s first entry alone in the outbox',
    patches: [
      {
        file: 'services/ledger/outbox/messages.js',
        search: 'lastSeq: seq }',
        replace: 'lastSeq: firstSeq }',
      },
    ],
    scenario: scenarios.killedBeforeTelling,
  },
  {
    name: 'announces no due second',
    patches: [
      {
        file: 'services/ledger/outbox/outbox.js',
        search: '...this.#dueSeconds.messagesFor(dueHolds, now)]',
        replace: ']',
      },
    ],
    scenario: scenarios.oneHold,
  },
  {
    name: 'holds what is not there',
    patches: [
      {
        file: 'services/ledger/domain/decide.js',
        search: `if (availableOf(account) < amount)
        return insufficient(account, amount);
    const { onDue`,
        replace: 'const { onDue',
      },
    ],
    scenario: scenarios.fundedAfterRefusal,
  },
  {
    name: 'ends a hold that has ended',
    patches: [
      {
        file: 'services/ledger/domain/decide.js',
        search: `if (hold.status !== 'pending') {`,
        replace: 'if (hold.version === 0) {',
      },
    ],
    scenario: scenarios.endedTwice,
  },
  {
    name: 'writes no new due time of a hold that is extended',
    patches: [
      {
        file: 'services/ledger/store/statements/write-changes.js',
        search: `due_at: column(timestamptz, ({ hold }) => hold.dueAt),`,
        replace: '',
      },
    ],
    scenario: scenarios.extendedHold,
  },
  {
    name: 'has a hold fall due earlier than it was extended to before',
    patches: [
      {
        file: 'services/ledger/domain/decide.js',
        search: 'const dueAt = laterOf(found.hold.dueAt, asked);',
        replace: 'const dueAt = asked;',
      },
    ],
    scenario: scenarios.extendedHold,
  },
  {
    name: 'keeps held what a settle of a part leaves',
    patches: [
      {
        file: 'services/ledger/domain/decide.js',
        search: `balance: subtractMoney(account.balance, amount),
                held: subtractMoney(account.held, hold.remaining)`,
        replace: `balance: subtractMoney(account.balance, amount),
                held: subtractMoney(account.held, amount)`,
      },
    ],
    scenario: scenarios.settledInPart,
  },
  {
    name: 'does not look up what a caller’s settle has led to',
    patches: [
      {
        file: batchTransaction,
        search: `command.kind !== 'end-due-hold'`,
        replace: `command.kind !== 'end-due-hold' && command.kind !== 'settle'`,
      },
    ],
    scenario: scenarios.settledInPart,
  },
  {
    name: 'takes a transfer and pays nobody',
    patches: [{ file: executeBatch, search: 'if (receipt === undefined)', replace: 'if (receipt !== null)' }],
    scenario: scenarios.transferred,
  },
  {
    name: 'pays a transfer and takes nothing',
    patches: [
      {
        file: 'services/ledger/domain/decide.js',
        search: 'account: { ...account, balance: subtractMoney(account.balance, amount) },',
        replace: 'account,',
      },
    ],
    scenario: scenarios.transferred,
  },
  {
    name: 'does not lock the account that a transfer pays',
    patches: [
      {
        file: 'services/ledger/domain/commands.js',
        search: "if (command.kind === 'transfer')",
        replace: 'if (false)',
      },
    ],
    scenario: scenarios.transferred,
  },
  {
    name: 'begins each chain anew',
    patches: [
      {
        file: 'services/ledger/domain/entry.js',
        search: 'hash: hashEntry(previousHash, entry)',
        replace: 'hash: hashEntry(Buffer.alloc(32), entry)',
      },
    ],
    scenario: scenarios.oneHold,
  },
];
