import { describe, expect, test } from '@jest/globals';
import { z } from 'zod';
import { integer, onOff, secret } from './fields.ts';
import { editDistance, findOddSettings, settingsChecked } from './odd-settings.ts';
import { parseSettings } from './parse-settings.ts';

const schema = z.object({
  PORT: integer({ description: '', default: '1', min: 0, max: 9 }),
  HOST: secret({ description: '' }),
  DB_PASSWORD: secret({ description: '' }),
  DB_ECHO: onOff({ description: '', default: 'off', formerName: 'SQLALCHEMY_ECHO' }),
});

describe('odd settings', () => {
  test.each([
    ['DB_PASWORD', 'DB_PASSWORD'],
    ['DB_PASSWROD', 'DB_PASSWORD'],
    ['DBPASSWORD', 'DB_PASSWORD'],
    ['DB_CACHE', 'DB_ECHO'],
    ['HOLDFAST_PORT', 'PORT'],
    ['PROT', 'PORT'],
    ['port', 'PORT'],
  ])('%s is taken for %s', (given, meant) => {
    expect(findOddSettings(schema, { [given]: 'hunter2' })).toEqual([
      `${given} is no setting and has no effect; did you mean ${meant}?`,
    ]);
  });

  test.each([
    'PORT',
    'SQLALCHEMY',
    'HOME',
    'PATH',
    'HOSTNAME',
    'LEDGER_URL',
    'TEST_DB_NAME',
    settingsChecked,
  ])('%s is left alone', (given) => {
    expect(findOddSettings(schema, { [given]: '1' })).toEqual([]);
  });

  test('an empty one is not set', () => {
    expect(findOddSettings(schema, { PROT: '', SQLALCHEMY_ECHO: ' ' })).toEqual([]);
  });

  test('a former name is read, with a line that names the new one', () => {
    const env = { SQLALCHEMY_ECHO: 'True' };
    expect(parseSettings(schema, env).DB_ECHO).toBe(true);
    expect(findOddSettings(schema, env)).toEqual([
      'SQLALCHEMY_ECHO is now called DB_ECHO; it is still read, but rename it',
    ]);
  });

  test('a new name wins over the former one', () => {
    const env = { SQLALCHEMY_ECHO: 'True', DB_ECHO: 'off' };
    expect(parseSettings(schema, env).DB_ECHO).toBe(false);
    expect(findOddSettings(schema, env)).toEqual([
      'SQLALCHEMY_ECHO is the old name of DB_ECHO, which is set as well and wins: remove SQLALCHEMY_ECHO',
    ]);
  });

  test('what is wrong with a former name is said of that name', () => {
    expect(() => parseSettings(schema, { SQLALCHEMY_ECHO: 'debug' })).toThrow(
      'SQLALCHEMY_ECHO is "debug", but it should be on or off',
    );
  });
});

test.each([
  ['', '', 0],
  ['PORT', 'PORT', 0],
  ['PROT', 'PORT', 1],
  ['POT', 'PORT', 1],
  ['PORTS', 'PORT', 1],
  ['FORT', 'PORT', 1],
  ['', 'PORT', 4],
  ['HOME', 'HOST', 2],
  ['kitten', 'sitting', 3],
])('the distance from %j to %j is %d', (given, meant, distance) => {
  expect(editDistance(given, meant)).toBe(distance);
  expect(editDistance(meant, given)).toBe(distance);
});
