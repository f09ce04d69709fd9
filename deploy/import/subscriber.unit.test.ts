import { describe, expect, test } from '@jest/globals';
import { readSubscriber, type MoneyRules, type SubscriberRow } from './subscriber.ts';

const whole: MoneyRules = { amounts: 'whole', currency: 'XXX', decimals: 2 };
const row: SubscriberRow = {
  id: '26C940A1-7228-4ea2-a3bc-e6460b172040',
  name: 'Петров Иван',
  balance: '1700',
  hold: '300',
  status: true,
  copies: 1,
};

describe('a row of the old table', () => {
  test('is an account', () => {
    expect(readSubscriber(row, whole)).toEqual({
      ok: true,
      account: {
        id: '26c940a1-7228-4ea2-a3bc-e6460b172040',
        name: 'Петров Иван',
        balance: '1700.00',
        held: '300.00',
        status: 'open',
        currency: 'XXX',
        decimals: 2,
      },
    });
  });

  test.each([
    ['whole', 2, '1700.00', '300.00'],
    ['minor', 2, '17.00', '3.00'],
    ['whole', 0, '1700', '300'],
    ['minor', 3, '1.700', '0.300'],
  ] as const)('in %s units, of %i decimals, has %s and %s held', (amounts, decimals, balance, held) => {
    expect(readSubscriber(row, { amounts, currency: 'EUR', decimals })).toMatchObject({
      account: { balance, held, currency: 'EUR', decimals },
    });
  });

  test('that is not true in the status column is closed', () => {
    expect(readSubscriber({ ...row, status: false }, whole)).toMatchObject({ account: { status: 'closed' } });
  });

  test.each<[string, Partial<SubscriberRow>]>([
    ['all of it held', { hold: '1700' }],
    ['nothing at all', { balance: '0', hold: '0' }],
    ['the most there can be', { balance: '999999999999999' }],
  ])('with %s is one as well', (_what, change) => {
    expect(readSubscriber({ ...row, ...change }, whole)).toMatchObject({ ok: true });
  });

  test.each<[Partial<SubscriberRow>, string]>([
    [{ id: null }, 'the id must be a uuid'],
    [{ id: '17' }, 'the id must be a uuid'],
    [{ copies: 2 }, '2 rows have this id'],
    [{ name: null }, 'the name must be a text of 1 to 200 characters'],
    [{ name: '' }, 'the name must be a text of 1 to 200 characters'],
    [{ name: 'a\tb' }, 'without control characters'],
    [{ balance: null }, 'the balance is empty'],
    [{ balance: '-1', hold: '0' }, 'the balance is below zero'],
    [{ balance: '1000000000000000' }, 'the balance is more than an account can have'],
    [{ hold: null }, 'the hold is empty'],
    [{ hold: '-1' }, 'the hold is below zero'],
    [{ hold: '1701' }, 'the hold is more than the balance'],
    [{ status: null }, 'the status is empty'],
  ])('with %j is none', (change, problem) => {
    const read = readSubscriber({ ...row, ...change }, whole);
    expect(read).toEqual({ ok: false, problems: [expect.stringContaining(problem)] });
  });

  test('tells all that is wrong with it', () => {
    const read = readSubscriber({ ...row, name: '', balance: '-5', hold: '-6' }, whole);
    expect(read).toMatchObject({ problems: { length: 3 } });
  });
});
