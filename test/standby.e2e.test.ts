import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PostgresPair } from './cluster/postgres-pair.ts';
import { openAccount } from './support/accounts.ts';
import { eventually } from './support/eventually.ts';
import { call } from './support/http.ts';
import { Stack } from './support/stack.ts';
import { startTcpProxy, type TcpProxy } from './support/tcp-proxy.ts';

/* A name or a proxy that leads to the standby for a moment, as one may while another server becomes the primary. */

const startMs = 120_000;
const limitMs = 20_000;

let folder: string;
let pair: PostgresPair;
let proxy: TcpProxy;
let stack: Stack;
let accountId: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'holdfast standby '));
  pair = await PostgresPair.start(folder, 'books');
  proxy = await startTcpProxy(pair.primary);
  const { user, password, database } = pair.primary;
  const env = { DB_HOST: '127.0.0.1', DB_PORT: String(proxy.port), DB_USER: user, DB_PASSWORD: password };
  stack = await Stack.start({ settlers: 0, env: { ...env, DB_NAME: database } });
  const { client } = await stack.ledgerClient();
  accountId = await openAccount(client, '10.00');
}, startMs);

afterAll(async () => {
  await stack.stop();
  await proxy.close();
  await pair.stop();
  await rm(folder, { recursive: true });
}, startMs);

async function missing(): Promise<string> {
  const answer = await fetch(`${stack.ledgers[0]?.url}/readyz`);
  return answer.status === 200 ? '' : await answer.text();
}

test(
  'a ledger that was led to a standby says so, and leaves it as soon as the way leads to the primary again',
  async () => {
    proxy.pointTo(pair.standby);
    proxy.cut();
    await eventually(async () => ((await missing()).includes('takes no writes') ? true : undefined), limitMs);
    expect(await missing()).toContain('Have DB_HOST lead to the primary');

    // Nothing is cut: whoever had a connection to the standby would keep it.
    proxy.pointTo(pair.primary);
    await eventually(async () => ((await missing()) === '' ? true : undefined), limitMs);
    const added = await call(stack.url(), '/api/add', { id: accountId, amount: '1.00' });
    expect(added).toMatchObject({ status: 200, body: { balance: '11.00' } });
    expect((await call(stack.url(), `/api/status/${accountId}`)).body['balance']).toBe('11.00');
  },
  3 * limitMs,
);
