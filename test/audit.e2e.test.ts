import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import type { Client } from 'pg';
import { openAccount } from './support/accounts.ts';
import { Stack } from './support/stack.ts';
import { startTcpProxy } from './support/tcp-proxy.ts';

/** The command as a person runs it, on books that are in use. */
describe('npm run audit', () => {
  let stack: Stack;
  let folder: string;
  let honest: string;
  let cheated: string;
  /** Someone who may do everything, and whom no trigger stops. */
  let intruder: Client;

  beforeAll(async () => {
    stack = await Stack.start({ gateways: 0, settlers: 0 });
    folder = await mkdtemp(join(tmpdir(), 'holdfast audit '));
    const { client } = await stack.ledgerClient();
    honest = await openAccount(client, '10.00');
    cheated = await openAccount(client, '10.00');
    await client.close();
    intruder = await stack.books();
    await intruder.query('SET session_replication_role = replica');
  }, 60_000);
  afterAll(async () => {
    await intruder.end();
    await rm(folder, { recursive: true });
    await stack.stop();
  });

  async function audit(
    args: readonly string[] = [],
    env: NodeJS.ProcessEnv = {},
  ): Promise<{ code: number; out: string; err: string }> {
    const child = spawn(
      process.execPath,
      [join(import.meta.dirname, '../dist/deploy/audit/main.js'), ...args],
      {
        cwd: folder,
        env: { PATH: process.env['PATH'], ...stack.database.env, ...env },
        stdio: ['ignore', 'pipe', 'pipe'],
      },
    );
    const [out, err, [code]] = await Promise.all([
      text(child.stdout),
      text(child.stderr),
      once(child, 'close') as Promise<[number]>,
    ]);
    return { code, out, err };
  }

  test('finds books in order, all of them or one account', async () => {
    const all = await audit();
    expect(all).toMatchObject({ code: 0, out: '2 accounts, 4 entries, 0 holds\nThe books are in order.\n' });
    const one = await audit(['--account', honest, '--json']);
    expect(one.code).toBe(0);
    expect(JSON.parse(one.out)).toEqual({ accounts: 1, entries: 2, holds: 0, subtracts: 0, findings: [] });
  });

  test('says nothing about the books when its connection is lost', async () => {
    const { host, port } = stack.database.address;
    const proxy = await startTcpProxy({ host, port });
    // Its questions wait on the way.
    proxy.holdFrom('toServer', 'enable_nestloop');
    const audited = audit([], { DB_HOST: '127.0.0.1', DB_PORT: String(proxy.port) });
    await proxy.untilHeld('toServer', 'enable_nestloop');
    proxy.cut();
    const { code, out, err } = await audited;
    expect({ code, out }).toEqual({ code: 2, out: '' });
    expect(err).toMatch(/Connection terminated|ECONNRESET/);
    expect(err).not.toMatch(/^ +at /m);
    await proxy.close();
  });

  test('by a digest finds out that a tail was cut off, where nothing else can', async () => {
    const digest = await audit(['--digest']);
    expect(digest.code).toBe(0);
    const file = join(folder, 'books.digest');
    await writeFile(file, digest.out);
    expect(await audit(['--since', file])).toMatchObject({ code: 0 });
    await writeFile(`${file}.cut`, digest.out.split('\n').slice(0, -3).join('\n'));
    const cut = await audit(['--since', `${file}.cut`]);
    expect(cut.code).toBe(2);
    expect(cut.err).toContain('changed or cut');

    await intruder.query('DELETE FROM entries WHERE account_id = $1 AND seq = 2', [cheated]);
    await intruder.query(
      `UPDATE accounts a SET seq = e.seq, balance = e.balance, chain_head = e.hash, last_entry_at = e.at
       FROM entries e WHERE a.id = $1 AND e.account_id = a.id`,
      [cheated],
    );
    expect(await audit()).toMatchObject({ code: 0 });
    const since = await audit(['--since', file, '--json']);
    expect(since.code).toBe(1);
    expect(JSON.parse(since.out)).toMatchObject({ findings: [{ accountId: cheated, seq: 2 }] });
    expect((await audit(['--since', file])).out).toContain(`account ${cheated} entry 2 was there when`);
  });

  test('names the entry that was changed, and gives no digest of wrong books', async () => {
    await intruder.query('UPDATE entries SET amount = amount + 1 WHERE account_id = $1 AND seq = 1', [
      cheated,
    ]);
    const all = await audit();
    expect(all.code).toBe(1);
    expect(all.out).toContain(`account ${cheated} entry 1 has the hash`);
    expect(all.out).toContain('The books are NOT in order.');
    expect(await audit(['--account', cheated])).toMatchObject({ code: 1 });
    expect(await audit(['--account', honest])).toMatchObject({ code: 0 });
    const digest = await audit(['--digest']);
    expect([digest.code, digest.out.includes('\nend ')]).toEqual([1, false]);
  });

  test.each([
    ['an account that is not there', ['--account', randomUUID()], {}, 'there is no account'],
    ['no database that is named', [], { DB_HOST: '' }, 'nothing runs on the data folder'],
    ['a digest that is not there', ['--since', 'no such file'], {}, 'no such file'],
  ])('has nothing to say about %s', async (_, args, env, words) => {
    const { code, out, err } = await audit(args, env);
    expect([code, out]).toEqual([2, '']);
    expect(err).toContain(words);
  });

  test('says how it is used when asked', async () => {
    const { code, out } = await audit(['--help']);
    expect([code, out.includes('--since DIGEST-FILE')]).toEqual([0, true]);
  });

  test.each([[['--account', 'x']], [['--nonsense']], [['--digest', '--json']]])(
    'says how it is used after %j',
    async (args) => {
      const { code, err } = await audit(args);
      expect([code, err.includes('--since DIGEST-FILE')]).toEqual([2, true]);
    },
  );
});
