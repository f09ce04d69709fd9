import { describe, expect, test } from '@jest/globals';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gatewaySettings, readGatewaySettings } from '../services/gateway/config.ts';
import { ledgerSettings, readLedgerSettings } from '../services/ledger/config.ts';
import { readSettlerSettings, settlerSettings } from '../services/settler/config.ts';
import { allSettings, readLocalSettings, readTestSettings, testSettings } from '../deploy/local/config.ts';
import { envExample, natsUsersConf, withTables } from '../deploy/local/configuration-page.ts';
import { findOddSettings } from '../shared/config/odd-settings.ts';
import { listSettings, SettingsError } from '../shared/config/parse-settings.ts';

const everySetting = [allSettings, testSettings].flatMap(listSettings);

describe('settings of the services', () => {
  test('an empty environment gives the defaults', () => {
    expect(readGatewaySettings({})).toMatchObject({
      port: 8080,
      host: '127.0.0.1',
      jsonAsAscii: false,
      nats: { urls: ['nats://127.0.0.1:4222'] },
      logLevel: 'info',
    });
    expect(readLedgerSettings({})).toMatchObject({
      database: { host: '127.0.0.1', port: 5432, user: 'holdfast', password: undefined, name: 'holdfast' },
      holdPeriodMs: 600_000,
      opsPort: undefined,
    });
    expect(readSettlerSettings({})).toMatchObject({ workers: 2, opsHost: '127.0.0.1', opsPort: undefined });
  });

  test('an empty text counts as not set', () => {
    expect(readGatewaySettings({ PORT: '', NATS_URL: ' ' })).toEqual(readGatewaySettings({}));
  });

  test('a hold period may be a fraction of a minute', () => {
    expect(readLedgerSettings({ SUBSTRACT_HOLD_PERIOD: '0.005' }).holdPeriodMs).toBe(300);
  });

  test.each([
    ['JSON_AS_ASCII', () => readGatewaySettings({ JSON_AS_ASCII: 'true' }).jsonAsAscii, true],
    ['DB_ECHO', () => readLedgerSettings({ DB_ECHO: '1' }).echoStatements, true],
    ['SQLALCHEMY_ECHO', () => readLedgerSettings({ SQLALCHEMY_ECHO: 'True' }).echoStatements, true],
    [
      'TRACE_URL',
      () => readGatewaySettings({ TRACE_URL: 'https://t.example/trace/' }).traceUrl,
      'https://t.example/trace/',
    ],
    ['NATS_STREAM_REPLICAS', () => readSettlerSettings({ NATS_STREAM_REPLICAS: '3' }).streamReplicas, 3],
    ['SETTLER_WORKERS', () => readSettlerSettings({ SETTLER_WORKERS: '5' }).workers, 5],
    ['HUEY_WORKERS', () => readSettlerSettings({ HUEY_WORKERS: '4' }).workers, 4],
    ['LEDGER_LOG_LEVEL', () => readLedgerSettings({ LEDGER_LOG_LEVEL: 'debug' }).logLevel, 'debug'],
    ['SETTLER_LOG_LEVEL', () => readSettlerSettings({ SETTLER_LOG_LEVEL: 'Warn' }).logLevel, 'warn'],
    ['NODE_ENV', () => readLocalSettings({ NODE_ENV: 'production' }).isProduction, true],
    ['FLASK_ENV', () => readLocalSettings({ FLASK_ENV: 'production' }).isProduction, true],
    ['FLASK_ENV', () => readLocalSettings({ FLASK_ENV: 'development' }).isProduction, false],
    [
      'a new name and the old one',
      () => readSettlerSettings({ HUEY_WORKERS: '4', SETTLER_WORKERS: '5' }).workers,
      5,
    ],
  ])('%s is read', (_name, read, value) => {
    expect(read()).toBe(value);
  });

  test('every setting has a description, and a default or an excuse', () => {
    // Where traces are looked at, who issues tokens, certificates and users, and what stands in front of the gateway
    // nobody can guess.
    const mayStayUnset =
      /^(?:TRACE_URL|AUTH_JWKS_URL|AUTH_ISSUER|AUTH_AUDIENCE|TRUST_PROXY|NATS_USER|NATS_CREDS|NATS_TLS_CA|NATS_TLS_CERT|NATS_TLS_KEY|DB_SSL_CA)$/;
    for (const setting of everySetting) {
      expect(setting.description).toMatch(/^[A-Z].*\.$/);
      if (mayStayUnset.test(setting.name)) continue;
      expect(setting.default ?? setting.fallback ?? setting.secret).toBeDefined();
    }
  });
});

describe('settings that contradict each other are refused, in words without a secret', () => {
  const file = import.meta.filename;
  test.each([
    [{ NATS_USER: 'me' }, 'NATS_USER is set, but NATS_PASSWORD is not: set both'],
    [{ NATS_PASSWORD: 'hunter2' }, 'NATS_PASSWORD is set, but NATS_USER is not: set whose password it is'],
    [
      { NATS_USER: 'me', NATS_PASSWORD: 'hunter2', NATS_URL: 'nats://you:hunter2@nats:4222' },
      'NATS_USER and a user in NATS_URL are given, but it should be one of them',
    ],
    [
      { NATS_URL: 'nats://me:100%@nats:4222' },
      'NATS_URL has a user or password with a % that is not part of an escape: write it as %25',
    ],
    [
      { NATS_CREDS: '/nowhere' },
      'NATS_CREDS is "/nowhere", but it should be the path of a file that can be read',
    ],
    [
      { NATS_CREDS: file },
      'NATS_CREDS names a file without a JWT and a key: make one with nsc generate creds',
    ],
    [
      { NATS_TLS_CERT: file },
      'NATS_TLS_CERT and NATS_TLS_KEY are a certificate and its key: set both or none',
    ],
    [{ DB_SSL: 'on' }, 'DB_SSL is "on", but it should be one of disable, require, verify-full'],
    [
      { DB_SSL_CA: file },
      'DB_SSL_CA is set, but DB_SSL is disable, which looks at no certificate: set verify-full',
    ],
    [
      { DB_SSL: 'verify-full', DB_SSL_CA: '/nowhere' },
      'DB_SSL_CA is "/nowhere", but it should be the path of a file that can be read',
    ],
  ])('%j', (env, message) => {
    expect(() => readLedgerSettings(env)).toThrow(new SettingsError([message]));
  });
});

/** Where each setting is tried on a process that has it. */
const triedIn: Readonly<Record<string, string>> = {
  'test/settings.e2e.test.ts': `
    PORT HOST JSON_AS_ASCII TRACE_URL GATEWAY_OPS_PORT LEDGER_OPS_PORT SETTLER_OPS_PORT OPS_HOST NATS_URL
    DB_HOST DB_PORT DB_USER DB_PASSWORD DB_LEDGER_USER DB_LEDGER_PASSWORD DB_NAME DB_ECHO
    SUBSTRACT_HOLD_PERIOD SETTLER_WORKERS
    LOG_LEVEL GATEWAY_LOG_LEVEL LEDGER_LOG_LEVEL SETTLER_LOG_LEVEL DATA_DIR NODE_ENV`,
  'test/authentication.e2e.test.ts':
    'AUTH APP_SECRET_KEY AUTH_JWKS_URL AUTH_ISSUER AUTH_AUDIENCE RATE_LIMIT TRUST_PROXY',
  'test/nats-access.e2e.test.ts': 'NATS_USER NATS_PASSWORD NATS_CREDS NATS_TLS_CA NATS_TLS_CERT NATS_TLS_KEY',
  'test/database-tls.e2e.test.ts': 'DB_SSL DB_SSL_CA',
  'test/nats-cluster.e2e.test.ts': 'NATS_STREAM_REPLICAS',
  'test/test-clock.e2e.test.ts': 'TEST_CLOCK',
  'deploy/local/run-tests.int.test.ts':
    'TEST_DB_HOST TEST_DB_PORT TEST_DB_USER TEST_DB_PASSWORD TEST_DB_NAME',
};

test('each setting has a test that it does what it says', () => {
  const tried = Object.entries(triedIn).flatMap(([file, names]) =>
    names
      .trim()
      .split(/\s+/)
      .map((name) => ({ file, name })),
  );
  expect(tried.map(({ name }) => name).toSorted()).toEqual(everySetting.map(({ name }) => name).toSorted());
  const forgotten = tried.filter(({ file, name }) => !new RegExp(`\\b${name}\\b`).test(readText(file)));
  expect(forgotten).toEqual([]);
});

const root = join(import.meta.dirname, '..');
const readText = (path: string) => readFileSync(join(root, path), 'utf8');

describe('settings of npm test', () => {
  test('an empty environment names no server', () => {
    expect(readTestSettings({})).toEqual({ server: undefined, databaseName: 'holdfast_test' });
  });

  const defaults = { host: '127.0.0.1', port: 5432, user: 'holdfast', password: '' };
  test.each([
    ['TEST_DB_HOST', 'db', { ...defaults, host: 'db' }],
    ['TEST_DB_PORT', '5433', { ...defaults, port: 5433 }],
    ['TEST_DB_USER', 'me', { ...defaults, user: 'me' }],
    ['TEST_DB_PASSWORD', 'hunter2', { ...defaults, password: 'hunter2' }],
  ])('%s alone names one', (name, text, server) => {
    expect(readTestSettings({ [name]: text }).server).toEqual(server);
  });

  test.each(['test', 'holdfast_test', 'test2', 'books-tests', 'Test_books', 'my test'])(
    'a database may be called %s',
    (name) => {
      expect(readTestSettings({ TEST_DB_NAME: name }).databaseName).toBe(name);
    },
  );

  test.each(['holdfast', 'contest', 'latest', 'testament', 'attest_books', 'mytest'])(
    'a database called %s is refused',
    (name) => {
      expect(() => readTestSettings({ TEST_DB_NAME: name })).toThrow(`TEST_DB_NAME is "${name}", but`);
    },
  );
});

describe('npm run docs:configuration', () => {
  test('was run after the last change of a setting: docs/configuration.md', () => {
    const page = readText('docs/configuration.md');
    expect(page).toBe(withTables(page));
  });

  test('was run after the last change of a setting: .env.example', () => {
    expect(readText('.env.example')).toBe(envExample());
  });

  test('was run after the last change of a NATS user: deploy/nats/users.conf', () => {
    expect(readText('deploy/nats/users.conf')).toBe(natsUsersConf());
  });

  test.each(['docs/configuration.md', '.env.example'])('%s has every setting once', (path) => {
    const names = [...readText(path).matchAll(/^(?:\| `|# )([A-Z][A-Z_]+)[`=]/gm)].map((match) => match[1]);
    const known = [...listSettings(allSettings), ...listSettings(testSettings)].map(({ name }) => name);
    const expected = new Set([...known, 'OTEL_EXPORTER_OTLP_ENDPOINT']);
    expect(new Set(names)).toEqual(expected);
    expect(names).toHaveLength(expected.size);
  });
});

describe('what one reads', () => {
  const everything = Object.fromEntries(
    [...listSettings(allSettings), ...listSettings(testSettings)].map(({ name }) => [name, 'x']),
  );

  test.each(Object.entries({ gatewaySettings, ledgerSettings, settlerSettings, allSettings, testSettings }))(
    'is not taken for a slip in another: %s',
    (_name, schema) => {
      expect(findOddSettings(schema, everything)).toEqual([]);
    },
  );
});
