import { describe, expect, test } from '@jest/globals';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gatewaySettings, readGatewaySettings } from '../services/gateway/config.ts';
import { ledgerSettings, readLedgerSettings } from '../services/ledger/config.ts';
import { readSettlerSettings, settlerSettings } from '../services/settler/config.ts';
import { listSettings } from '../shared/config/parse-settings.ts';

const ALL_SETTINGS = [gatewaySettings, ledgerSettings, settlerSettings].flatMap(listSettings);

describe('settings of the services', () => {
  test('an empty environment gives the defaults', () => {
    expect(readGatewaySettings({})).toEqual({
      port: 8080,
      host: '127.0.0.1',
      natsUrls: ['nats://127.0.0.1:4222'],
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

  test('every setting has a description, and a default or an excuse', () => {
    for (const setting of ALL_SETTINGS) {
      expect(setting.description).toMatch(/^[A-Z].*\.$/);
      expect(setting.default !== undefined || setting.secret === true).toBe(true);
    }
  });
});

/** Settings that no service's config.ts reads: they are Node's, OpenTelemetry's, and those of `npm start` itself. */
const READ_ELSEWHERE = ['NODE_ENV', 'OTEL_EXPORTER_OTLP_ENDPOINT', 'DATA_DIR'];

const example = readFileSync(join(import.meta.dirname, '../.env.example'), 'utf8');

/** Every `NAME=value` line, commented out or not, with the comment line above it. */
const lines = [...example.matchAll(/^# ?(.*)\n(?:# )?([A-Z][A-Z_]+)=(.*)$/gm)].map((match) => ({
  comment: match[1],
  name: match[2] ?? '',
  value: match[3],
}));

const byName = (a: { name: string }, b: { name: string }) => a.name.localeCompare(b.name);

test('.env.example has every setting once, with its default and its description', () => {
  const expected = new Map(
    ALL_SETTINGS.map(({ name, description, default: value = '' }) => [
      name,
      { comment: description, name, value },
    ]),
  );
  const ofServices = lines.filter(({ name }) => !READ_ELSEWHERE.includes(name));
  expect(ofServices.toSorted(byName)).toEqual([...expected.values()].toSorted(byName));
});

test('.env.example has the settings that no service reads', () => {
  expect(lines.map(({ name }) => name)).toEqual(expect.arrayContaining(READ_ELSEWHERE));
});
