import type { Sort } from './sort.ts';
import { accountId, otherAccountId } from './field-sorts.ts';
import { randomUUID } from 'node:crypto';

/** One element of a message, or one body, with a single thing about it that matters. */
export interface Attempt {
  readonly what: string;
  readonly text: string;
  /** What must be named; undefined when the form is right, and it is refused for what it is about. */
  readonly field: string | undefined;
}

/** Right values of fields that must be there. */
const rightValues: Readonly<Record<string, () => string | number>> = {
  id: randomUUID,
  accountId: () => accountId,
  amount: () => '1.00',
  name: () => 'Test account',
  overdraftLimit: () => '1.00',
  holdId: randomUUID,
  seconds: () => 600,
  dueInSeconds: () => 600,
  toAccountId: () => otherAccountId,
  to: () => otherAccountId,
};

/** What HTTP calls the account's id. */
export const bodyValues = { ...rightValues, id: () => accountId };

/** An object with one field given as JSON text, and whatever else must be there. */
export function objectWith(
  required: readonly string[],
  values: typeof rightValues,
  field?: string,
  ...texts: readonly string[]
): string {
  const others = required.filter((each) => each !== field);
  const members = [
    ...others.map((each) => `${JSON.stringify(each)}:${JSON.stringify(valueOf(values, each))}`),
    ...texts.map((text) => `${JSON.stringify(field)}:${text}`),
  ];
  return `{${members.join(',')}}`;
}

export function valueOf(values: typeof rightValues, field: string): string | number {
  const make = values[field];
  if (make === undefined) throw new Error(`say in test/bad-input/messages.ts what a right ${field} is`);
  return make();
}

/** Every attempt on every field, for an object that must have `required`. */
export function attemptsOn(
  fields: Readonly<Record<string, Sort>>,
  required: readonly string[],
  values: typeof rightValues = rightValues,
): Attempt[] {
  const attempts: Attempt[] = [];
  const add = (what: string, field: string | undefined, text: string): void => {
    attempts.push({ what, text, field });
  };
  for (const [field, { right, wrong }] of Object.entries(fields)) {
    const [aRight] = Object.values(right);
    for (const [what, text] of Object.entries(right)) {
      add(`${field}: ${what}`, undefined, objectWith(required, values, field, text));
    }
    for (const [what, text] of Object.entries(wrong)) {
      add(`${field}: ${what}`, field, objectWith(required, values, field, text));
    }
    // Of an id one that no other attempt has: it is what the outcome is found by.
    const twice = field === 'id' ? JSON.stringify(valueOf(values, field)) : (aRight ?? '1');
    add(`${field}: twice`, field, objectWith(required, values, field, twice, twice));
    if (required.includes(field)) add(`${field}: missing`, field, objectWith(required, values, field));
    // Names are told apart by case.
    const misspelled = field.toUpperCase();
    add(`${field}: in capitals`, misspelled, objectWith(required, values, misspelled, aRight ?? '1'));
  }
  for (const [what, name] of Object.entries(unknownFields)) {
    add(`unknown field: ${what}`, name, objectWith(required, values, name, '"1"'));
  }
  return attempts;
}

const unknownFields = {
  'a word': 'surplus',
  'a prototype': '__proto__',
  'a constructor': 'constructor',
  'a method': 'toString',
  'an empty name': '',
  'a blank': ' ',
  NUL: '\u0000',
  'a lone surrogate': '\ud800',
  'right to left': '\u202eid',
  SQL: `"'; DROP TABLE entries; --`,
  'a very long name': 'x'.repeat(50_000),
};

/** Whole messages that hold no object at all. */
export const junk: Readonly<Record<string, string | Uint8Array>> = {
  nothing: '',
  'a blank': ' ',
  'an open brace': '{',
  'open braces': '{"a":'.repeat(5_000),
  'open brackets': '['.repeat(60_000),
  'a missing value': '{"id":}',
  'a comma too many': '{"id":"1",}',
  'single quotes': `{'id':'1'}`,
  'a comment': '{}//',
  'two objects': '{}{}',
  'not a number': 'NaN',
  NUL: '\u0000',
  'a form': 'id=1&amount=1',
  XML: '<?xml version="1.0"?><id/>',
  'bytes that are no UTF-8': Uint8Array.of(0x22, 0xff, 0xfe, 0x22),
  'UTF-16': Buffer.from('{"id":"1"}', 'utf16le'),
  gzip: Uint8Array.of(0x1f, 0x8b, 0x08, 0x00),
};

/** JSON, and no object. */
export const otherValues: Readonly<Record<string, string>> = {
  null: 'null',
  'a boolean': 'true',
  'a number': '1',
  'a number beyond doubles': '-1e999',
  'a text': '"text"',
  'a lone surrogate': String.raw`"\ud800"`,
  'an empty array': '[]',
  'an array in an array': '[[]]',
  'a deep array': `${'['.repeat(20_000)}${']'.repeat(20_000)}`,
};
