import { describe, expect, test } from '@jest/globals';
import { z } from 'zod';
import { host, integer, minutes, onOff, secret, urlList } from './fields.ts';
import { parseSettings, SettingsError } from './parse-settings.ts';

function messageOf(read: () => unknown): string {
  try {
    read();
  } catch (error) {
    if (error instanceof SettingsError) return error.message;
    throw error;
  }
  throw new Error('nothing was thrown');
}

describe('fields', () => {
  const schema = z.object({
    COUNT: integer({ description: '', default: '3', min: 1, max: 5 }),
    PERIOD: minutes({ description: '', default: '1', maxMinutes: 60, maxInWords: 'an hour' }),
    URLS: urlList({ description: '', default: 'nats://a', schemes: ['nats'] }),
    SWITCH: onOff({ description: '', default: 'off' }),
    ADDRESS: host({ description: '', default: '::1' }),
    KEY: secret({ description: '' }),
  });

  test.each([
    ['COUNT', '5', 5],
    ['PERIOD', '60', 3_600_000],
    ['PERIOD', '0.5', 30_000],
    ['URLS', 'nats://a:1, nats://u:p@b', ['nats://a:1', 'nats://u:p@b']],
    ['SWITCH', 'ON', true],
    ['SWITCH', '0', false],
    ['ADDRESS', '0.0.0.0', '0.0.0.0'],
    ['ADDRESS', 'fe80::1%eth0', 'fe80::1%eth0'],
    ['KEY', ' as it is ', ' as it is '],
  ])('%s takes %j', (name, given, value) => {
    expect(parseSettings(schema, { [name]: given })).toHaveProperty(name, value);
  });

  test.each([
    ['COUNT', '6'],
    ['COUNT', '1.5'],
    ['COUNT', '0x2'],
    ['PERIOD', '0'],
    ['PERIOD', '0.0000001'],
    ['PERIOD', '60.01'],
    ['PERIOD', '1e1'],
    ['PERIOD', 'Infinity'],
    ['URLS', 'nats://a,'],
    ['URLS', 'localhost:4222'],
    ['SWITCH', 'maybe'],
    ['ADDRESS', 'localhost:8080'],
    ['ADDRESS', 'http://localhost'],
  ])('%s refuses %j', (name, given) => {
    expect(messageOf(() => parseSettings(schema, { [name]: given }))).toMatch(
      new RegExp(`^${name} is ".*", but it should be `),
    );
  });

  test('all that is wrong is named at once, one per line', () => {
    const message = messageOf(() => parseSettings(schema, { COUNT: '9', PERIOD: '-1', SWITCH: 'x' }));
    expect(message.split('\n')).toEqual([
      'COUNT is "9", but it should be a whole number from 1 to 5',
      'PERIOD is "-1", but it should be a number of minutes above 0 and at most 60 (an hour), such as 10 or 0.5',
      'SWITCH is "x", but it should be on or off',
    ]);
  });

  test('a password in a URL is not shown', () => {
    const message = messageOf(() => parseSettings(schema, { URLS: 'http://me:hunter2@example.test' }));
    expect(message).not.toContain('hunter2');
    expect(message).toContain('http://***@example.test');
  });

  test('a secret is never shown', () => {
    const strict = z.object({ KEY: secret({ description: '' }) }).refine(() => false, {
      path: ['KEY'],
      message: 'at least 32 characters long',
    });
    const message = messageOf(() => parseSettings(strict, { KEY: 'hunter2' }));
    expect(message).toBe(
      'KEY has a value that is not shown here, but it should be at least 32 characters long',
    );
  });
});
