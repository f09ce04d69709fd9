import {
  findGiven,
  hidePasswords,
  isSet,
  listSettings,
  type Environment,
  type SettingFacts,
} from '../../shared/config/parse-settings.ts';
import { natsSettings } from '../../shared/config/setting-groups.ts';
import { allSettings } from './config.ts';

const mask = '***';

/** Where PostgreSQL is, as long as `npm start` runs its own. The database's name is the user's to choose. */
const ownPostgres = new Set(['DB_HOST', 'DB_PORT', 'DB_USER', 'DB_PASSWORD', 'DB_SSL', 'DB_SSL_CA']);

/** Where NATS is and who one is there, as long as `npm start` runs its own. */
const ownNats = new Set(Object.keys(natsSettings));

/** OpenTelemetry's own; these may hold a token. */
const telemetrySecret = /HEADERS|KEY/;

interface Row {
  readonly name: string;
  readonly value: string;
  readonly source: string;
}

/**
 * The settings that `npm start` would run with, one per line: name, value, where it came from. `fromFile` are the names
 * that `.env` gave. Secrets are masked, and so are passwords in URLs.
 */
export function describeSettings(env: Environment, fromFile: ReadonlySet<string>): string {
  const ours = listSettings(allSettings).map((setting) => describe(setting, env, fromFile));
  const telemetry = Object.entries(env)
    .filter(([name, text]) => name.startsWith('OTEL_') && isSet(text))
    .map(([name, text = '']) => ({
      name,
      value: shown(text, telemetrySecret.test(name)),
      source: placeOf(name, fromFile),
    }));
  return tableOf([...ours, ...telemetry]);
}

function describe(
  setting: SettingFacts & { readonly name: string },
  env: Environment,
  fromFile: ReadonlySet<string>,
): Row {
  const { name, secret = false } = setting;
  const isOwnServer = ownPostgres.has(name)
    ? !isSet(env['DB_HOST'])
    : ownNats.has(name) && !isSet(env['NATS_URL']);
  if (isOwnServer) return { name, value: '-', source: 'npm start runs its own server' };
  const given = findGiven(setting, env);
  if (given === undefined) return { name, value: setting.default ?? '-', source: 'default' };
  const place = placeOf(given.givenAs, fromFile);
  const source = given.givenAs === name ? place : `${place}, as ${given.givenAs}`;
  return { name, value: shown(given.text, secret), source };
}

function placeOf(name: string, fromFile: ReadonlySet<string>): string {
  return fromFile.has(name) ? '.env' : 'environment';
}

function shown(text: string, secret: boolean): string {
  return secret ? mask : hidePasswords(text);
}

function tableOf(rows: readonly Row[]): string {
  const nameWidth = Math.max(...rows.map(({ name }) => name.length));
  const valueWidth = Math.max(...rows.map(({ value }) => value.length));
  return rows
    .map(({ name, value, source }) => `${name.padEnd(nameWidth)}  ${value.padEnd(valueWidth)}  ${source}`)
    .join('\n');
}
