import { describe, expect, test } from '@jest/globals';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { findFixedIds, findReusedIds } from './fixed-ids.ts';

const root = join(import.meta.dirname, '../..');
const id = '26c940a1-7228-4ea2-a3bc-e6460b172040';

const page = (name: string, ...lines: readonly string[]) =>
  findFixedIds(name, ['```console', ...lines, '```'].join('\n'));
const pay = (key: string, amount: string) =>
  `$ curl http://127.0.0.1:8080/api/add -H 'idempotency-key: ${key}' -d '{"amount":"${amount}"}'`;
const command = (amount: string) => `$ nats request '{"id":"${id}","accountId":"a","amount":"${amount}"}'`;

test('the pages can be followed one after the other: no key and no command id has two meanings', () => {
  const pages = readdirSync(join(root, 'docs')).filter((name) => name.endsWith('.md'));
  const ids = ['README.md', ...pages.map((name) => `docs/${name}`)].flatMap((path) =>
    findFixedIds(path, readFileSync(join(root, path), 'utf8')),
  );
  expect(ids.filter(({ request }) => request !== undefined).length).toBeGreaterThan(10);
  expect(findReusedIds(ids)).toEqual([]);
});

describe('an id that a page has written out is found', () => {
  test.each([
    ['in a header', pay('order-1', '5'), 'order-1', 'add {"amount":"5"}'],
    ['in a payload', command('5'), id, `{"id":"${id}","accountId":"a","amount":"5"}`],
    [
      'in a program',
      `$ node -e "add({ id: '${id}', accountId: 'a' })"`,
      id,
      `{ id: '${id}', accountId: 'a' }`,
    ],
    ['in a call', "$ send('add', 'order-1', { id: 'a' })", 'order-1', "send('add', 'order-1', { id: 'a' }"],
    ['in an answer', '$ one\n{"idempotencyKey": "order-1"}', 'order-1', undefined],
    ['in an outcome', `$ one\n{"commandId":"${id}"}`, id, undefined],
  ])('%s', (_where, line, found, request) => {
    expect(page('a.md', line)).toEqual([{ id: found, page: 'a.md', request }]);
  });

  test('and an account’s is none', () => {
    expect(page('a.md', `$ curl -d '{"id":"${id}","amount":"5"}'`, `{"id":"${id}","name":"a"}`)).toEqual([]);
  });
});

describe('an id has two meanings', () => {
  test('on two pages', () => {
    const ids = [...page('a.md', pay('order-1', '5')), ...page('b.md', pay('order-1', '5'))];
    expect(findReusedIds(ids)).toEqual(['order-1 is on a.md and b.md']);
  });

  test('and with two requests on one', () => {
    expect(findReusedIds(page('a.md', pay('order-1', '5'), pay('order-1', '6')))).toHaveLength(1);
    expect(findReusedIds(page('a.md', command('5'), command('6')))).toHaveLength(1);
  });

  test('but not when the same request is sent again, or answered', () => {
    const again = [pay('order-1', '5'), '{"idempotencyKey":"order-1"}', pay('order-1', '5')];
    expect(findReusedIds(page('a.md', ...again))).toEqual([]);
  });
});
