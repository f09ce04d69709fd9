import { describe, expect, test } from '@jest/globals';
import type { AccountId, CommandId, HoldId } from '../../../shared/contracts/primitives.ts';
import { money } from '../../../shared/money/money.ts';
import { chainEntry, chainStart, type UnchainedEntry } from './entry.ts';
import type { Micros } from './time.ts';

const accountId = '26c940a1-7228-4ea2-a3bc-e6460b172040' as AccountId;

const opened: UnchainedEntry = {
  accountId,
  seq: 1,
  commandId: '00000000-0000-4000-8000-000000000001' as CommandId,
  kind: 'open',
  amount: money(0n),
  balance: money(0n),
  held: money(0n),
  overdraftLimit: money(25_000n),
  holdId: null,
  at: 1_769_860_800_123_456 as Micros,
  fingerprint: Buffer.from('000102030405060708090a0b0c0d0e0f', 'hex'),
  details: '{"name":"Счёт \\"№1\\" 😀","currency":"EUR","decimals":2}',
};

const subtracted: UnchainedEntry = {
  accountId,
  seq: 2,
  commandId: '00000000-0000-4000-8000-000000000002' as CommandId,
  kind: 'subtract',
  amount: money(3_348n),
  balance: money(-100n),
  held: money(3_348n),
  overdraftLimit: money(25_000n),
  holdId: '019a9c3e-5b1a-7c3e-8f00-2d9a6f1b7c44' as HoldId,
  at: 1_769_860_800_123_457 as Micros,
  fingerprint: Buffer.from('101112131415161718191a1b1c1d1e1f', 'hex'),
  details: '{"dueAt":1769861401}',
};

/** Computed by another program, in another language, from the documented format alone. */
describe('the chain of an account', () => {
  test('starts with the hash of its id', () => {
    expect(chainStart(accountId).toString('hex')).toBe(
      '1397188b5d75324123abc17358ae95ffe814c49b289d27c12485167c94fe6591',
    );
  });

  test('goes on with the documented hash of each entry', () => {
    const first = chainEntry(chainStart(accountId), opened);
    expect(first.hash.toString('hex')).toBe(
      '6beef2e15f972b19bad740ca9de8a8154987244176e0cf61de19e8ddd4bd4390',
    );
    const second = chainEntry(first.hash, subtracted);
    expect(second.hash.toString('hex')).toBe(
      'e4b6c40b5712401bb7cd02266b482a305267ff4d0106693831dd0ca71dfee559',
    );
  });

  test('tells an absent field from an empty one', () => {
    const empty = chainEntry(chainStart(accountId), { ...opened, details: '' });
    const absent = chainEntry(chainStart(accountId), { ...opened, details: null });
    expect(empty.hash).not.toEqual(absent.hash);
  });
});
