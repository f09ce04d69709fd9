import { describe, expect, test } from '@jest/globals';
import { Pool } from 'pg';
import type { AccountId, CommandId } from '../../shared/contracts/primitives.ts';
import { createLogger } from '../../shared/telemetry/logger.ts';
import { accountsOf, type Command } from './domain/commands.ts';
import type { Outcome } from './domain/execute-batch.ts';
import { LockedAccounts } from './store/locked-accounts.ts';
import { runBatch } from './run-batch.ts';

/** 512 commands, of so many accounts in turn, and what is decided of them when the database takes none of some. */
async function decide(accounts: number, isBad: (index: number) => boolean) {
  const commands = Array.from({ length: 512 }, (_, index): Command => ({
    kind: 'close',
    expectedVersion: null,
    id: String(index) as CommandId,
    accountId: String(index % accounts) as AccountId,
    deadline: null,
    traceparent: null,
    unattended: false,
  }));
  return decideEach(commands, isBad);
}

/** What is decided of commands, in which order, when the database takes none of some. */
async function decideEach(commands: readonly Command[], isBad: (index: number) => boolean) {
  let transactions = 0;
  const done: Command[] = [];
  const process = async (some: readonly Command[]): Promise<Outcome[]> => {
    transactions += 1;
    if (some.some(({ id }) => isBad(Number(id)))) throw new Error('not this one');
    done.push(...some);
    return some.map(() => ({ type: 'expired' }));
  };
  const waiting = commands.map((command) => ({ command, queuedAtMs: 0, giveUpAtMs: Infinity }));
  const logger = createLogger('test', 'silent');
  const lockedAccounts = new LockedAccounts(new Pool(), logger);
  const results = await runBatch(waiting, { process, lockedAccounts, logger });
  const failed = results.flatMap((result, index) => (result.type === 'failed' ? index : []));
  return { failed, done, transactions };
}

describe('of a batch that fails of', () => {
  test.each([
    ['one command among as many accounts', 512, [300], 20],
    ['one command among those of a few accounts', 20, [300], 20],
    ['one command of one account', 1, [300], 20],
    ['the first and the last command', 512, [0, 511], 40],
    ['all commands of one account', 20, Array.from({ length: 26 }, (_, each) => each * 20), 62],
  ])('%s, only that fails, and soon', async (_, accounts, bad, most) => {
    const { failed, done, transactions } = await decide(accounts, (index) => bad.includes(index));
    expect(failed).toEqual(bad);
    expect(done).toHaveLength(512 - bad.length);
    expect(transactions).toBeLessThanOrEqual(most);
  });

  test('any command, others between which something is transferred are decided in their order', async () => {
    const accounts = 8;
    const commands = Array.from({ length: 128 }, (_, index): Command => {
      const [accountId, toAccountId] = [index % accounts, (index + 2) % accounts].map(
        (each) => String(each) as AccountId,
      );
      if (accountId === undefined || toAccountId === undefined) throw new Error('there are two');
      const common = {
        id: String(index) as CommandId,
        accountId,
        deadline: null,
        traceparent: null,
        unattended: false,
      };
      return index % 3 === 0
        ? { ...common, kind: 'transfer', toAccountId, amount: '1', reference: null }
        : { ...common, kind: 'add', amount: '1', reference: null };
    });
    const { done } = await decideEach(commands, (index) => index === 77);
    const order = done.map(({ id }) => Number(id));
    expect(order).toHaveLength(127);
    for (const account of accountsOf(commands)) {
      const about = commands.flatMap((each) => (accountsOf([each]).includes(account) ? Number(each.id) : []));
      expect(order.filter((index) => about.includes(index))).toEqual(about.filter((index) => index !== 77));
    }
  });

  test('any command, the others of an account are decided in their order', async () => {
    const { done } = await decide(5, (index) => index === 250);
    for (const account of ['0', '1', '2', '3', '4']) {
      const ids = done.filter(({ accountId }) => accountId === account).map(({ id }) => Number(id));
      expect(ids).toEqual(ids.toSorted((left, right) => left - right));
    }
  });
});
