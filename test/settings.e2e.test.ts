import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { startChild, type ChildHandle } from '../deploy/local/child-process.ts';
import { readRunning } from '../deploy/local/data-folder.ts';
import { freePort } from '../deploy/local/free-port.ts';
import { openAccount } from './support/accounts.ts';
import { Stack } from './support/stack.ts';

/* Settings as processes have them: each is tried on a real one. What `Stack` gives to all is tried by all its tests. */

const root = join(import.meta.dirname, '..');
const account = '26c940a1-7228-4ea2-a3bc-e6460b172040';
const limitMs = 30_000;
const askEveryMs = 25;
const stopMs = 10_000;

/** Another address of this machine than 127.0.0.1. */
const otherAddress = process.platform === 'linux' ? '127.0.0.2' : '::1';

const children: ChildHandle[] = [];
afterEach(async () => {
  await Promise.all(children.splice(0).map((child) => child.stop(stopMs)));
});

/** A process with these settings alone, and the lines that it wrote. */
async function run(script: string, env: Readonly<Record<string, string>>) {
  const lines: string[] = [];
  const { PATH, HOME, TMPDIR, XDG_CACHE_HOME } = process.env;
  const child = await startChild({
    name: script,
    command: process.execPath,
    args: [join(root, script)],
    cwd: root,
    env: { PATH, HOME, TMPDIR, XDG_CACHE_HOME, ...env },
    onLine: (line) => lines.push(line),
  });
  children.push(child);
  return { lines, child };
}

/** Waits until `condition` gives something. */
async function eventually<T>(condition: () => Promise<T | undefined> | T | undefined): Promise<T> {
  const end = performance.now() + limitMs;
  for (;;) {
    const value = await condition();
    if (value !== undefined) return value;
    if (performance.now() > end) throw new Error(`not within ${limitMs} ms: ${String(condition)}`);
    await delay(askEveryMs);
  }
}

const originOf = (host: string, port: number) => `http://${host.includes(':') ? `[${host}]` : host}:${port}`;

/** The answer once there is one. */
const answerOf = (url: string) => eventually(() => fetch(url).catch(() => undefined));

const main = (service: string) => `dist/services/${service}/main.js`;

describe('a service', () => {
  let stack: Stack;
  let servers: Readonly<Record<string, string>>;
  beforeAll(async () => {
    stack = await Stack.start({ gateways: 0, ledgers: 0, settlers: 0 });
    servers = { NATS_URL: stack.nats.url, ...stack.database.env };
  }, limitMs);
  afterAll(() => stack.stop());

  test.each([
    ['gateway', 'HOST', 'PORT', '/healthz'],
    ['ledger', 'OPS_HOST', 'LEDGER_OPS_PORT', '/readyz'],
    ['settler', 'OPS_HOST', 'SETTLER_OPS_PORT', '/healthz'],
  ])('%s answers where %s and %s say', async (service, hostSetting, portSetting, path) => {
    const port = await freePort(otherAddress);
    await run(main(service), { ...servers, [hostSetting]: otherAddress, [portSetting]: String(port) });
    expect((await answerOf(`${originOf(otherAddress, port)}${path}`)).status).toBeLessThan(504);
    await expect(fetch(`${originOf('127.0.0.1', port)}${path}`)).rejects.toThrow('fetch failed');
  });

  test.each(['on', 'off'])('writes its answers in ASCII, JSON_AS_ASCII=%s', async (jsonAsAscii) => {
    const port = await freePort();
    await run(main('gateway'), { ...servers, PORT: String(port), JSON_AS_ASCII: jsonAsAscii });
    const text = await (await answerOf(`${originOf('127.0.0.1', port)}/openapi.json`)).text();
    expect(/^[\x20-\x7e\s]*$/.test(text)).toBe(jsonAsAscii === 'on');
    expect(JSON.stringify(JSON.parse(text))).toMatch(/[^\x20-\x7e]/);
  });

  test.each<[Record<string, string>, boolean]>([
    [{ DB_ECHO: 'on' }, true],
    [{ SQLALCHEMY_ECHO: 'True' }, true],
    [{}, false],
  ])('logs SQL statements, with %j: %s', async (settings, logged) => {
    const port = await freePort();
    const { lines } = await run(main('ledger'), { ...servers, ...settings, LEDGER_OPS_PORT: String(port) });
    await eventually(async () => {
      const answer = await answerOf(`${originOf('127.0.0.1', port)}/readyz`);
      return answer.ok ? true : undefined;
    });
    // One by the reading connections, one by the writing one.
    const { client } = await stack.ledgerClient();
    await client.ask('accounts', { limit: 1 });
    const accountId = await openAccount(client);
    await client.close();
    const statements = lines.filter((line) => line.includes('"msg":"SQL statement"'));
    for (const sql of [/"sql":"select .* from \\"accounts/, /"sql":"BEGIN/, /"sql":"WITH|"sql":"INSERT/]) {
      expect(statements.some((line) => sql.test(line))).toBe(logged);
    }
    expect(lines.join('\n')).not.toContain(accountId);
    expect(lines.some((line) => line.includes('SQLALCHEMY_ECHO is now called DB_ECHO'))).toBe(
      'SQLALCHEMY_ECHO' in settings,
    );
  });

  test.each([
    [{ LOG_LEVEL: 'debug' }, true, true],
    [{ LOG_LEVEL: 'info' }, true, false],
    [{ LOG_LEVEL: 'warn' }, false, false],
    [{ LOG_LEVEL: 'warn', GATEWAY_LOG_LEVEL: 'debug', LEDGER_LOG_LEVEL: 'error' }, true, true],
  ])('logs by its own log level, or else by LOG_LEVEL: %j', async (levels, hasInfo, hasDebug) => {
    const port = await freePort();
    const { lines, child } = await run(main('gateway'), { ...servers, PORT: String(port), ...levels });
    await answerOf(`${originOf('127.0.0.1', port)}/healthz`);
    await child.stop(stopMs);
    const has = (wanted: string) => lines.some((line) => line.includes(`"level":"${wanted}"`));
    expect([has('info'), has('debug')]).toEqual([hasInfo, hasDebug]);
  });

  test('migrates the database that DB_* name', async () => {
    const { lines, child } = await run('dist/services/ledger/migrate.js', {
      ...servers,
      DB_NAME: 'holdfast_absent',
    });
    const told = await eventually(() => lines.find((line) => line.includes('has no database')));
    expect(told).toContain('has no database holdfast_absent');
    await child.stop(stopMs);
  });
});

test.each(['NODE_ENV', 'FLASK_ENV'])(
  'npm start has no accounts to try with when %s is production, and keeps its data in DATA_DIR, in DB_NAME',
  async (name) => {
    const dataDir = await mkdtemp(join(tmpdir(), 'holdfast production '));
    const settings = { [name]: 'production', DATA_DIR: dataDir, PORT: '0', DB_NAME: 'books' };
    const { lines } = await run('deploy/local/start.mjs', settings);
    await eventually(() => lines.find((line) => line.includes('is ready on')));
    const running = readRunning(dataDir);
    expect(running?.postgres?.database).toBe('books');
    expect((await fetch(`${running?.httpUrl}/api/status/${account}`)).status).toBe(404);
    const warned = lines.filter((line) => line.includes('FLASK_ENV is now called NODE_ENV'));
    expect(warned).toHaveLength(name === 'FLASK_ENV' ? 1 : 0);
    await Promise.all(children.splice(0).map((child) => child.stop(stopMs)));
    await rm(dataDir, { recursive: true });
  },
  2 * limitMs,
);
