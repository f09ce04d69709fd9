import { describe, expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import {
  canonicalDecimal,
  decimalPattern,
  formatMoney,
  maxDecimals,
  maxMinorUnits,
  money,
  parseMoney,
  positiveDecimalPattern,
} from './money.ts';

const decimals = fc.integer({ min: 0, max: maxDecimals });
const minorUnits = fc.bigInt({ min: -2n * maxMinorUnits, max: 2n * maxMinorUnits });

/** Any decimal string that the contracts let in. */
const wellFormed = fc
  .tuple(
    fc.bigInt({ min: 0n, max: 10n ** 15n - 1n }),
    fc.option(fc.stringMatching(/^[0-9]{1,8}$/), { nil: undefined }),
  )
  .map(([whole, fraction]) => (fraction === undefined ? `${whole}` : `${whole}.${fraction}`));

describe('decimal strings', () => {
  test.each(['0', '1', '1.5', '0.01', '33.48', '10', '999999999999999', '999999999999999.99999999', '0.00'])(
    '%j is one',
    (text) => expect(decimalPattern.test(text)).toBe(true),
  );

  test.each([
    '',
    '.',
    '1.',
    '.5',
    '-1',
    '+1',
    ' 1',
    '1 ',
    '1\n',
    '01',
    '00',
    '1e3',
    '1E3',
    '0x1',
    '1,5',
    '1_000',
    '1.123456789',
    '1000000000000000',
    '١',
    '１',
    'NaN',
    'Infinity',
    '1.5.5',
    '-0',
  ])('%j is none', (text) => {
    expect(decimalPattern.test(text)).toBe(false);
    expect(positiveDecimalPattern.test(text)).toBe(false);
  });

  test.each(['0', '0.0', '0.00000000'])('%j is not above zero', (text) => {
    expect(positiveDecimalPattern.test(text)).toBe(false);
  });

  test('a string is above zero exactly when its value is', () => {
    fc.assert(
      fc.property(wellFormed, (text) => {
        expect(positiveDecimalPattern.test(text)).toBe(parseMoney(text, maxDecimals) !== 0n);
      }),
    );
  });
});

describe('parsing and formatting', () => {
  test.each([
    ['33.48', 2, 3348n],
    ['33.4', 2, 3340n],
    ['33', 2, 3300n],
    ['7', 0, 7n],
    ['0.00000001', 8, 1n],
    ['999999999999999.99999999', 8, 99999999999999999999999n],
  ] as const)('%s with %i decimals is %s minor units', (text, places, expected) => {
    expect(parseMoney(text, places)).toBe(expected);
  });

  test.each([
    ['0.001', 2],
    ['1.50', 1],
    ['1.0', 0],
  ] as const)('%s is not rounded to %i decimals', (text, places) => {
    expect(parseMoney(text, places)).toBeUndefined();
  });

  test.each([
    [3348n, 2, '33.48'],
    [-5n, 2, '-0.05'],
    [0n, 2, '0.00'],
    [7n, 0, '7'],
    [-7n, 0, '-7'],
    [1n, 8, '0.00000001'],
  ] as const)('%s with %i decimals reads %s', (amount, places, expected) => {
    expect(formatMoney(money(amount), places)).toBe(expected);
  });

  test('formatted and parsed, every amount is itself', () => {
    fc.assert(
      fc.property(minorUnits, decimals, (amount, places) => {
        const text = formatMoney(money(amount), places);
        const magnitude: bigint = parseMoney(text.replace('-', ''), places) ?? -1n;
        expect(text.startsWith('-') ? -magnitude : magnitude).toBe(amount);
      }),
    );
  });
});

describe('the canonical decimal', () => {
  test.each([
    ['1', '1'],
    ['1.0', '1'],
    ['1.50', '1.5'],
    ['100', '100'],
    ['0.00', '0'],
    ['10.010', '10.01'],
  ])('of %s is %s', (text, expected) => expect(canonicalDecimal(text)).toBe(expected));

  test('two spellings share one exactly when they are the same number', () => {
    fc.assert(
      fc.property(wellFormed, wellFormed, (left, right) => {
        const sameNumber = parseMoney(left, maxDecimals) === parseMoney(right, maxDecimals);
        expect(canonicalDecimal(left) === canonicalDecimal(right)).toBe(sameNumber);
      }),
    );
    fc.assert(
      fc.property(wellFormed, fc.integer({ min: 0, max: 4 }), (text, zeros) => {
        const longer = text.includes('.') ? text + '0'.repeat(zeros) : `${text}.${'0'.repeat(zeros + 1)}`;
        expect(canonicalDecimal(longer)).toBe(canonicalDecimal(text));
      }),
    );
  });
});
