import { describe, expect, test } from '@jest/globals';
import { commandSchemas } from '../../../shared/contracts/commands.ts';
import { querySchemas } from '../../../shared/contracts/queries.ts';
import { readElement, readPayload } from './payload.ts';

const id = '6f1b7c44-0b52-4c53-9b1e-2d9a019a9c3e';
const accountId = '26c940a1-7228-4ea2-a3bc-e6460b172040';
const open = { id, accountId, name: 'Wallet' };

describe('what is wrong with a field is said in words for people', () => {
  test.each([
    ['payload must be an object', readElement(querySchemas.ping, 'junk')],
    [
      'accountId must be a uuid such as 26c940a1-7228-4ea2-a3bc-e6460b172040',
      readElement(querySchemas.account, {}),
    ],
    ['limit must be at most 500', readElement(querySchemas.accounts, { limit: 501 })],
    ['limit must be at least 1', readElement(querySchemas.accounts, { limit: 0 })],
    ['limit must be a whole number', readElement(querySchemas.accounts, { limit: 1.5 })],
    ['status must be one of open, closed', readElement(querySchemas.accounts, { status: 'shut' })],
    [
      'allowedAccounts must have at least 1 elements',
      readElement(querySchemas.account, { accountId, allowedAccounts: [] }),
    ],
    ['metadata.a must be a string', readElement(commandSchemas.open, { ...open, metadata: { a: 1 } })],
    [
      'metadata.a must have at most 500 characters',
      readElement(commandSchemas.open, { ...open, metadata: { a: 'x'.repeat(501) } }),
    ],
    [
      'metadata must have no member named __proto__',
      readElement(commandSchemas.open, {
        ...open,
        metadata: JSON.parse('{"a":"b","__proto__":"x"}') as unknown,
      }),
    ],
    [
      `metadata.${'x'.repeat(91)} has a name that is not valid`,
      readElement(commandSchemas.open, { ...open, metadata: { ['x'.repeat(10_000)]: 'a' } }),
    ],
    ['extra is not known here; leave it out', readElement(commandSchemas.open, { ...open, extra: 1 })],
  ])('%s', (wanted, answer) => {
    expect(answer).toMatchObject({ error: { code: 'invalid_request', detail: `Not valid: ${wanted}.` } });
  });
});

test.each(['{"id":"x","amount":"1","amount":"2"}', '[{"id":"x"},{"amount":"1","amount":"2"}]'])(
  'a payload with a key twice is refused: %s',
  (json) => {
    expect(readPayload(Buffer.from(json))).toEqual({
      code: 'invalid_request',
      detail: 'Not valid: amount is there twice.',
      fields: [{ field: 'amount', message: 'is there twice' }],
    });
  },
);
