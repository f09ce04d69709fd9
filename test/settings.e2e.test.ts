import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { startChild, type ChildHandle } from '../deploy/local/child-process.ts';
import { readRunning } from '../deploy/local/data-folder.ts';
import { freePort } from '../deploy/local/free-port.ts';
import {
  commandSubject,
  holdDueSubject,
  holdsStream,
  querySubject,
  settlerConsumer,
} from '../shared/contracts/subjects.ts';
import { ensureStreams } from '../shared/messaging/streams.ts';
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

  /** A ledger that is ready. */
  async function runLedger(settings: Readonly<Record<string, string>>) {
    const port = await freePort();
    const ledger = await run(main('ledger'), { ...servers, ...settings, LEDGER_OPS_PORT: String(port) });
    await eventually(async () => {
      const answer = await answerOf(`${originOf('127.0.0.1', port)}/readyz`);
      return answer.ok ? true : undefined;
    });
    return ledger;
  }

  test.each([
    ['gateway', 'HOST', 'PORT', '/healthz'],
    ['gateway', 'OPS_HOST', 'GATEWAY_OPS_PORT', '/healthz'],
    ['ledger', 'OPS_HOST', 'LEDGER_OPS_PORT', '/readyz'],
    ['settler', 'OPS_HOST', 'SETTLER_OPS_PORT', '/healthz'],
  ])('%s answers where %s and %s say', async (service, hostSetting, portSetting, path) => {
    const port = await freePort(otherAddress);
    const where = { [hostSetting]: otherAddress, [portSetting]: String(port) };
    await run(main(service), { ...servers, PORT: '0', ...where });
    expect((await answerOf(`${originOf(otherAddress, port)}${path}`)).status).toBeLessThan(504);
    await expect(fetch(`${originOf('127.0.0.1', port)}${path}`)).rejects.toThrow('fetch failed');
  });

  test.each<[Record<string, string>, string | undefined]>([
    [{ TRACE_URL: 'https://traces.example/trace/' }, 'https://traces.example/trace/'],
    [{}, undefined],
  ])('links a problem to its trace, with %j', async (settings, traceUrl) => {
    const port = await freePort();
    // Nothing needs to listen there: a request is sampled all the same.
    const sampled = {
      OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: `${originOf('127.0.0.1', await freePort())}/v1/traces`,
    };
    await run(main('gateway'), { ...servers, ...sampled, ...settings, PORT: String(port) });
    const answer = await answerOf(`${originOf('127.0.0.1', port)}/nowhere`);
    const { traceId, trace } = (await answer.json()) as { traceId: string; trace?: string };
    expect(traceId).toBe(answer.headers.get('trace-id'));
    expect(trace).toBe(traceUrl && `${traceUrl}${traceId}`);
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
    const { lines } = await runLedger(settings);
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

  test.each([
    ['ledger', { LEDGER_LOG_LEVEL: 'warn' }, false],
    ['ledger', { LEDGER_LOG_LEVEL: 'info', LOG_LEVEL: 'warn' }, true],
    ['settler', { SETTLER_LOG_LEVEL: 'warn' }, false],
    ['settler', { SETTLER_LOG_LEVEL: 'info', LOG_LEVEL: 'warn' }, true],
  ])('%s logs by its own log level: %j', async (service, levels, hasInfo) => {
    const [portSetting, port] = [`${service.toUpperCase()}_OPS_PORT`, await freePort()];
    const { lines, child } = await run(main(service), { ...servers, [portSetting]: String(port), ...levels });
    // Once it has started. The settler is never ready here: there is no ledger.
    await eventually(async () => {
      const answer = await answerOf(`${originOf('127.0.0.1', port)}/readyz`);
      return (await answer.text()).includes('starting') ? undefined : true;
    });
    await child.stop(stopMs);
    expect(lines.some((line) => line.includes('"level":"info"'))).toBe(hasInfo);
  });

  test.each([
    [{ DB_HOST: otherAddress }, otherAddress],
    [{ DB_PORT: '1' }, 'ECONNREFUSED 127.0.0.1:1'],
    [{ DB_USER: 'stranger' }, 'password authentication failed for user \\"stranger\\"'],
    [{ DB_PASSWORD: 'hunter2' }, 'password authentication failed'],
    [{ DB_NAME: 'holdfast_absent' }, 'has no database holdfast_absent'],
  ])('takes its database from DB_*, and never tells the password: %j', async (settings, words) => {
    const { lines } = await run('dist/services/ledger/migrate.js', { ...servers, ...settings });
    await eventually(() => lines.find((line) => line.includes(words)));
    for (const secret of ['hunter2', servers['DB_PASSWORD']]) expect(lines.join('\n')).not.toContain(secret);
  });

  test('logs in as DB_LEDGER_USER with DB_LEDGER_PASSWORD, when the database was migrated for it', async () => {
    const login = { DB_LEDGER_USER: `login_${process.pid}`, DB_LEDGER_PASSWORD: randomUUID() };
    const books = await stack.books();
    await books.query(`CREATE ROLE ${login.DB_LEDGER_USER} LOGIN PASSWORD '${login.DB_LEDGER_PASSWORD}'`);
    try {
      const migration = await run('dist/services/ledger/migrate.js', { ...servers, ...login });
      expect(await migration.child.exited).toMatchObject({ code: 0 });
      const wrong = await run(main('ledger'), { ...servers, ...login, DB_LEDGER_PASSWORD: 'hunter2' });
      const refused = `authentication failed for user \\"${login.DB_LEDGER_USER}\\"`;
      await eventually(() => wrong.lines.find((line) => line.includes(refused)));
      expect(wrong.lines.join('\n')).not.toContain('hunter2');
      await wrong.child.stop(stopMs);

      const { child } = await runLedger(login);
      const users = await eventually(async () => {
        const { rows } = await books.query<{ usename: string }>(
          'SELECT DISTINCT usename FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() AND usename IS NOT NULL',
        );
        return rows.length === 0 ? undefined : rows.map(({ usename }) => usename);
      });
      expect(users).toEqual([login.DB_LEDGER_USER]);
      await child.stop(stopMs);
    } finally {
      await books.query(`DROP ROLE ${login.DB_LEDGER_USER}`);
      await books.end();
    }
  });

  test('takes NATS from NATS_URL, and never tells its password', async () => {
    const { lines } = await run(main('settler'), { NATS_URL: 'nats://me:hunter2@127.0.0.1:1' });
    await eventually(() => lines.find((line) => line.includes('127.0.0.1:1')));
    expect(lines.join('\n')).not.toContain('hunter2');
  });

  test.each(['0.5', '30'])('lets a hold fall due after SUBSTRACT_HOLD_PERIOD=%s minutes', async (minutes) => {
    await runLedger({ SUBSTRACT_HOLD_PERIOD: minutes });
    const { client } = await stack.ledgerClient();
    const accountId = await openAccount(client, '10.00');
    const held = await client.send('subtract', { id: randomUUID(), accountId, amount: '1.00' });
    await client.close();
    if (!held.ok) throw new Error(held.error.detail);
    const afterMs = Date.parse(held.hold?.dueAt ?? '') - Date.parse(held.entry?.at ?? '');
    const periodMs = Number(minutes) * 60_000;
    // Rounded up to the second.
    expect(afterMs).toBeGreaterThanOrEqual(periodMs);
    expect(afterMs).toBeLessThan(periodMs + 1_001);
  });

  test.each([
    ['SETTLER_WORKERS', 1],
    ['SETTLER_WORKERS', 3],
    ['HUEY_WORKERS', 3],
  ])('settles so many due seconds at once: %s=%d', async (setting, workers) => {
    const nats = await connect({ servers: stack.nats.url });
    const { streams, consumers } = await jetstreamManager(nats);
    // Holds of other tests are still announced there.
    await streams.delete(holdsStream).catch(() => undefined);
    await ensureStreams(nats, 1);
    // In the ledger's place one that answers when we say so.
    let holding = true;
    const asked = new Map<string, { until: string; settled: () => void }>();
    nats.subscribe(querySubject('ping'), {
      callback: (_error, message) => void message.respond(JSON.stringify({ ok: true, now: Date.now() })),
    });
    nats.subscribe(commandSubject('settle-due'), {
      callback: (_error, message) => {
        const { id, until } = message.json<{ id: string; until?: string }>();
        const outcome = { ok: true, commandId: id, settled: 0, more: false, waitMs: 0 };
        const settled = () => void message.respond(JSON.stringify(outcome));
        // The once-a-minute turn is no due second.
        if (until !== undefined) asked.set(id, { until, settled });
        if (until === undefined || !holding) settled();
      },
    });
    const { child } = await run(main('settler'), { NATS_URL: stack.nats.url, [setting]: String(workers) });
    const seconds = Array.from({ length: workers + 2 }, (_, second) => `2026-01-01T00:00:0${second}Z`);
    for (const [index, dueAt] of seconds.entries()) {
      await jetstream(nats).publish(holdDueSubject, JSON.stringify({ dueAt }));
      if (index < workers) await eventually(() => (asked.size > index ? true : undefined));
    }
    // The settler has all of them.
    await eventually(async () => {
      const { num_pending: left, num_ack_pending: taken } = await consumers.info(
        holdsStream,
        settlerConsumer,
      );
      return left === 0 && taken === seconds.length ? true : undefined;
    });
    // By now one worker more, were there one, would have asked as well.
    expect([...asked.values()].map(({ until }) => until)).toEqual(seconds.slice(0, workers));
    holding = false;
    for (const { settled } of asked.values()) settled();
    await eventually(() =>
      [...asked.values()].some(({ until }) => until === seconds.at(-1)) ? true : undefined,
    );
    await child.stop(stopMs);
    await nats.close();
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
