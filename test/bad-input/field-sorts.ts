import {
  earliestDeadlineMs,
  maxAllowedAccounts,
  maxHoldSeconds,
  maxMetadataBytes,
  maxNameLength,
  maxReferenceLength,
  maxPageSize,
} from '../../shared/contracts/limits.ts';
import { maxDecimals, maxIntegerDigits } from '../../shared/money/money.ts';
import { sort, type Sort, type Texts } from './sort.ts';

/** The account that every right value of an account id leads to: there, and closed, so that nothing changes it. */
export const accountId = 'abcdef01-2345-4678-9abc-def012345678';

/** Not there. */
export const otherAccountId = '01234567-89ab-4cde-8f01-23456789abcd';

const json = (value: unknown): string => JSON.stringify(value);

const uuidRight: Texts = {
  'lower case': json(accountId),
  'upper case': json(accountId.toUpperCase()),
};
const uuidWrong: Texts = {
  'no dashes': json(accountId.replaceAll('-', '')),
  braces: json(`{${accountId}}`),
  'a digit too few': json(accountId.slice(1)),
  'a digit too many': json(`${accountId}0`),
  'a letter past f': json(accountId.replace('a', 'g')),
  'a urn': json(`urn:uuid:${accountId}`),
};

export const uuid = sort({ right: uuidRight, wrong: uuidWrong });

/** Of a transfer, which can't pay the account that it takes from. */
export const otherUuid = sort({
  right: { another: json(otherAccountId), 'upper case': json(otherAccountId.toUpperCase()) },
  wrong: {
    ...uuidWrong,
    'the account itself': json(accountId),
    'in upper case': json(accountId.toUpperCase()),
  },
});

export const commandId = sort({
  right: { 'the last variant that is not reserved': json('abcdef01-2345-4678-dabc-def012345678') },
  wrong: { ...uuidWrong, 'the reserved variant': json('abcdef01-2345-4678-eabc-def012345678') },
});

export const amount = sort({
  right: {
    'the smallest': json(`0.${'0'.repeat(maxDecimals - 1)}1`),
    'the largest': json(`${'9'.repeat(maxIntegerDigits)}.${'9'.repeat(maxDecimals)}`),
  },
  wrong: {
    zero: json('0'),
    'zero with decimals': json('0.00'),
    negative: json('-1'),
    'a plus sign': json('+1'),
    'a leading zero': json('01'),
    'a blank before': json(' 1'),
    'an exponent': json('1e2'),
    hexadecimal: json('0x10'),
    'nothing before the point': json('.5'),
    'nothing after the point': json('5.'),
    'a comma': json('1,5'),
    'not a number': json('NaN'),
    infinity: json('Infinity'),
    'a digit too many': json(`1${'0'.repeat(maxIntegerDigits)}`),
    'a decimal too many': json(`0.${'0'.repeat(maxDecimals)}1`),
  },
});

export const limitAmount = sort({
  right: { ...amount.right, zero: json('0'), 'zero with decimals': json('0.00') },
  wrong: withoutZero(amount.wrong),
});

function withoutZero(texts: Texts): Texts {
  return Object.fromEntries(Object.entries(texts).filter(([what]) => !what.startsWith('zero')));
}

function wholeNumber(min: number, max: number): Sort {
  return sort({
    takes: min <= 1 ? ['a number'] : [],
    right: { least: json(min), most: json(max) },
    wrong: { 'one too small': json(min - 1), 'one too large': `${BigInt(max) + 1n}`, 'as text': json('1') },
  });
}

export const decimals = wholeNumber(0, maxDecimals);
export const holdSeconds = wholeNumber(1, maxHoldSeconds);
export const clockSeconds = wholeNumber(0, maxHoldSeconds);
export const pageSize = wholeNumber(1, maxPageSize);
export const afterSeq = wholeNumber(0, Number.MAX_SAFE_INTEGER);
export const version = wholeNumber(1, Number.MAX_SAFE_INTEGER);
export const deadline = wholeNumber(earliestDeadlineMs, Number.MAX_SAFE_INTEGER);

const line = (maxLength: number): Sort =>
  sort({
    takes: [
      'a blank',
      'right to left',
      'a zero width space',
      'other digits',
      'SQL',
      'a name of prototypes',
      'a path',
      'a template',
    ],
    right: {
      shortest: json('x'),
      longest: json('x'.repeat(maxLength)),
      'the longest beyond the first plane': json('😀'.repeat(maxLength / 2)),
    },
    wrong: {
      'a character too many': json('x'.repeat(maxLength + 1)),
      'a pair too many': json('😀'.repeat(maxLength / 2 + 1)),
      'a line separator': json('a\u2028b'),
    },
  });

export const name = line(maxNameLength);
export const reference = line(maxReferenceLength);

/** In an address, where everything is a text. */
export const askedReference: Sort = {
  right: reference.right,
  wrong: Object.fromEntries(Object.entries(reference.wrong).filter(([, text]) => text.startsWith('"'))),
};

export const currency = sort({
  right: { shortest: json('AB'), longest: json('A'.repeat(12)) },
  wrong: {
    'a letter too few': json('A'),
    'a letter too many': json('A'.repeat(13)),
    'lower case': json('eur'),
    'letters of another alphabet': json('ЕUR'),
  },
});

const fullMetadata = Object.fromEntries(['a', 'b', 'c', 'd'].map((key) => [key, 'x'.repeat(500)] as const));
/** The JSON of `fullMetadata` with a fifth value that makes it exactly so many bytes. */
function metadataOf(bytes: number): string {
  const without = json({ ...fullMetadata, e: '' }).length;
  return json({ ...fullMetadata, e: 'x'.repeat(bytes - without) });
}

export const metadata = sort({
  takes: ['an object'],
  right: {
    'the longest key': json({ ['k'.repeat(64)]: 'v' }),
    'the longest value': json({ k: 'v'.repeat(500) }),
    'as many bytes as it may have': metadataOf(maxMetadataBytes),
    'the name of a method': json({ constructor: 'v', toString: 'v' }),
  },
  wrong: {
    'a key too long': json({ ['k'.repeat(65)]: 'v' }),
    'very long keys': json(Object.fromEntries(['1', '2', '3'].map((each) => [each.repeat(15_000), 'v']))),
    'an empty key': json({ '': 'v' }),
    'a value too long': json({ k: 'v'.repeat(501) }),
    'a byte too many': metadataOf(maxMetadataBytes + 1),
    'a number in it': json({ k: 1 }),
    'an object in it': json({ k: { k: 'v' } }),
    'NUL in a key': String.raw`{"\u0000":"v"}`,
    'NUL in a value': String.raw`{"k":"\u0000"}`,
    'a lone surrogate in a key': String.raw`{"\udfff":"v"}`,
    'a lone surrogate in a value': String.raw`{"k":"\udfff"}`,
    'a key that no object has': '{"__proto__":"v"}',
    'a key that no object has, escaped': String.raw`{"k":"v","\u005f_proto__":"v"}`,
  },
});

const foreign = '00000000-0000-4000-8000-000000000000';

export const accounts = sort({
  right: {
    one: json([accountId]),
    'as many as may be': json([accountId, ...Array.from({ length: maxAllowedAccounts - 1 }, () => foreign)]),
    'only another': json([foreign]),
  },
  wrong: {
    'one too many': json(Array.from({ length: maxAllowedAccounts + 1 }, () => accountId)),
    ...Object.fromEntries(
      Object.entries(uuid.wrong).map(([what, text]) => [`${what} in it`, `[${json(accountId)},${text}]`]),
    ),
  },
});

/** In an address. */
export const accountList = sort({
  right: {
    ...uuidRight,
    some: json(`${accountId},${foreign.toUpperCase()}`),
    'as many as fit here': json(Array.from({ length: 27 }, () => foreign).join(',')),
  },
  wrong: {
    ...uuidWrong,
    'a comma too many': json(`${accountId},`),
    'nothing between': json(`${accountId},,${foreign}`),
    'a blank between': json(`${accountId}, ${foreign}`),
    'one that is wrong': json(`${accountId},1`),
  },
});

/** Where a stream of facts goes on. */
export const cursor = sort({
  right: {
    'the oldest': json('oldest'),
    'of a stream that is no more': json('1-0-a'),
    'beyond all': json('999999999999999-999999-zzzzzzzzz'),
  },
  wrong: {
    ...uuidWrong,
    'too little': json('1-0'),
    'too much': json('1-0-a-0'),
    'too large': json('1234567890123456-0-a'),
    negative: json('-1-0-a'),
    'upper case': json('1-0-A'),
    'another word': json('newest'),
  },
});

const span = '4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7';
export const traceparent = sort({
  right: { 'not sampled': json(`00-${span}-00`), 'every flag': json(`00-${span}-ff`) },
  wrong: {
    'another version': json(`01-${span}-01`),
    'upper case': json(`00-${span.toUpperCase()}-01`),
    'no trace': json(`00-${'0'.repeat(32)}-00f067aa0ba902b7-01`),
    'no span': json(`00-4bf92f3577b34da6a3ce929d0e0e4736-${'0'.repeat(16)}-01`),
    'too short': json(`00-${span}-0`),
    'too long': json(`00-${span}-01-`),
  },
});

export const time = sort({
  right: {
    past: json('2020-02-29T00:00:00Z'),
    first: json('0000-01-01T00:00:00Z'),
    last: json('9999-12-31T23:59:59.999999Z'),
  },
  wrong: {
    'no zone': json('2026-01-31T12:00:00'),
    'another zone': json('2026-01-31T12:00:00+01:00'),
    'a day that is not': json('2025-02-29T12:00:00Z'),
    'an hour that is not': json('2026-01-31T24:00:00Z'),
    'a date': json('2026-01-31'),
  },
});

export const flag = sort({
  takes: ['a boolean'],
  right: { no: 'false' },
  wrong: { 'as text': json('true') },
});

/** One of some words. */
export function oneOf(words: readonly string[]): Sort {
  return sort({
    right: Object.fromEntries(words.map((word) => [word, json(word)])),
    wrong: { 'another word': json('other'), 'upper case': json(words[0]?.toUpperCase()) },
  });
}
