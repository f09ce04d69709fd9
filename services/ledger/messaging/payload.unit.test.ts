import { describe, expect, test } from '@jest/globals';
import { z } from 'zod';
import { commandSchemas } from '../../../shared/contracts/commands.ts';
import { querySchemas } from '../../../shared/contracts/queries.ts';
import { readElement, readPayload } from './payload.ts';

const read = (schema: z.ZodType, value: unknown) => readElement(schema, { value });

const id = '6f1b7c44-0b52-4c53-9b1e-2d9a019a9c3e';
const accountId = '26c940a1-7228-4ea2-a3bc-e6460b172040';
const open = { id, accountId, name: 'Wallet' };

describe('what is wrong with a field is said in words for people', () => {
  test.each([
    ['payload must be a JSON object', read(querySchemas.ping, 'junk')],
    ['accountId must be a uuid such as 26c940a1-7228-4ea2-a3bc-e6460b172040', read(querySchemas.account, {})],
    ['limit must be at most 500', read(querySchemas.accounts, { limit: 501 })],
    ['limit must be at least 1', read(querySchemas.accounts, { limit: 0 })],
    ['limit must be a whole number', read(querySchemas.accounts, { limit: 1.5 })],
    ['status must be one of open, closed', read(querySchemas.accounts, { status: 'shut' })],
    [
      'allowedAccounts must have at least 1 elements',
      read(querySchemas.account, { accountId, allowedAccounts: [] }),
    ],
    ['metadata.a must be a string', read(commandSchemas.open, { ...open, metadata: { a: 1 } })],
    [
      'metadata.a must have at most 500 characters',
      read(commandSchemas.open, { ...open, metadata: { a: 'x'.repeat(501) } }),
    ],
    [
      'metadata must have no member named __proto__',
      read(commandSchemas.open, {
        ...open,
        metadata: JSON.parse('{"a":"b","__proto__":"x"}') as unknown,
      }),
    ],
    [
      `metadata.${'x'.repeat(91)} has a name that is not valid`,
      read(commandSchemas.open, { ...open, metadata: { ['x'.repeat(10_000)]: 'a' } }),
    ],
    ['extra is not known here; leave it out', read(commandSchemas.open, { ...open, extra: 1 })],
  ])('%s', (wanted, answer) => {
    expect(answer).toMatchObject({ error: { code: 'invalid_request', detail: `Not valid: ${wanted}.` } });
  });
});

/** What is wrong with each element of a payload. */
const errorsOf = (json: string) => {
  const payload = readPayload(Buffer.from(json));
  if ('error' in payload) throw new Error(payload.error.detail);
  return payload.elements.map((element) => {
    const result = readElement(z.unknown(), element);
    return 'error' in result ? result.error : undefined;
  });
};

describe('a key that an element has twice', () => {
  const twice = {
    code: 'invalid_request',
    detail: 'Not valid: amount is there twice.',
    fields: [{ field: 'amount', message: 'is there twice' }],
  };
  test('is wrong with it', () => {
    expect(errorsOf('{"id":"x","amount":"1","amount":"2"}')).toEqual([twice]);
  });

  test('is wrong with none of the others', () => {
    const one = '{"id":"x","a":[{},{"a":1}]}';
    expect(errorsOf(`[${one},[${one},1],{"amount":"1","amount":"2"},${one}]`)).toEqual([
      undefined,
      undefined,
      twice,
      undefined,
    ]);
  });
});
