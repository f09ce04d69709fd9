import { readFileSync } from 'node:fs';
import { z } from 'zod';
import {
  anyText,
  optionalText,
  minutes,
  oneOf,
  onOff,
  optionalPort,
  readableFile,
  remotePort,
  secret,
} from '../../shared/config/fields.ts';
import { readNatsAccess } from '../../shared/config/nats-access.ts';
import { parseSettings, SettingsError, type Environment } from '../../shared/config/parse-settings.ts';
import { maxHoldSeconds } from '../../shared/contracts/limits.ts';
import {
  logLevelOf,
  logSettings,
  natsSettings,
  opsSettings,
  streamSettings,
} from '../../shared/config/setting-groups.ts';
import { readTestClock, testClockSettings } from '../../shared/config/test-clock.ts';
import type { DatabaseTls } from './store/session.ts';

/** Every setting of the ledger. */
export const ledgerSettings = z.object({
  DB_HOST: anyText({
    description: 'The host of PostgreSQL.',
    default: '127.0.0.1',
    expected: 'a host name, an IP address or the folder of a Unix socket',
  }),
  DB_PORT: remotePort({ description: 'The port of PostgreSQL.', default: '5432' }),
  DB_USER: anyText({
    description: 'The PostgreSQL user, owner of the database.',
    default: 'holdfast',
    expected: 'a user name',
  }),
  DB_PASSWORD: secret({ description: 'The password of DB_USER.' }),
  DB_LEDGER_USER: optionalText({
    description:
      'The user whom the ledger logs in as, who may only add to the journal; DB_USER then only migrates.',
    fallback: 'DB_USER',
    expected: 'a user name',
  }),
  DB_LEDGER_PASSWORD: secret({ description: 'The password of DB_LEDGER_USER.' }),
  DB_NAME: anyText({ description: 'The database.', default: 'holdfast', expected: 'a database name' }),
  DB_SSL: oneOf({
    description:
      'Whether the connection to PostgreSQL is encrypted: not, by whoever answers there, or only by one whose certificate has the name DB_HOST.',
    default: 'disable',
    words: ['disable', 'require', 'verify-full'],
  }),
  DB_SSL_CA: readableFile({
    description:
      'The certificates (PEM) that PostgreSQL’s own must lead to with DB_SSL=verify-full; without it, those that Node.js trusts.',
  }),
  DB_ECHO: onOff({
    description: 'Whether the ledger logs the text of each SQL statement, without its values.',
    default: 'off',
    formerName: 'SQLALCHEMY_ECHO',
  }),
  ...natsSettings,
  ...streamSettings,
  SUBSTRACT_HOLD_PERIOD: minutes({
    description:
      'Minutes from a subtract until its hold falls due, when it does not say so itself; fractions are fine.',
    default: '10',
    maxMinutes: maxHoldSeconds / 60,
    maxInWords: 'ten years',
  }),
  LEDGER_OPS_PORT: optionalPort({
    description: 'The port on which the ledger answers GET /metrics, /healthz and /readyz; 0 is off.',
    default: '0',
  }),
  LEDGER_LOG_LEVEL: logLevelOf('ledger'),
  ...opsSettings,
  ...logSettings,
  ...testClockSettings,
});

/** Throws a `SettingsError` that names all settings that are invalid by themselves, or else the first that contradict each other. */
export function readLedgerSettings(env: Environment) {
  const given = parseSettings(ledgerSettings, env);
  return {
    database: {
      host: given.DB_HOST,
      port: given.DB_PORT,
      user: given.DB_USER,
      password: given.DB_PASSWORD,
      name: given.DB_NAME,
      ...databaseTls(given),
    },
    /** Undefined: the ledger logs in as who owns the database, and works as a role. */
    ledgerUser:
      given.DB_LEDGER_USER === undefined
        ? undefined
        : { user: given.DB_LEDGER_USER, password: given.DB_LEDGER_PASSWORD },
    echoStatements: given.DB_ECHO,
    nats: readNatsAccess(given),
    streamReplicas: given.NATS_STREAM_REPLICAS,
    holdPeriodMs: given.SUBSTRACT_HOLD_PERIOD,
    testClock: readTestClock(given),
    /** Undefined is off. */
    opsPort: given.LEDGER_OPS_PORT.port,
    opsHost: given.OPS_HOST,
    logLevel: given.LEDGER_LOG_LEVEL ?? given.LOG_LEVEL,
  };
}

function databaseTls({ DB_SSL: mode, DB_SSL_CA: caFile }: z.output<typeof ledgerSettings>): {
  readonly tls?: DatabaseTls;
} {
  if (caFile !== undefined && mode !== 'verify-full') {
    throw new SettingsError([
      `DB_SSL_CA is set, but DB_SSL is ${mode}, which looks at no certificate: set verify-full`,
    ]);
  }
  switch (mode) {
    case 'disable':
      return {};
    case 'require':
      return { tls: { verify: false } };
    case 'verify-full':
      return { tls: { verify: true, ...(caFile !== undefined && { ca: readFileSync(caFile, 'utf8') }) } };
  }
}
