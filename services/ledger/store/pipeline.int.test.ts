import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { types, type FieldDef } from 'pg';
import { eventually } from '../../../test/support/eventually.ts';
import { startTcpProxy, type TcpProxy } from '../../../test/support/tcp-proxy.ts';
import { createTestDatabase, type TestDatabase } from '../../../test/support/test-database.ts';
import { createLogger } from '../../../shared/telemetry/logger.ts';
import { ConnectionLostError } from './faults.ts';
import { Pipeline, type Statement } from './pipeline.ts';
import { WriteConnection, type Session, type WriteConnectionOptions } from './write-connection.ts';

const logger = createLogger('test', 'silent');
let database: TestDatabase;
let proxy: TcpProxy;
let connections: WriteConnection[];
let connection: WriteConnection;
let session: Session;
let ends: unknown[];

beforeAll(async () => {
  database = await createTestDatabase();
  proxy = await startTcpProxy(database.address);
});
afterAll(async () => {
  await proxy.close();
  await database.drop();
});
beforeEach(async () => {
  connections = [];
  ends = [];
  const observe = () => (error?: unknown) => {
    ends.push(error);
  };
  connection = connect({ observe });
  session = await connection.session();
});
afterEach(async () => {
  await Promise.all(connections.map((each) => each.close()));
});

/** A connection that is closed after the test. */
function connect(options?: WriteConnectionOptions, address = database.address): WriteConnection {
  const made = new WriteConnection(address, logger, options);
  connections.push(made);
  return made;
}

function add(left: string, right: string | null): Statement {
  return { name: 'add', text: 'SELECT $1::bigint + $2::bigint AS sum', values: [left, right] };
}

function divide(by: string): Statement {
  return { name: 'divide', text: 'SELECT 12 / $1::integer AS quotient', values: [by] };
}

const begin: Statement = { name: 'begin', text: 'BEGIN' };

test('each statement gets its own answer, the first time and later', async () => {
  for (const first of ['1', '10']) {
    const answers = await session.pipeline([
      add(first, '2'),
      { name: 'none', text: 'SELECT WHERE false' },
      add(first, null),
    ]);
    expect(answers).toEqual([
      { command: 'SELECT', rows: [{ sum: BigInt(first) + 2n }] },
      { command: 'SELECT', rows: [] },
      { command: 'SELECT', rows: [{ sum: null }] },
    ]);
  }
  expect(ends).toEqual(Array.from({ length: 6 }, () => undefined));
});

test('after the first that fails, none is done', async () => {
  await session.pipeline([{ name: 'make', text: 'CREATE TEMPORARY TABLE marks (mark text)' }]);
  const mark: Statement = { name: 'mark', text: 'INSERT INTO marks VALUES ($1)', values: ['here'] };
  await expect(session.pipeline([add('1', '1'), divide('0'), mark])).rejects.toMatchObject({ code: '22012' });
  expect(ends.slice(1)).toEqual([
    undefined,
    expect.objectContaining({ code: '22012' }),
    expect.objectContaining({ code: '22012' }),
  ]);
  const [marks] = await session.pipeline([{ name: 'marks', text: 'SELECT mark FROM marks' }]);
  expect(marks?.rows).toEqual([]);
});

test('a transaction that failed stays so until it is rolled back', async () => {
  await expect(session.pipeline([begin, divide('0'), add('1', '1')])).rejects.toMatchObject({
    code: '22012',
  });
  await expect(session.pipeline([add('1', '1')])).rejects.toMatchObject({ code: '25P02' });
  const [rolledBack, sum] = await session.pipeline([{ name: 'rollback', text: 'ROLLBACK' }, add('1', '1')]);
  expect(rolledBack?.command).toBe('ROLLBACK');
  expect(sum?.rows).toEqual([{ sum: 2n }]);
});

test('a statement that failed when it was first used, or before it could be, may be used again', async () => {
  await expect(session.pipeline([divide('0'), add('1', '1')])).rejects.toMatchObject({ code: '22012' });
  const [quotient, sum] = await session.pipeline([divide('4'), add('1', '1')]);
  expect(quotient?.rows).toEqual([{ quotient: 3 }]);
  expect(sum?.rows).toEqual([{ sum: 2n }]);
});

test('one that is not SQL is refused by its own error', async () => {
  await expect(session.pipeline([{ name: 'nonsense', text: 'SELEC 1' }])).rejects.toMatchObject({
    code: '42601',
  });
  await expect(session.pipeline([add('1', '1')])).resolves.toHaveLength(1);
});

test('a session that is lost fails its pipeline, and the next', async () => {
  const pipeline = session.pipeline([add('1', '1'), { name: 'sleep', text: 'SELECT pg_sleep(60)' }]);
  session.destroy();
  await expect(pipeline).rejects.toBeInstanceOf(ConnectionLostError);
  await expect(session.pipeline([add('1', '1')])).rejects.toBeInstanceOf(ConnectionLostError);
  expect(ends).toHaveLength(3);
  session = await connection.session();
  await expect(session.pipeline([add('1', '1')])).resolves.toHaveLength(1);
});

test('a statement that somebody observes is answered by itself, not with the whole pipeline', async () => {
  const blocker = await connect().session();
  await blocker.pipeline([{ name: 'lock', text: 'SELECT pg_advisory_lock(1)' }]);
  const pipeline = session.pipeline([add('1', '1'), { name: 'wait', text: 'SELECT pg_advisory_lock(1)' }]);
  await eventually(async () => (ends.length > 0 ? true : undefined));
  expect(ends).toEqual([undefined]);
  await blocker.pipeline([{ name: 'unlock', text: 'SELECT pg_advisory_unlock(1)' }]);
  await pipeline;
  expect(ends).toEqual([undefined, undefined]);
});

test('a server that gives no answer for too long counts as gone, but not while it is asked nothing', async () => {
  const limitMs = 1_000;
  const impatient = connect({ answerWithinMs: limitMs }, { ...database.address, port: proxy.port });
  const asked = await impatient.session();
  await asked.pipeline([add('1', '1')]);
  await session.pipeline([{ name: 'sleep', text: `SELECT pg_sleep(${(limitMs + 100) / 1_000})` }]);
  await expect(asked.pipeline([add('1', '2')])).resolves.toHaveLength(1);
  proxy.hold('toClient');
  await expect(asked.pipeline([add('1', '3')])).rejects.toMatchObject({
    name: ConnectionLostError.name,
    message: `no answer within ${limitMs} ms`,
  });
  expect(impatient.isOpen()).toBe(false);
});

test('a value that can’t be read fails who asks for the answers, not the socket it came from', () => {
  const pipeline = new Pipeline([add('1', '1')], new Map(), [], () => undefined);
  pipeline.handleRowDescription({ fields: [{ name: 'sum', dataTypeID: types.builtins.INT8 } as FieldDef] });
  pipeline.handleDataRow({ fields: ['two'] });
  pipeline.handleCommandComplete({ text: 'SELECT 1' });
  expect(() => pipeline.answers()).toThrow('two');
});
