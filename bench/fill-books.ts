import { randomUUID } from 'node:crypto';
import type { AccountId, CommandId } from '../shared/contracts/primitives.ts';
import { createLogger } from '../shared/telemetry/logger.ts';
import type { Command } from '../services/ledger/domain/commands.ts';
import { executeBatch } from '../services/ledger/domain/execute-batch.ts';
import { settleCommandIdFor, type Hold } from '../services/ledger/domain/hold.ts';
import { inBatchTransaction } from '../services/ledger/store/batch-transaction.ts';
import type { DatabaseAddress } from '../services/ledger/store/session.ts';
import { WriteConnection } from '../services/ledger/store/write-connection.ts';
import { accountIdAt, startBalance } from './account-ids.ts';

/** As many as the ledger puts into one of its batches. */
const commandsPerBatch = 512;

/** What a filler has written. */
export interface Filled {
  readonly accounts: number;
  readonly holds: number;
  readonly settled: number;
}

/** Fills migrated books quickly: by the ledger's own batches, without its doors and without telling the broker. */
export class BookFiller {
  readonly #connection: WriteConnection;
  #accounts = 0;
  #holds = 0;
  #settled = 0;

  constructor(address: DatabaseAddress) {
    this.#connection = new WriteConnection(address, createLogger('bench', 'warn'));
  }

  get filled(): Filled {
    return { accounts: this.#accounts, holds: this.#holds, settled: this.#settled };
  }

  close(): Promise<void> {
    return this.#connection.close();
  }

  /** Opens accounts, each with money on it, until there are so many. */
  async openAccounts(count: number, onProgress: (accounts: number) => void): Promise<void> {
    const perBatch = commandsPerBatch / 2;
    while (this.#accounts < count) {
      const size = Math.min(perBatch, count - this.#accounts);
      const indexes = Array.from({ length: size }, (_, index) => this.#accounts + index);
      await this.#run(indexes.flatMap(openWithMoney), 0);
      this.#accounts += size;
      onProgress(this.#accounts);
    }
  }

  /** Places one-cent holds on the first `accounts` accounts in turn, due `periodMs(n)` after the n-th was placed. */
  async placeHolds(
    plan: { count: number; accounts: number; periodMs: (placed: number) => number },
    onProgress: (placed: number) => void,
  ): Promise<void> {
    for (let placed = 0; placed < plan.count;) {
      const size = Math.min(commandsPerBatch, plan.count - placed);
      await this.#run(subtracts(size, placed, plan.accounts), plan.periodMs(placed));
      placed += size;
      this.#holds += size;
      onProgress(placed);
    }
  }

  /** Places holds that are due on all accounts in turn and settles them, until it has written so many entries of both kinds. */
  async liveHolds(entries: number, onProgress: (entries: number) => void): Promise<void> {
    for (let written = 0, from = 0; written < entries; from += commandsPerBatch) {
      const holds = await this.#run(subtracts(commandsPerBatch, from, this.#accounts), alreadyDueMs);
      this.#holds += holds.length;
      await this.#run(holds.map(settlingOf), 0);
      this.#settled += holds.length;
      written += 2 * holds.length;
      onProgress(Math.min(written, entries));
    }
  }

  async #run(commands: readonly Command[], holdPeriodMs: number): Promise<readonly Hold[]> {
    return inBatchTransaction(this.#connection, commands, async (transaction) => {
      const { changes } = executeBatch(commands, transaction.state, holdPeriodMs);
      if (changes.entries.length !== commands.length) throw new Error('a command was refused');
      await transaction.save(transaction.fill(changes), [], []);
      return changes.newHolds;
    });
  }
}

/** A due time is rounded up to the second. */
const alreadyDueMs = -1_000;

function common(accountId: AccountId) {
  const id = randomUUID() as string as CommandId;
  return { id, accountId, deadline: null, traceparent: null, unattended: false };
}

function openWithMoney(index: number): Command[] {
  const accountId = accountIdAt(index) as AccountId;
  return [
    {
      ...common(accountId),
      kind: 'open',
      name: 'Benchmark',
      currency: 'XXX',
      decimals: 2,
      overdraftLimit: '0',
      metadata: null,
    },
    { ...common(accountId), kind: 'add', amount: startBalance, reference: null },
  ];
}

function subtracts(size: number, from: number, accounts: number): Command[] {
  return Array.from({ length: size }, (_, index) => ({
    ...common(accountIdAt((from + index) % accounts) as AccountId),
    kind: 'subtract',
    amount: '0.01',
    onDue: 'settle',
    dueInSeconds: null,
    reference: null,
  }));
}

function settlingOf({ id, accountId }: Hold): Command {
  return { ...common(accountId), kind: 'end-due-hold', id: settleCommandIdFor(id), holdId: id };
}
