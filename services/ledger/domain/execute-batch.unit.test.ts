import { describe, expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import { isDeepStrictEqual } from 'node:util';
import { dueActions } from '../../../shared/contracts/outcomes.ts';
import type { AccountId, CommandId, HoldId } from '../../../shared/contracts/primitives.ts';
import { maxMinorUnits, money } from '../../../shared/money/money.ts';
import { availableOf, type Account } from './account.ts';
import { commandKey, namesHold, type AddCommand, type Command, type SubtractCommand } from './commands.ts';
import { momentOf } from './entry-details.ts';
import { chainStart, entryFormatVersion, hashEntry, type Entry } from './entry.ts';
import { executeBatch, type BatchChanges, type BatchState, type Outcome } from './execute-batch.ts';
import { holdIdFor, settleCommandIdFor, type Hold } from './hold.ts';
import { refusalPrecedence, type KeptRefusal } from './refusals.ts';
import { addMillis, secondsOf, type Micros } from './time.ts';
import { receiptCommandIdFor } from './transfer.ts';

/** A whole second: holds that are due at once are due now. */
const startedAt = 1_769_860_800_000_000 as Micros;
/** So that some holds are due as soon as they are made. */
const holdPeriodMs = 0;

const accountIds = ['a', 'b'].map((digit) => `00000000-0000-4000-8000-00000000000${digit}` as AccountId);
/** Few, so that ids are often used again: for the same command and for another one. */
const commandIds = [1, 2, 3, 4, 5, 6, 7, 8].map(
  (number) => `00000000-0000-4000-9000-00000000000${number}` as CommandId,
);

const amount = fc.constantFrom(
  '0.01',
  '1',
  '1.00',
  '5.5',
  '20',
  '0.001',
  '999999999999999',
  '900000000000000',
);

const reference = fc.constantFrom(null, null, 'order 4711', 'Счёт "№1" \\ 😀 \u2028');

const base = fc.record({
  id: fc.constantFrom(...commandIds),
  accountId: fc.constantFrom(...accountIds),
  deadline: fc.constantFrom(null, null, null, (startedAt - 1) as Micros, (startedAt + 9e9) as Micros),
  traceparent: fc.constant(null),
  unattended: fc.boolean(),
});

const command: fc.Arbitrary<Command> = fc.oneof(
  {
    weight: 2,
    arbitrary: fc
      .tuple(base, fc.constantFrom('0', '25.5', '999999999999999', '0.001'), fc.constantFrom(0, 2, 2))
      .map(([common, overdraftLimit, decimals]) => ({
        ...common,
        kind: 'open' as const,
        name: 'Счёт "№1" \\ 😀',
        currency: 'EUR',
        decimals,
        overdraftLimit,
        metadata: '{"b":"1","a":"\\u2028\\""}',
      })),
  },
  {
    weight: 1,
    arbitrary: fc
      .tuple(base, fc.constantFrom(null, null, 1, 2, 5))
      .map(([common, expectedVersion]) => ({ ...common, kind: 'close' as const, expectedVersion })),
  },
  {
    weight: 2,
    arbitrary: fc
      .tuple(base, fc.constantFrom('0', '10', '0.001', '999'), fc.constantFrom(null, null, 1, 2, 5))
      .map(([common, overdraftLimit, expectedVersion]) => ({
        ...common,
        kind: 'set-limit' as const,
        overdraftLimit,
        expectedVersion,
      })),
  },
  {
    weight: 4,
    arbitrary: fc.tuple(base, amount, reference).map(([common, value, words]) => ({
      ...common,
      kind: 'add' as const,
      amount: value,
      reference: words,
    })),
  },
  {
    weight: 5,
    arbitrary: fc
      .tuple(base, amount, fc.constantFrom(...dueActions), fc.constantFrom(null, null, 1, 86_400), reference)
      .map(([common, value, onDue, dueInSeconds, words]) => ({
        ...common,
        kind: 'subtract' as const,
        amount: value,
        onDue,
        dueInSeconds,
        reference: words,
      })),
  },
  {
    // The settling, when due, of what a subtract of the same sequence may have held.
    weight: 3,
    arbitrary: base.map((common) => {
      const holdId = holdIdFor(common.accountId, common.id, startedAt);
      return {
        ...common,
        kind: 'end-due-hold' as const,
        id: settleCommandIdFor(holdId),
        holdId,
        deadline: null,
      };
    }),
  },
  {
    weight: 3,
    arbitrary: fc
      .tuple(base, fc.constantFrom(...accountIds), amount, reference)
      .filter(([{ accountId: from }, to]) => from !== to)
      .map(([common, toAccountId, value, words]) => ({
        ...common,
        kind: 'transfer' as const,
        toAccountId,
        amount: value,
        reference: words,
      })),
  },
  {
    weight: 2,
    arbitrary: fc
      .tuple(base, fc.constantFrom(...commandIds), fc.option(amount))
      .map(([common, subtract, value]) => ({
        ...common,
        kind: 'settle' as const,
        holdId: holdIdFor(common.accountId, subtract, startedAt),
        amount: value,
      })),
  },
  {
    weight: 2,
    arbitrary: fc.tuple(base, fc.constantFrom(...commandIds)).map(([common, subtract]) => ({
      ...common,
      kind: 'release' as const,
      holdId: holdIdFor(common.accountId, subtract, startedAt),
    })),
  },
  {
    weight: 2,
    arbitrary: fc
      .tuple(base, fc.constantFrom(...commandIds), fc.constantFrom(1, 1, 3_600))
      .map(([common, subtract, dueInSeconds]) => ({
        ...common,
        kind: 'extend' as const,
        holdId: holdIdFor(common.accountId, subtract, startedAt),
        dueInSeconds,
      })),
  },
);

/** Both accounts are often there from the start: else most commands would be refused for want of one. */
const sequence = fc
  .tuple(fc.boolean(), fc.array(command, { maxLength: 40 }))
  .map(([opened, commands]) => (opened ? [...opensBoth, ...commands] : commands));

const opensBoth: Command[] = accountIds.map((accountId, index) => ({
  kind: 'open',
  id: `00000000-0000-4000-a000-00000000000${index}` as CommandId,
  accountId,
  deadline: null,
  traceparent: null,
  unattended: false,
  name: 'Opened',
  currency: 'EUR',
  decimals: 2,
  overdraftLimit: index === 0 ? '0' : '10',
  metadata: null,
}));

/** What the tables hold: accounts are not kept, but told from the journal. */
class Journal {
  readonly entries: Entry[] = [];
  readonly refusals: KeptRefusal[] = [];
  readonly holds = new Map<string, Hold>();

  stateFor(commands: readonly Command[], now: Micros): BatchState {
    const keys = new Set(commands.map((each) => commandKey(each.accountId, each.id)));
    const asked = <T extends { accountId: AccountId; commandId: CommandId }>(rows: readonly T[]) =>
      new Map(
        rows
          .map((row) => [commandKey(row.accountId, row.commandId), row] as const)
          .filter(([key]) => keys.has(key)),
      );
    const named = commands.flatMap((each) => (namesHold(each) ? [each.holdId] : []));
    return {
      now,
      realNow: now,
      accounts: new Map(this.accounts().map((account) => [account.id, account])),
      applied: asked(this.entries),
      refused: asked(this.refusals),
      holds: new Map(named.flatMap((id) => (this.holds.has(id) ? [[id, this.holdOf(id)]] : []))),
    };
  }

  holdOf(id: string): Hold {
    const hold = this.holds.get(id);
    if (hold === undefined) throw new Error(`there is no hold ${id}`);
    return hold;
  }

  /** As Postgres would: a second entry or refusal of a command, or a row that is there already, fails. */
  write(changes: BatchChanges): void {
    const isThere = (account: Account): boolean =>
      this.entries.some(({ accountId }) => accountId === account.id);
    must(!changes.openedAccounts.some(isThere), 'an opened account is new');
    must(changes.changedAccounts.every(isThere), 'a changed account is there');
    for (const entry of changes.entries) {
      const twin = this.entries.find(
        (each) =>
          each.accountId === entry.accountId &&
          (each.seq === entry.seq || each.commandId === entry.commandId),
      );
      must(twin === undefined, 'one entry for each seq and for each command');
      this.entries.push(entry);
    }
    for (const kept of changes.refusals) {
      const key = commandKey(kept.accountId, kept.commandId);
      const twin = this.refusals.find((each) => commandKey(each.accountId, each.commandId) === key);
      must(twin === undefined, 'one refusal for each command');
      this.refusals.push(kept);
    }
    for (const hold of changes.newHolds) {
      must(!this.holds.has(hold.id), 'a new hold is new');
      this.holds.set(hold.id, hold);
    }
    for (const hold of changes.changedHolds) {
      must(this.holdOf(hold.id).version < hold.version, 'a changed hold has another version');
      this.holds.set(hold.id, hold);
    }
    const told = new Map(this.accounts().map((account) => [account.id, account]));
    for (const account of [...changes.openedAccounts, ...changes.changedAccounts])
      must(isDeepStrictEqual(told.get(account.id), account), 'an account is what its journal tells');
  }

  accounts(): Account[] {
    return accountIds.flatMap((id) => accountFrom(this.entries.filter((entry) => entry.accountId === id)));
  }

  run(commands: readonly Command[], now: Micros = startedAt): readonly Outcome[] {
    const { outcomes, changes } = executeBatch(commands, this.stateFor(commands, now), holdPeriodMs);
    this.write(changes);
    return outcomes;
  }
}

function must(holds: boolean, what: string): void {
  if (!holds) throw new Error(`broken: ${what}`);
}

function accountFrom(entries: readonly Entry[]): Account[] {
  const [opened] = entries;
  const last = entries.at(-1);
  if (opened === undefined || last === undefined) return [];
  const { name, currency, decimals, metadata } = JSON.parse(opened.details ?? '') as {
    name: string;
    currency: string;
    decimals: number;
    metadata?: unknown;
  };
  return [
    {
      id: opened.accountId,
      name,
      currency,
      decimals,
      metadata: metadata === undefined ? null : '{"b":"1","a":"\\u2028\\""}',
      balance: last.balance,
      held: last.held,
      overdraftLimit: last.overdraftLimit,
      status: entries.some((entry) => entry.kind === 'close') ? 'closed' : 'open',
      seq: last.seq,
      chainHead: last.hash,
      lastEntryAt: last.at,
    },
  ];
}

/** An outcome without what a caller can't see of it: the account's state at some other time. */
function seen(outcome: Outcome): unknown {
  if (outcome.type !== 'applied') return outcome;
  const { id, name, currency, decimals, metadata } = outcome.asOf.account;
  // That a hold has ended just now is for the trace; a caller is told by the hold's status.
  // Nor is the other account's entry for the one who pays.
  const { endedHold: _, receipt: _receipt, ...told } = outcome;
  return { ...told, asOf: { id, name, currency, decimals, metadata, status: outcome.asOf.status } };
}

function verifies(entries: readonly Entry[]): boolean {
  const [first] = entries;
  if (first === undefined) return true;
  let previous = chainStart(first.accountId);
  for (const [index, entry] of entries.entries()) {
    const expected = hashEntry(previous, entry);
    if (entry.formatVersion !== entryFormatVersion || entry.seq !== index + 1) return false;
    if (!entry.hash.equals(expected)) return false;
    previous = entry.hash;
  }
  return true;
}

function codes(outcomes: readonly Outcome[]): string[] {
  return outcomes.map((outcome) => (outcome.type === 'refused' ? outcome.refusal.code : outcome.type));
}

function isConflict(outcome: Outcome): boolean {
  return outcome.type === 'refused' && outcome.refusal.code === 'idempotency_conflict';
}

/** The commands of a batch about holds, turned to the holds that there are. */
function aimed(commands: readonly Command[], journal: Journal): Command[] {
  return commands.map((each) => {
    if (!namesHold(each)) return each;
    const hold = [...journal.holds.values()].find(
      ({ accountId, status }) => accountId === each.accountId && status === 'pending',
    );
    if (hold === undefined) return each;
    return {
      ...each,
      holdId: hold.id,
      ...(each.kind === 'end-due-hold' && { id: settleCommandIdFor(hold.id) }),
    };
  });
}

/** Each list is one batch. */
function cut<T>(items: readonly T[], lengths: readonly number[]): T[][] {
  const pieces: T[][] = [];
  let from = 0;
  for (const length of [...lengths, items.length]) {
    if (from >= items.length) break;
    pieces.push(items.slice(from, from + length));
    from += length;
  }
  return pieces;
}

function expectSameBooks(journal: Journal, expected: Journal): void {
  expect(journal.entries).toEqual(expected.entries);
  expect(journal.refusals).toEqual(expected.refusals);
  expect([...journal.holds]).toEqual([...expected.holds]);
}

const runs = { numRuns: 300 };

describe('executing a batch', () => {
  test('gives the outcomes of running its commands one by one, wherever the batches are cut', () => {
    fc.assert(
      fc.property(
        sequence,
        fc.array(fc.integer({ min: 1, max: 12 }), { maxLength: 20 }),
        (commands, lengths) => {
          const alone = new Journal();
          const oneByOne = commands.flatMap((each) => alone.run([each]));
          const together = new Journal();
          const batched = cut(commands, lengths).flatMap((batch) => together.run(batch));
          expect(batched.map(seen)).toEqual(oneByOne.map(seen));
          expectSameBooks(together, alone);
        },
      ),
      runs,
    );
  });

  test('goes on from what was decided before as if that had been written and loaded', () => {
    fc.assert(
      fc.property(
        sequence,
        fc.array(fc.integer({ min: 1, max: 12 }), { maxLength: 20 }),
        (commands, lengths) => {
          const before = commands.slice(0, commands.length / 4);
          const parts = cut(commands.slice(before.length), lengths);
          const loaded = new Journal();
          loaded.run(before);
          const reloading = parts.flatMap((part) => loaded.run(part));
          const journal = new Journal();
          journal.run(before);
          let state = journal.stateFor(commands, startedAt);
          const goingOn = parts.flatMap((part) => {
            const { outcomes, changes, after } = executeBatch(part, state, holdPeriodMs);
            journal.write(changes);
            state = after;
            return outcomes;
          });
          expect(goingOn.map(seen)).toEqual(reloading.map(seen));
          expectSameBooks(journal, loaded);
        },
      ),
      runs,
    );
  });

  test('conserves money and keeps to the limits, whatever the clock does', () => {
    fc.assert(
      fc.property(
        sequence,
        fc.array(fc.integer({ min: -5_000_000, max: 5_000_000 }), { minLength: 60, maxLength: 60 }),
        (commands, drifts) => {
          const journal = new Journal();
          for (const [index, batch] of cut(commands, [3, 1, 7, 2, 5, 11]).entries())
            journal.run(aimed(batch, journal), (startedAt + (drifts[index] ?? 0)) as Micros);
          for (const account of journal.accounts()) {
            const entries = journal.entries.filter((entry) => entry.accountId === account.id);
            const sum = (kind: Entry['kind']): bigint =>
              entries
                .filter((entry) => entry.kind === kind)
                .reduce((total, entry) => total + entry.amount, 0n);
            const pending = [...journal.holds.values()]
              .filter((hold) => hold.accountId === account.id && hold.status === 'pending')
              .reduce((total, hold) => total + hold.remaining, 0n);
            expect(account.balance).toBe(
              sum('add') + sum('transfer-in') - sum('settle') - sum('transfer-out'),
            );
            expect(account.held).toBe(pending);
            const told = entries.flatMap((entry) => momentOf(entry).hold ?? []);
            expect(told.map((hold) => hold.amount)).toEqual(
              told.map((hold) => journal.holdOf(hold.id).amount),
            );
            const ended = entries.flatMap(({ kind, holdId }) =>
              kind === 'subtract' || kind === 'extend' || holdId === null ? [] : holdId,
            );
            const holds = [...journal.holds.values()].filter((hold) => hold.accountId === account.id);
            expect(ended.toSorted()).toEqual(
              holds.flatMap(({ id, status }) => (status === 'pending' ? [] : id)).toSorted(),
            );
            const aboutHolds = entries.flatMap(({ holdId, ...rest }) =>
              holdId === null ? [] : { holdId, told: momentOf({ holdId, ...rest }).reference },
            );
            expect(aboutHolds.map((each) => each.told)).toEqual(
              aboutHolds.map((each) => journal.holdOf(each.holdId).reference),
            );
            const paid = entries.flatMap((entry) => (entry.kind === 'transfer-out' ? entry : []));
            for (const out of paid) {
              const { toAccountId } = momentOf(out);
              const receiptId = receiptCommandIdFor(account.id, out.commandId);
              const receipt = { accountId: toAccountId, kind: 'transfer-in', amount: out.amount };
              expect(journal.entries.filter((entry) => entry.commandId === receiptId)).toMatchObject([
                receipt,
              ]);
            }
            let lastAt = 0;
            for (const entry of entries) {
              expect(entry.held).toBeGreaterThanOrEqual(0n);
              expect(availableOf(entry)).toBeGreaterThanOrEqual(0n);
              for (const value of [entry.amount, entry.balance, entry.held, entry.overdraftLimit])
                expect(value <= maxMinorUnits && value >= -maxMinorUnits).toBe(true);
              expect(entry.at).toBeGreaterThanOrEqual(lastAt);
              lastAt = entry.at;
            }
          }
        },
      ),
      runs,
    );
  });

  test('leaves everything as it was when it refuses or drops a command', () => {
    fc.assert(
      fc.property(sequence, command, (commands, last) => {
        const journal = new Journal();
        journal.run(commands);
        const state = journal.stateFor([last], startedAt);
        const { outcomes, changes } = executeBatch([last], state, holdPeriodMs);
        const [outcome] = outcomes;
        if (outcome === undefined || (outcome.type === 'applied' && !outcome.replayed)) return;
        const { refusals, ...others } = changes;
        expect(Object.values(others).flat()).toEqual([]);
        // Only a first refusal is kept, and nothing of a conflict, which is no word on the command that has the id.
        const kept =
          outcome.type === 'refused' &&
          !outcome.replayed &&
          outcome.refusal.code !== 'idempotency_conflict' &&
          last.kind !== 'end-due-hold';
        expect(refusals).toHaveLength(kept ? 1 : 0);
      }),
      runs,
    );
  });

  test('answers a repeated command with its first outcome', () => {
    fc.assert(
      fc.property(sequence, sequence, (commands, between) => {
        const journal = new Journal();
        const first = commands.map((each) => journal.run([each])[0]);
        journal.run(between, (startedAt + 1_000_000) as Micros);
        const again = journal.run(commands, (startedAt + 5_000_000) as Micros);
        const kept = commands.flatMap((each, index) => {
          const [before, after] = [first[index], again[index]];
          const isKept = before !== undefined && after !== undefined && before.type !== 'expired';
          // A conflict is no word on the command that has the id. What is settled when due is checked in a test of its own.
          if (!isKept || each.kind === 'end-due-hold' || isConflict(before)) return [];
          return [{ before: { ...before, replayed: true }, after }];
        });
        expect(kept.map(({ after }) => seen(after))).toEqual(kept.map(({ before }) => seen(before)));
      }),
      runs,
    );
  });

  test('chains the entries of each account so that a change to any field of any of them shows', () => {
    const others: { [Field in keyof Entry]: (value: Entry[Field]) => unknown } = {
      accountId: (id) => accountIds.find((other) => other !== id),
      seq: (seq) => seq + 1,
      commandId: (id) => id.replace(/.$/, (digit) => (digit === 'f' ? 'e' : 'f')),
      kind: (kind) => (kind === 'add' ? 'subtract' : 'add'),
      amount: (value) => value + 1n,
      balance: (value) => value - 1n,
      held: (value) => value + 1n,
      overdraftLimit: (value) => value + 1n,
      holdId: (id) => (id === null ? '00000000-0000-7000-8000-000000000000' : null),
      at: (time) => time - 1,
      fingerprint: flipped,
      details: (text) => (text === null ? '{}' : `${text} `),
      formatVersion: (version) => version + 1,
      hash: flipped,
    };
    const fields = Object.keys(others) as (keyof Entry)[];
    fc.assert(
      fc.property(
        sequence,
        fc.nat(),
        fc.constantFrom(...accountIds),
        fc.constantFrom(...fields),
        (commands, at, id, field) => {
          const journal = new Journal();
          journal.run(commands);
          const entries = journal.entries.filter((entry) => entry.accountId === id);
          expect(verifies(entries)).toBe(true);
          const index = at % Math.max(1, entries.length);
          const entry = entries[index];
          fc.pre(entry !== undefined);
          const change = others[field] as (value: unknown) => unknown;
          expect(verifies(entries.with(index, { ...entry, [field]: change(entry[field]) }))).toBe(false);
          // Nor can an entry be left out. (Of the last one, the account's chain head tells.)
          expect(verifies(entries.toSpliced(index, 1))).toBe(index === entries.length - 1);
        },
      ),
      runs,
    );
  });
});

function flipped(bytes: Buffer): Buffer {
  const other = Buffer.from(bytes);
  other[0] = bytes.readUInt8(0) ^ 1;
  return other;
}

describe('deciding', () => {
  const [accountId] = accountIds as [AccountId];
  const common = { accountId, deadline: null, traceparent: null, unattended: false };
  let ids = 0;
  const nextId = (): CommandId => {
    ids += 1;
    return `00000000-0000-4000-b000-${ids.toString().padStart(12, '0')}` as CommandId;
  };
  const opening = (overdraftLimit = '0'): Command => ({
    ...common,
    kind: 'open',
    id: nextId(),
    name: 'n',
    currency: 'EUR',
    decimals: 2,
    overdraftLimit,
    metadata: null,
  });
  const adding = (value: string): Command => ({
    ...common,
    kind: 'add',
    id: nextId(),
    amount: value,
    reference: null,
  });
  const subtracting = (value: string): Command => ({
    ...common,
    kind: 'subtract',
    id: nextId(),
    amount: value,
    onDue: 'settle',
    dueInSeconds: null,
    reference: null,
  });

  test('lets exactly what is available be held', () => {
    const outcomes = new Journal().run([
      opening('0.50'),
      adding('10'),
      subtracting('10.51'),
      subtracting('10.50'),
      subtracting('0.01'),
    ]);
    expect(codes(outcomes)).toEqual([
      'applied',
      'applied',
      'insufficient_funds',
      'applied',
      'insufficient_funds',
    ]);
    expect(outcomes[2]).toMatchObject({ refusal: { available: '10.50', requested: '10.51' } });
    expect(outcomes[4]).toMatchObject({ refusal: { available: '0.00', requested: '0.01' } });
  });

  test('lets nothing pass the largest amount: no balance, and no sum of holds', () => {
    const full = '999999999999999';
    const outcomes = new Journal().run([
      opening('999999999999999.99'),
      adding(full),
      adding('1'),
      adding('0.01'),
      subtracting(full),
      subtracting('1'),
      subtracting('1'),
    ]);
    expect(codes(outcomes)).toEqual([
      'applied',
      'applied',
      'applied',
      'amount_too_large',
      'applied',
      'applied',
      'amount_too_large',
    ]);
  });

  test('checks refusals in the documented order', () => {
    const journal = new Journal();
    const first = adding('5');
    expect(codes(journal.run([first]))).toEqual(['account_not_found']);
    const closing: Command = { ...common, kind: 'close', expectedVersion: null, id: nextId() };
    journal.run([opening(), adding('1'), closing]);
    const many: Command = { ...subtracting('999999999999999.999') };
    const outcomes = journal.run([{ ...first, amount: '6' } as Command, opening('0.001'), many]);
    expect(codes(outcomes)).toEqual(['idempotency_conflict', 'account_exists', 'account_closed']);
    expect(new Set(refusalPrecedence).size).toBe(refusalPrecedence.length);
  });

  test('drops a command at its deadline, but tells what it led to before', () => {
    const journal = new Journal();
    const late: Command = { ...adding('1'), deadline: startedAt };
    expect(codes(journal.run([opening(), late]))).toEqual(['applied', 'expired']);
    expect(codes(journal.run([late], (startedAt - 1) as Micros))).toEqual(['applied']);
    expect(journal.run([late])).toMatchObject([{ type: 'applied', replayed: true }]);
  });

  test('tells spellings of one amount from other amounts', () => {
    const journal = new Journal();
    const first = adding('1');
    journal.run([opening(), first]);
    expect(journal.run([{ ...first, amount: '1.00' } as Command])).toMatchObject([{ replayed: true }]);
    expect(codes(journal.run([{ ...first, amount: '1.01' } as Command]))).toEqual(['idempotency_conflict']);
    expect(codes(journal.run([{ ...first, kind: 'subtract' } as Command]))).toEqual(['idempotency_conflict']);
  });

  test('transfers all of an amount or nothing, for one reason, once', () => {
    const journal = new Journal();
    const [, other = accountId] = accountIds;
    const to = (asked: string, more: object = {}): Command => ({
      ...common,
      kind: 'transfer',
      toAccountId: other,
      amount: asked,
      reference: null,
      id: nextId(),
      ...more,
    });
    const elsewhere = { ...common, accountId: other };
    const openOther = (more: object = {}): Command => ({
      ...opening(),
      ...elsewhere,
      id: nextId(),
      ...more,
    });
    expect(codes(journal.run([to('1'), opening(), adding('10'), to('1')]))).toEqual([
      'account_not_found',
      'applied',
      'applied',
      'account_not_found',
    ]);
    journal.run([openOther({ currency: 'JPY' })]);
    expect(codes(journal.run([to('1')]))).toEqual(['currency_mismatch']);
    const fresh = new Journal();
    fresh.run([opening(), openOther(), adding('10'), subtracting('4')]);
    const rent = to('5.50', { reference: 'rent' });
    const outcomes = fresh.run([to('6.01'), rent, rent, to('0.51'), to('0.5')]);
    expect(codes(outcomes)).toEqual([
      'insufficient_funds',
      'applied',
      'applied',
      'insufficient_funds',
      'applied',
    ]);
    expect(outcomes[1]).toMatchObject({
      toAccountId: other,
      reference: 'rent',
      entry: { kind: 'transfer-out', amount: 550n, balance: 450n, held: 400n },
      receipt: {
        account: { id: other },
        entry: { accountId: other, kind: 'transfer-in', amount: 550n, balance: 550n, held: 0n },
      },
    });
    expect(outcomes[2]).toMatchObject({ replayed: true, toAccountId: other });
    expect(fresh.accounts()).toMatchObject([{ balance: 400n }, { balance: 600n }]);
    // The other account is free to be sent a command of the same id.
    const sameId: Command = { ...adding('1'), accountId: other, id: rent.id };
    expect(codes(fresh.run([sameId, { ...rent, amount: '5.51' } as Command]))).toEqual([
      'applied',
      'idempotency_conflict',
    ]);
    const full: Command = { ...adding('999999999999999'), accountId: other };
    fresh.run([full, { ...common, accountId: other, kind: 'close', expectedVersion: null, id: nextId() }]);
    expect(codes(fresh.run([to('0.01')]))).toEqual(['account_closed']);
  });

  test('closes an account only at the version that was expected, if one was', () => {
    const journal = new Journal();
    const early: Command = { ...common, kind: 'close', expectedVersion: 2, id: nextId() };
    const right: Command = { ...early, expectedVersion: 3, id: nextId() };
    const anyVersion: Command = { ...early, expectedVersion: null };
    expect(codes(journal.run([opening(), adding('1'), adding('1'), early]))).toEqual([
      'applied',
      'applied',
      'applied',
      'version_conflict',
    ]);
    expect(codes(journal.run([early, anyVersion, right, adding('1')]))).toEqual([
      'version_conflict',
      'idempotency_conflict',
      'applied',
      'account_closed',
    ]);
    expect(journal.run([early, right])).toMatchObject([{ replayed: true }, { replayed: true }]);
  });

  test('settles on a closed account what it holds, once', () => {
    const journal = new Journal();
    const held = subtracting('4');
    journal.run([
      opening(),
      adding('10'),
      held,
      { ...common, kind: 'close', expectedVersion: null, id: nextId() },
    ]);
    const holdId = holdIdFor(accountId, held.id, startedAt);
    const settling: Command = { ...common, kind: 'end-due-hold', id: settleCommandIdFor(holdId), holdId };
    const other: Command = { ...settling, id: nextId() };
    expect(codes(journal.run([settling, other]))).toEqual(['applied', 'hold_not_pending']);
    expect(journal.run([settling])).toMatchObject([{ type: 'applied', replayed: true }]);
    expect(journal.accounts()).toMatchObject([
      { balance: money(600n), held: money(0n), status: 'closed', seq: 5 },
    ]);
    expect(journal.holdOf(holdId)).toMatchObject({ status: 'settled', remaining: 0n, version: 2 });
  });

  test('releases what is held, and settles all of it or a part and releases the rest', () => {
    const journal = new Journal();
    const held = [subtracting('4'), subtracting('3'), subtracting('2')];
    journal.run([opening(), adding('10'), ...held]);
    const [released, whole, part] = held.map(({ id }) => holdIdFor(accountId, id, startedAt)) as [
      HoldId,
      HoldId,
      HoldId,
    ];
    const commands: Command[] = [
      { ...common, kind: 'release', id: nextId(), holdId: released },
      { ...common, kind: 'settle', id: nextId(), holdId: whole, amount: null },
      { ...common, kind: 'settle', id: nextId(), holdId: part, amount: '2.01' },
      { ...common, kind: 'settle', id: nextId(), holdId: part, amount: '0.5' },
      { ...common, kind: 'close', expectedVersion: null, id: nextId() },
    ];
    const first = journal.run(commands);
    expect(codes(first)).toEqual(['applied', 'applied', 'amount_too_large', 'applied', 'applied']);
    const ends = [
      { entry: { amount: 400n, balance: 1000n, held: 500n }, hold: { amount: 400n, status: 'released' } },
      { entry: { amount: 300n, balance: 700n, held: 200n }, hold: { amount: 300n, status: 'settled' } },
      {
        refusal: {
          detail: `2.01 was asked, hold ${part} is of 2.00: settle at most that, as another command.`,
          hold: { id: part, amount: '2.00', status: 'pending' },
        },
      },
      { entry: { amount: 50n, balance: 650n, held: 0n }, hold: { amount: 200n, status: 'settled' } },
      {},
    ];
    expect(first).toMatchObject(ends);
    // Told as it was then, also that the account was open.
    expect(journal.run(commands).map(seen)).toEqual(
      first.map((outcome) => seen({ ...outcome, replayed: true } as Outcome)),
    );
    const due: Command = { ...common, kind: 'end-due-hold', id: settleCommandIdFor(part), holdId: part };
    const again: Command = { ...common, kind: 'release', id: nextId(), holdId: whole };
    const absent: Command = { ...again, id: nextId(), holdId: accountId as string as HoldId };
    const refused = journal.run([due, again, absent]);
    expect(codes(refused)).toEqual(['hold_not_pending', 'hold_not_pending', 'hold_not_found']);
    expect(refused[1]).toMatchObject({
      refusal: { hold: { id: whole, amount: '3.00', status: 'settled', onDue: 'settle' } },
    });
  });

  test('changes the overdraft limit, and lowers it by no more than is available', () => {
    const journal = new Journal();
    const setting = (overdraftLimit: string, expectedVersion: number | null = null): Command => ({
      ...common,
      kind: 'set-limit',
      id: nextId(),
      overdraftLimit,
      expectedVersion,
    });
    journal.run([opening(), adding('2'), setting('10'), subtracting('9')]);
    const lower = [setting('6.99'), setting('7'), setting('7', 4), setting('0.001'), setting('20', 5)];
    expect(journal.run(lower)).toMatchObject([
      {
        refusal: {
          code: 'insufficient_funds',
          detail: 'It is to lower the limit by 3.01, 3.00 is available.',
          available: '3.00',
          requested: '3.01',
        },
      },
      { entry: { kind: 'set-limit', amount: 0n, balance: 200n, held: 900n, overdraftLimit: 700n } },
      { refusal: { code: 'version_conflict' } },
      { refusal: { code: 'invalid_request', fields: [{ field: 'overdraftLimit' }] } },
      { entry: { kind: 'set-limit', overdraftLimit: 2_000n } },
    ]);
    expect(journal.run(lower.slice(1, 2))).toMatchObject([
      { replayed: true, entry: { overdraftLimit: 700n } },
    ]);
    const closing: Command = { ...common, kind: 'close', id: nextId(), expectedVersion: null };
    expect(codes(journal.run([closing, setting('0')]))).toEqual(['applied', 'account_closed']);
  });

  test('does with a hold that is due what was asked for when it was made', () => {
    const journal = new Journal();
    const held = (['settle', 'release'] as const).map((onDue, index) => ({
      ...(subtracting('4') as SubtractCommand),
      onDue,
      dueInSeconds: 60 + index,
    }));
    // A second's beginning comes after whatever is within it.
    const now = addMillis(startedAt, 123.456);
    journal.run([opening(), adding('10'), ...held], now);
    const due = held.map(({ id }) => journal.holdOf(holdIdFor(accountId, id, now)));
    expect(due.map(({ dueAt }) => secondsOf(dueAt - now))).toEqual([60.876544, 61.876544]);
    const ends = due.map(({ id }): Command => ({
      ...common,
      kind: 'end-due-hold',
      id: settleCommandIdFor(id),
      holdId: id,
    }));
    expect(codes(journal.run(ends, addMillis(startedAt, 60_999)))).toEqual(
      ends.map(() => 'hold_not_pending'),
    );
    expect(journal.run(ends, addMillis(startedAt, 62_000))).toMatchObject([
      { entry: { kind: 'settle', amount: 400n, balance: 600n, held: 400n, details: null } },
      { entry: { kind: 'release', amount: 400n, balance: 600n, held: 0n, details: null } },
    ]);
    expect(due.map(({ id }) => journal.holdOf(id).status)).toEqual(['settled', 'released']);
  });

  test('extends a hold, never to an earlier time, also on a closed account and once it is due', () => {
    const journal = new Journal();
    const held = { ...(subtracting('4') as SubtractCommand), dueInSeconds: 60, onDue: 'release' as const };
    const holdId = holdIdFor(accountId, held.id, startedAt);
    const extending = (dueInSeconds: number): Command => ({
      ...common,
      kind: 'extend',
      id: nextId(),
      holdId,
      dueInSeconds,
    });
    const [earlier, later, last] = [extending(30), extending(90), extending(1)] as const;
    const closing: Command = { ...common, kind: 'close', id: nextId(), expectedVersion: null };
    journal.run([opening(), adding('10'), held]);
    const told = (seconds: number, version: number) => ({
      entry: { kind: 'extend', amount: 400n, balance: 1_000n, held: 400n, holdId },
      hold: {
        amount: 400n,
        status: 'pending',
        dueAt: addMillis(startedAt, seconds * 1_000),
        onDue: 'release',
      },
      asOf: { status: version < 3 ? 'open' : 'closed' },
    });
    const outcomes = journal.run([earlier, later]);
    expect(outcomes).toMatchObject([told(60, 1), told(90, 2)]);
    expect(outcomes.every((outcome) => !('endedHold' in outcome))).toBe(true);

    const end: Command = { ...common, kind: 'end-due-hold', id: settleCommandIdFor(holdId), holdId };
    // It was picked before it was extended.
    expect(codes(journal.run([end], addMillis(startedAt, 89_000)))).toEqual(['hold_not_pending']);
    journal.run([closing]);
    const due = addMillis(startedAt, 90_000);
    expect(journal.run([last, end], due)).toMatchObject([told(91, 3), { type: 'refused' }]);
    expect(journal.holdOf(holdId)).toMatchObject({ status: 'pending', version: 4 });
    const ended = journal.run([end, extending(60), later], addMillis(due, 1_000));
    expect(codes(ended)).toEqual(['applied', 'hold_not_pending', 'applied']);
    expect(ended[2]).toMatchObject({ replayed: true, ...told(90, 2) });
    expect(journal.holdOf(holdId)).toMatchObject({ status: 'released', version: 5 });
  });

  test('tells what money is for with each entry about it, and again when asked again', () => {
    const journal = new Journal();
    const words = { reference: 'order "4711"' };
    const add: Command = { ...(adding('10') as AddCommand), reference: 'top-up' };
    const held = [1, 2, 3].map(() => ({ ...(subtracting('2') as SubtractCommand), ...words }));
    const [due, part, given] = held.map(({ id }) => holdIdFor(accountId, id, startedAt)) as [
      HoldId,
      HoldId,
      HoldId,
    ];
    const commands: Command[] = [
      add,
      ...held,
      { ...common, kind: 'settle', id: nextId(), holdId: part, amount: '1' },
      { ...common, kind: 'release', id: nextId(), holdId: given },
    ];
    journal.run([opening()]);
    const told = [{ reference: 'top-up' }, ...[1, 2, 3, 4, 5].map(() => ({ ...words, hold: words }))];
    expect(journal.run(commands)).toMatchObject(told);
    const end: Command = { ...common, kind: 'end-due-hold', id: settleCommandIdFor(due), holdId: due };
    expect(journal.run([end])).toMatchObject([{ ...words, entry: { details: JSON.stringify(words) } }]);
    expect(journal.run(commands)).toMatchObject(told.map((each) => ({ ...each, replayed: true })));
    const again: Command = { ...common, kind: 'release', id: nextId(), holdId: due };
    expect(journal.run([again])).toMatchObject([{ refusal: { hold: words } }]);
  });

  test('takes the options of a command for a part of what it means', () => {
    const journal = new Journal();
    const plain = subtracting('1') as SubtractCommand;
    const withOptions = {
      ...(subtracting('1') as SubtractCommand),
      onDue: 'release' as const,
      dueInSeconds: 60,
    };
    const add = adding('10') as AddCommand;
    const named = { ...(adding('1') as AddCommand), reference: '60' };
    journal.run([opening(), add, plain, withOptions, named]);
    const again = [
      plain,
      withOptions,
      add,
      named,
      { ...plain, onDue: 'release' as const },
      { ...plain, dueInSeconds: 600 },
      { ...withOptions, onDue: 'settle' as const },
      { ...withOptions, dueInSeconds: null },
      { ...plain, reference: '60' },
      { ...withOptions, reference: '60' },
      { ...add, reference: '60' },
      { ...named, reference: null },
      { ...named, reference: '61' },
    ];
    expect(codes(journal.run(again))).toEqual([
      ...again.slice(0, 4).map(() => 'applied'),
      ...again.slice(4).map(() => 'idempotency_conflict'),
    ]);
  });

  test('ends holds of a closed account, and tells it so when it is asked again', () => {
    const journal = new Journal();
    const held = [subtracting('4'), subtracting('3')];
    journal.run([
      opening(),
      adding('10'),
      ...held,
      { ...common, kind: 'close', expectedVersion: null, id: nextId() },
    ]);
    const [released, settled] = held.map(({ id }) => holdIdFor(accountId, id, startedAt)) as [HoldId, HoldId];
    const commands: Command[] = [
      { ...common, kind: 'release', id: nextId(), holdId: released },
      { ...common, kind: 'settle', id: nextId(), holdId: settled, amount: '1' },
    ];
    const ends = [{ asOf: { status: 'closed' } }, { asOf: { status: 'closed' } }];
    expect(journal.run(commands)).toMatchObject(ends);
    expect(journal.run(commands)).toMatchObject(ends);
    expect(journal.accounts()).toMatchObject([{ balance: 900n, held: 0n, status: 'closed' }]);
  });

  test('refuses the end of a hold in the documented order', () => {
    const journal = new Journal();
    const held = subtracting('4');
    const holdId = holdIdFor(accountId, held.id, startedAt);
    const settling = (value: string | null, id = holdId): Command => ({
      ...common,
      kind: 'settle',
      id: nextId(),
      holdId: id,
      amount: value,
    });
    const absent = accountId as string as HoldId;
    expect(codes(journal.run([settling('999.999')]))).toEqual(['account_not_found']);
    journal.run([opening(), adding('10'), held]);
    expect(codes(journal.run([settling('999.999', absent), settling('999.999'), settling('4.01')]))).toEqual([
      'hold_not_found',
      'invalid_request',
      'amount_too_large',
    ]);
    journal.run([settling(null)]);
    expect(codes(journal.run([settling('999.999')]))).toEqual(['hold_not_pending']);
  });

  test('tells a settle of all from one of a part, and an amount that is no amount of the account', () => {
    const journal = new Journal();
    const held = subtracting('4');
    journal.run([opening(), adding('10'), held]);
    const holdId = holdIdFor(accountId, held.id, startedAt);
    const settling: Command = { ...common, kind: 'settle', id: nextId(), holdId, amount: '0.001' };
    expect(codes(journal.run([settling]))).toEqual(['invalid_request']);
    const all: Command = { ...settling, id: nextId(), amount: '4.00' };
    expect(journal.run([all])).toMatchObject([{ hold: { amount: 400n } }]);
    expect(journal.run([{ ...all, amount: '4' }])).toMatchObject([
      { replayed: true, hold: { amount: 400n } },
    ]);
    expect(
      codes(
        journal.run([
          { ...all, amount: null },
          { ...all, amount: '1' },
        ]),
      ),
    ).toEqual(['idempotency_conflict', 'idempotency_conflict']);
  });
});
