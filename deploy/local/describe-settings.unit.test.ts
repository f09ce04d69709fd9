import { describe, expect, test } from '@jest/globals';
import { listSettings } from '../../shared/config/parse-settings.ts';
import { allSettings } from './config.ts';
import { describeSettings } from './describe-settings.ts';

/** Value and source of each setting. */
function read(env: Record<string, string>, fromFile: readonly string[] = []) {
  const lines = describeSettings(env, new Set(fromFile)).split('\n');
  return new Map(
    lines.map((line) => {
      const [name = '', value, source] = line.split(/ {2,}/);
      return [name, [value, source]];
    }),
  );
}

describe('the effective settings', () => {
  test('are all there, once', () => {
    expect([...read({}).keys()]).toEqual(listSettings(allSettings).map(({ name }) => name));
  });

  test.each<[string, Record<string, string>, string[], string, string]>([
    ['PORT', {}, [], '8080', 'default'],
    ['PORT', { PORT: '9000' }, [], '9000', 'environment'],
    ['PORT', { PORT: '9000' }, ['PORT'], '9000', '.env'],
    ['PORT', { PORT: ' ' }, [], '8080', 'default'],
    ['SETTLER_WORKERS', { HUEY_WORKERS: '3' }, [], '3', 'environment, as HUEY_WORKERS'],
    ['SETTLER_WORKERS', { HUEY_WORKERS: '3' }, ['HUEY_WORKERS'], '3', '.env, as HUEY_WORKERS'],
    ['NODE_ENV', { FLASK_ENV: 'testing', NODE_ENV: 'test' }, [], 'test', 'environment'],
    ['APP_SECRET_KEY', {}, [], '-', 'default'],
    ['DB_HOST', {}, [], '-', 'npm start runs its own server'],
    ['DB_NAME', { DB_NAME: 'books' }, [], 'books', 'environment'],
    ['DB_PORT', { DB_HOST: 'db' }, [], '5432', 'default'],
    ['NATS_URL', {}, [], '-', 'npm start runs its own server'],
    ['NATS_URL', { NATS_URL: 'nats://me:hunter2@nats' }, [], 'nats://***@nats', 'environment'],
    ['OTEL_TRACES_SAMPLER', { OTEL_TRACES_SAMPLER: 'always_on' }, [], 'always_on', 'environment'],
    ['OTEL_EXPORTER_OTLP_HEADERS', { OTEL_EXPORTER_OTLP_HEADERS: 'key=hunter2' }, [], '***', 'environment'],
  ])('%s of %j, from the file %j', (name, env, fromFile, value, source) => {
    expect(read(env, fromFile).get(name)).toEqual([value, source]);
  });

  test('are shown without any secret', () => {
    const secrets = listSettings(allSettings).filter(({ secret }) => secret);
    expect(secrets.map(({ name }) => name)).toEqual(
      expect.arrayContaining(['APP_SECRET_KEY', 'DB_PASSWORD']),
    );
    const env = Object.fromEntries(secrets.map(({ name }) => [name, 'hunter2']));
    expect(describeSettings({ DB_HOST: 'db', ...env }, new Set())).not.toContain('hunter2');
  });
});
