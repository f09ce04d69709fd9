import { describe, expect, test } from '@jest/globals';
import { readOptions } from './options.ts';

const from = ['--from', 'postgres://reader@127.0.0.1/flask'];

describe('the options of an import', () => {
  test('have the old service’s names and whole units as defaults', () => {
    expect(readOptions(from)).toEqual({
      from: 'postgres://reader@127.0.0.1/flask',
      table: 'subscribers',
      columns: { id: 'id', name: 'name', balance: 'balance', hold: 'hold', status: 'status' },
      money: { amounts: 'whole', currency: 'XXX', decimals: 2 },
      dryRun: false,
    });
  });

  test('may all be others', () => {
    const names = ['id', 'name', 'balance', 'hold', 'status'].flatMap((name) => [
      `--${name}-column`,
      `old ${name}`,
    ]);
    const money = ['--amounts', 'minor', '--currency', 'EUR', '--decimals', '0'];
    expect(readOptions([...from, '--table', 'old.people', ...names, ...money, '--dry-run'])).toMatchObject({
      table: 'old.people',
      columns: {
        id: 'old id',
        name: 'old name',
        balance: 'old balance',
        hold: 'old hold',
        status: 'old status',
      },
      money: { amounts: 'minor', currency: 'EUR', decimals: 0 },
      dryRun: true,
    });
  });

  test.each([
    [[], '--from is missing'],
    [['--from', 'mysql://127.0.0.1'], '--from must be a URL that begins with postgres://'],
    [[...from, '--table', 'a.b.c'], '--table must be'],
    [[...from, '--amounts', 'cents'], '--amounts must be whole or minor'],
    [[...from, '--currency', 'euro'], '--currency must be 2 to 12 capital letters'],
    [[...from, '--decimals', '9'], '--decimals must be a number from 0 to 8'],
    [[...from, '--balance-column', ''], '--balance-column must be'],
    [[...from, '--balances', 'x'], '--balances'],
    [[...from, 'subscribers'], 'subscribers'],
  ])('%j are refused, and the usage is told', (args, problem) => {
    expect(() => readOptions(args)).toThrow(problem);
    expect(() => readOptions(args)).toThrow('--dry-run');
  });
});
