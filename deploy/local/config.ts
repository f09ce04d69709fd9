import { resolve } from 'node:path';
import { z } from 'zod';
import { gatewaySettings, readGatewaySettings } from '../../services/gateway/config.ts';
import { ledgerSettings, readLedgerSettings } from '../../services/ledger/config.ts';
import { settlerSettings } from '../../services/settler/config.ts';
import { anyText, remotePort, secret } from '../../shared/config/fields.ts';
import { readNatsAccess } from '../../shared/config/nats-access.ts';
import { isSet, parseSettings, SettingsError, type Environment } from '../../shared/config/parse-settings.ts';
import { isProduction } from '../../shared/config/setting-groups.ts';

/** The settings that only running on one machine has. */
export const localSettings = z.object({
  DATA_DIR: anyText({
    description: 'The folder in which `npm start` keeps the data of its PostgreSQL and NATS.',
    default: '.data',
    expected: 'the path of a folder',
  }),
});

/** The settings that only `npm test` has. */
export const testSettings = z.object({
  TEST_DB_HOST: anyText({
    description: 'The host of the PostgreSQL to test on.',
    default: '127.0.0.1',
    expected: 'a host name, an IP address or the folder of a Unix socket',
  }),
  TEST_DB_PORT: remotePort({ description: 'Its port.', default: '5432' }),
  TEST_DB_USER: anyText({
    description: 'The user for tests, who may make databases.',
    default: 'holdfast',
    expected: 'a user name',
  }),
  TEST_DB_PASSWORD: secret({ description: 'The password of TEST_DB_USER.' }),
  TEST_DB_NAME: anyText({
    description: 'The test database.',
    default: 'holdfast_test',
    expected: 'a database name with the word test in it',
  }),
});

export type LocalSettings = ReturnType<typeof readLocalSettings>;

/** Every setting that `npm start` reads, for itself and for what it starts. */
export const allSettings = z.object({
  ...gatewaySettings.shape,
  ...ledgerSettings.shape,
  ...settlerSettings.shape,
  ...localSettings.shape,
});

/**
 * Reads the settings of all processes that will be started, so that whatever is wrong is named before any of them is.
 * Throws a `SettingsError` that names all invalid settings at once.
 */
export function readLocalSettings(env: Environment) {
  const given = parseSettings(allSettings, env);
  return {
    dataDir: resolve(given.DATA_DIR),
    isProduction: isProduction(given.NODE_ENV),
    host: given.HOST,
    port: given.PORT,
    access: readGatewaySettings(env).access,
    /** Of one's own; undefined when we start PostgreSQL ourselves. */
    database: isSet(env['DB_HOST']) ? readLedgerSettings(env).database : undefined,
    databaseName: given.DB_NAME,
    /** Of one's own; undefined when we start nats-server ourselves. */
    nats: isSet(env['NATS_URL']) ? readNatsAccess(given) : undefined,
    /** Undefined is any free port. */
    ledgerOpsPort: given.LEDGER_OPS_PORT.port,
    settlerOpsPort: given.SETTLER_OPS_PORT.port,
    opsHost: given.OPS_HOST,
    logLevel: given.LOG_LEVEL,
  };
}

/** The word, on its own or between what is no letter: a "contest" is no test. */
const testWord = /(?<![a-z])tests?(?![a-z])/i;

/**
 * Reads the settings of `npm test`. Throws a `SettingsError` also when the database's name does not say that it is for
 * tests: it will be written to, and dropped.
 */
export function readTestSettings(env: Environment) {
  const given = parseSettings(testSettings, env);
  if (!testWord.test(given.TEST_DB_NAME)) {
    throw new SettingsError([
      `TEST_DB_NAME is ${JSON.stringify(given.TEST_DB_NAME)}, but tests run only on a database that has the word "test" ` +
        'in its name, such as holdfast_test',
    ]);
  }
  const names = ['TEST_DB_HOST', 'TEST_DB_PORT', 'TEST_DB_USER', 'TEST_DB_PASSWORD'];
  return {
    /** Of one's own; undefined when the tests get one that lives as long as they do. */
    server: names.some((name) => isSet(env[name]))
      ? {
          host: given.TEST_DB_HOST,
          port: given.TEST_DB_PORT,
          user: given.TEST_DB_USER,
          password: given.TEST_DB_PASSWORD ?? '',
        }
      : undefined,
    databaseName: given.TEST_DB_NAME,
  };
}
