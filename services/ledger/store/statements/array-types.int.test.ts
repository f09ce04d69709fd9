import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { Client } from 'pg';
import { parseTime, type Micros } from '../../domain/time.ts';
import { migrationConfig } from '../session.ts';
import {
  bigint,
  bytesOf,
  enumeration,
  integer,
  json,
  smallint,
  text,
  tid,
  timestamptz,
  uuid,
  type ArrayType,
} from './array-types.ts';

const env = process.env;
let client: Client;

beforeAll(async () => {
  client = new Client(
    migrationConfig({
      host: env['TEST_DB_HOST'] ?? '127.0.0.1',
      port: Number(env['TEST_DB_PORT'] ?? 5432),
      user: env['TEST_DB_USER'] ?? 'holdfast',
      password: env['TEST_DB_PASSWORD'],
      name: env['TEST_DB_NAME'] ?? 'postgres',
    }),
  );
  await client.connect();
  await client.query("SET timezone = 'UTC'");
  await client.query("CREATE TYPE pg_temp.mood AS ENUM ('sad', 'happy')");
});

afterAll(() => client.end());

/** What the server understands by it, each element as a text of its own. */
async function understood<Value>(
  type: ArrayType<Value>,
  values: readonly (Value | null)[],
): Promise<(string | null)[]> {
  const { rows } = await client.query<{ element: string | null }>(
    `SELECT element::text AS element FROM unnest($1::${type.declared}) WITH ORDINALITY AS each (element, at) ORDER BY at`,
    [type.parameter(values)],
  );
  return rows.map(({ element }) => element);
}

const oneUuid = '0af76519-16cd-43dd-8448-eb211c80319c';

test('uuids, whatever the case of their letters', async () => {
  const values = [
    oneUuid,
    oneUuid.toUpperCase(),
    '00000000-0000-0000-0000-000000000000',
    null,
    'ffffffff-ffff-ffff-ffff-ffffffffffff',
  ];
  expect(await understood(uuid, values)).toEqual(values.map((value) => value?.toLowerCase() ?? null));
});

test('whole numbers, from the least to the greatest', async () => {
  const big = [0n, -1n, 1n, null, 2n ** 63n - 1n, -(2n ** 63n), 2n ** 32n, -(2n ** 32n) - 1n];
  expect(await understood(bigint, big)).toEqual(big.map((value) => value?.toString() ?? null));
  const middling = [0, -1, null, 2 ** 31 - 1, -(2 ** 31)];
  expect(await understood(integer, middling)).toEqual(middling.map((value) => value?.toString() ?? null));
  const small = [0, -1, null, 2 ** 15 - 1, -(2 ** 15)];
  expect(await understood(smallint, small)).toEqual(small.map((value) => value?.toString() ?? null));
});

test('a number that does not fit is refused, not written in part', () => {
  for (const value of [2n ** 63n, -(2n ** 63n) - 1n, 2n ** 64n + 1n])
    expect(() => bigint.parameter([1n, value])).toThrow(`${value} is no bigint`);
  for (const value of [2 ** 31, -(2 ** 31) - 1, 2 ** 32 + 1, 0.5, NaN])
    expect(() => integer.parameter([value])).toThrow(`${value} is no integer`);
  for (const value of [2 ** 15, -(2 ** 15) - 1, 2 ** 16 + 1, 0.5, NaN])
    expect(() => smallint.parameter([value])).toThrow(`${value} is no smallint`);
});

test('places of rows, from the first to the last', async () => {
  const values = ['(0,1)', '(12345,67)', null, '(4294967295,65535)'];
  expect(await understood(tid, values)).toEqual(values);
});

test('times to the microsecond, before and after Postgres’ year 2000', async () => {
  const now = (parseTime('2026-01-31T12:00:00Z') + 123_456) as Micros;
  expect(
    await understood(timestamptz, [
      now,
      null,
      parseTime('2000-01-01T00:00:00Z'),
      (parseTime('2000-01-01T00:00:00Z') - 1) as Micros,
      parseTime('1970-01-01T00:00:00Z'),
      parseTime('2199-12-31T23:59:59Z'),
    ]),
  ).toEqual([
    '2026-01-31 12:00:00.123456+00',
    null,
    '2000-01-01 00:00:00+00',
    '1999-12-31 23:59:59.999999+00',
    '1970-01-01 00:00:00+00',
    '2199-12-31 23:59:59+00',
  ]);
});

test('bytes, so many each, by their row', async () => {
  const values = [0, 1, 2].map((first) => Buffer.from([first, 0, 255, 92]));
  const type = bytesOf(4);
  const { rows } = await client.query<{ value: Buffer }>(
    `SELECT ${type.valueOf(`$1::${type.declared}`)} AS value FROM generate_series(1, 3) AS i ORDER BY i`,
    [type.parameter(values)],
  );
  expect(rows.map(({ value }) => value)).toEqual(values);
  expect(() => type.parameter([Buffer.alloc(4), Buffer.alloc(5)])).toThrow('5 bytes where 4 belong');
});

test('texts, with everything that means something in an array or a statement', async () => {
  const texts = [
    '',
    'NULL',
    null,
    '{a,b}',
    '"quoted"',
    String.raw`back\slash`,
    "it's; --",
    'Ж € 🙂\n\t',
    ' ',
  ];
  expect(await understood(text, texts)).toEqual(texts);
  const documents = ['{"a" : [1, "}"]}', null, '"\\u00e9, é"'];
  expect(await understood(json, documents)).toEqual(documents);
});

test('the words of an enumeration', async () => {
  expect(await understood(enumeration('mood'), ['happy', null, 'sad'])).toEqual(['happy', null, 'sad']);
});

test.each<[string, ArrayType<never>]>([
  ['uuid', uuid],
  ['bigint', bigint],
  ['integer', integer],
  ['smallint', smallint],
  ['tid', tid],
  ['timestamptz', timestamptz],
  ['text', text],
  ['json', json],
  ['mood', enumeration('mood')],
])('none and nothing but null, of %s', async (_, type) => {
  expect(await understood(type, [])).toEqual([]);
  expect(await understood(type, [null])).toEqual([null]);
});
