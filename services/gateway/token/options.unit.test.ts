import { describe, expect, test } from '@jest/globals';
import { readOptions } from './options.ts';

const account = '26c940a1-7228-4ea2-a3bc-e6460b172040';
const read = (words: string) => readOptions(words.split(' '));

describe('npm run token', () => {
  test.each([
    ['--scope balance:read', { scopes: ['balance:read'], lifetimeS: 3_600, subject: 'operator' }],
    ['--scope balance:read --scope balance:write', { scopes: ['balance:read', 'balance:write'] }],
    ['--scope balance:read,balance:admin', { scopes: ['balance:read', 'balance:admin'] }],
    ['--scope balance:read --expires 90s', { lifetimeS: 90 }],
    ['--scope balance:read --expires 30m', { lifetimeS: 1_800 }],
    ['--scope balance:read --expires 366d', { lifetimeS: 31_622_400 }],
    ['--scope balance:read --subject shop', { subject: 'shop' }],
    ['--scope balance:read', { accounts: undefined }],
    [`--scope balance:read --account ${account.toUpperCase()}`, { accounts: [account] }],
  ])('takes %s', (words, request) => {
    expect(read(words)).toMatchObject(request);
  });

  test.each([
    ['--expires 1h', '--scope is missing'],
    ['--scope balance', '--scope must be one of balance:read, balance:write, balance:admin'],
    ['--scope balance:read --expires 0s', '--expires must be a period'],
    ['--scope balance:read --expires 367d', '--expires must be a period'],
    ['--scope balance:read --expires 1', '--expires must be a period'],
    ['--scope balance:read --expires 1y', '--expires must be a period'],
    ['--scope balance:read --account x', '--account must be a uuid'],
    [`--scope balance:read${` --account ${account}`.repeat(101)}`, '--account may be there 100 times'],
    ['--scope balance:read --subject ', '--subject must not be empty'],
    ['--scope balance:read --forever', "Unknown option '--forever'"],
    ['--scope balance:read now', 'Unexpected argument'],
  ])('refuses %s, and says what it takes', (words, problem) => {
    expect(() => read(words)).toThrow(problem);
    expect(() => read(words)).toThrow('--expires PERIOD');
  });

  test('says what it takes when asked', () => {
    expect(read('--help')).toBeUndefined();
  });
});
