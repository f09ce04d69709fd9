import { describe, expect, test } from '@jest/globals';
import { findInputProblems, readTask } from './input.ts';

const dbPassword = 'correct horse battery';
const appSecretKey = 'k'.repeat(40);

describe('what deploy.sh is given', () => {
  test('is fine with two secrets', () => {
    expect(findInputProblems({ DB_PASSWORD: dbPassword, APP_SECRET_KEY: appSecretKey })).toEqual([]);
    expect(
      findInputProblems({
        DB_PASSWORD: dbPassword,
        APP_SECRET_KEY: appSecretKey,
        PORT: '80',
        WATCH_PORT: '8081',
      }),
    ).toEqual([]);
  });

  test('is refused as a whole, every problem named', () => {
    const problems = findInputProblems({ PORT: '80a', WATCH_PORT: '70000' });
    expect(problems).toEqual([
      expect.stringMatching(/^DB_PASSWORD is not set: .*openssl/),
      expect.stringMatching(/^APP_SECRET_KEY is not set: .*openssl/),
      expect.stringMatching(/^PORT must be a port from 1 to 65535, not "80a"/),
      expect.stringMatching(/^WATCH_PORT must be a port/),
    ]);
  });

  test.each([
    [{ DB_PASSWORD: 'short', APP_SECRET_KEY: appSecretKey }, /^DB_PASSWORD is too short: it needs 12/],
    [
      { DB_PASSWORD: dbPassword, APP_SECRET_KEY: 'k'.repeat(31) },
      /^APP_SECRET_KEY is too short: it needs 32/,
    ],
    [
      { DB_PASSWORD: ` ${dbPassword}`, APP_SECRET_KEY: appSecretKey },
      /^DB_PASSWORD begins or ends with a blank/,
    ],
    [
      { DB_PASSWORD: dbPassword, APP_SECRET_KEY: appSecretKey, NATS_TOOLS_PASSWORD: 'short' },
      /^NATS_TOOLS_PASSWORD must be 12 or more/,
    ],
    [
      { DB_PASSWORD: dbPassword, APP_SECRET_KEY: appSecretKey, NATS_LEDGER_PASSWORD: 'quoted "password"' },
      /^NATS_LEDGER_PASSWORD must be .* letters, digits/,
    ],
    [{ DB_PASSWORD: dbPassword, APP_SECRET_KEY: appSecretKey, PORT: '0' }, /^PORT must be a port/],
    [
      { DB_PASSWORD: dbPassword, APP_SECRET_KEY: appSecretKey, PORT: '3000' },
      /^PORT and WATCH_PORT must differ/,
    ],
  ])('is refused for a reason in words, without its secrets: case %#', (env, words) => {
    const [problem = '', ...more] = findInputProblems(env);
    expect(more).toEqual([]);
    expect(problem).toMatch(words);
    expect(problem).not.toContain('short,');
  });

  test('is one word at most', () => {
    expect([[], ['--down'], ['--logs'], ['--status'], ['--help']].map(readTask)).toEqual([
      'up',
      'down',
      'logs',
      'status',
      'help',
    ]);
    expect([['--dwon'], ['--down', '--logs'], ['toString']].map(readTask)).toEqual([
      undefined,
      undefined,
      undefined,
    ]);
  });
});
