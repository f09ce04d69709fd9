import { describe, expect, test } from '@jest/globals';
import { otherSecret, testSecret } from '../../../test/support/tokens.ts';
import { readGatewaySettings } from '../config.ts';
import { isLoopback, readSigningSettings } from './settings.ts';

const read = (env: Readonly<Record<string, string>>) => readGatewaySettings(env).access;
const keysUrl = 'https://login.example/keys';

describe('whether callers must show a token', () => {
  test.each<[Record<string, string>, 'secret' | 'jwks' | undefined, string]>([
    [{}, undefined, 'everyone on this machine'],
    [{ APP_SECRET_KEY: testSecret }, undefined, 'everyone on this machine'],
    [{ HOST: 'localhost', AUTH: 'auto' }, undefined, 'everyone on this machine'],
    [{ HOST: '::1', AUTH: 'none' }, undefined, 'everyone on this machine'],
    [{ AUTH: 'jwt', APP_SECRET_KEY: testSecret }, 'secret', 'signed with APP_SECRET_KEY'],
    [{ HOST: '0.0.0.0', APP_SECRET_KEY: testSecret }, 'secret', 'signed with APP_SECRET_KEY'],
    [{ HOST: '10.0.0.1', APP_SECRET_KEY: testSecret }, 'secret', 'signed with APP_SECRET_KEY'],
    [{ HOST: '::', APP_SECRET_KEY: testSecret }, 'secret', 'signed with APP_SECRET_KEY'],
    [{ HOST: '0.0.0.0', AUTH: 'none' }, undefined, 'EVERYONE who reaches it'],
    [{ HOST: '0.0.0.0', AUTH: 'none', AUTH_JWKS_URL: keysUrl }, undefined, 'EVERYONE who reaches it'],
    [{ AUTH_JWKS_URL: keysUrl }, 'jwks', 'of the issuer at https://login.example'],
    [
      { AUTH_JWKS_URL: keysUrl, APP_SECRET_KEY: testSecret },
      'jwks',
      'of the issuer at https://login.example',
    ],
  ])('%j', (env, kind, words) => {
    const { tokens, summary } = read(env);
    expect(tokens?.keys.kind).toBe(kind);
    expect(summary).toContain(words);
    expect(summary).not.toContain(testSecret);
  });

  test.each<[Record<string, string>, string]>([
    [{ HOST: '0.0.0.0' }, 'others than this machine may reach HOST=0.0.0.0'],
    [{ HOST: 'holdfast.example' }, 'others than this machine may reach HOST=holdfast.example'],
    [{ AUTH: 'jwt' }, 'AUTH is jwt'],
  ])('there must be a key for them: %j', (env, why) => {
    expect(() => read(env)).toThrow(`${why}, so callers must show a token, but there is no key for them`);
    expect(() => read(env)).toThrow('openssl rand -base64 33');
  });

  test.each(['127.0.0.1', '127.1.2.3', 'LOCALHOST', '::1'])('%s is a loopback address', (host) => {
    expect(isLoopback(host)).toBe(true);
  });

  test.each([
    '0.0.0.0',
    '::',
    '10.0.0.1',
    '127.example',
    '127.0.0.1.example',
    'localhost.example',
    '1.127.0.0',
  ])('%s is none', (host) => {
    expect(isLoopback(host)).toBe(false);
  });
});

describe('APP_SECRET_KEY', () => {
  test.each(['hunter2', 'k'.repeat(31), 'é'.repeat(15)])(
    'of less than 32 bytes is refused, and not shown: %s',
    (key) => {
      const refused = () => read({ APP_SECRET_KEY: key });
      expect(refused).toThrow(
        /^APP_SECRET_KEY .* at least 32 bytes; make one with: openssl rand -base64 33$/,
      );
      expect(refused).not.toThrow(key);
    },
  );

  test.each(['k'.repeat(32), 'é'.repeat(16)])('of 32 bytes will do: %s', (key) => {
    expect(read({ AUTH: 'jwt', APP_SECRET_KEY: key }).tokens?.keys).toEqual({ kind: 'secret', secret: key });
  });
});

describe('what npm run token signs with', () => {
  test('is what the gateway checks with', () => {
    const env = { APP_SECRET_KEY: otherSecret, AUTH_ISSUER: 'i', AUTH_AUDIENCE: 'a' };
    expect(readSigningSettings(env)).toEqual({ secret: otherSecret, issuer: 'i', audience: 'a' });
  });

  test.each<[Record<string, string>, string]>([
    [{}, 'APP_SECRET_KEY is not set'],
    [{ APP_SECRET_KEY: testSecret, AUTH_JWKS_URL: keysUrl }, 'AUTH_JWKS_URL is set'],
  ])('is not there with %j', (env, words) => {
    expect(() => readSigningSettings(env)).toThrow(words);
  });
});

describe('AUTH_JWKS_URL', () => {
  test.each([
    'login.example',
    'ftp://login.example/keys',
    'file:///keys',
    'https://me:hunter2@login.example/keys',
  ])('is refused when it is %s, without its password', (text) => {
    expect(() => read({ AUTH_JWKS_URL: text })).toThrow('AUTH_JWKS_URL is');
    expect(() => read({ AUTH_JWKS_URL: text })).not.toThrow('hunter2');
  });

  test.each<[Record<string, string>, string[]]>([
    [{ AUTH_JWKS_URL: 'http://login.example/keys', AUTH_AUDIENCE: 'a' }, ['not https']],
    [{ AUTH_JWKS_URL: keysUrl }, ['AUTH_AUDIENCE is not set']],
    [{ AUTH_JWKS_URL: keysUrl, AUTH_AUDIENCE: 'a' }, []],
    [{ AUTH_JWKS_URL: 'http://[::1]:8080/keys', AUTH_AUDIENCE: 'a' }, []],
    [{ AUTH: 'jwt', APP_SECRET_KEY: testSecret }, []],
    [{}, []],
    [{ APP_SECRET_KEY: testSecret }, ['APP_SECRET_KEY is set, but no token is asked for']],
    [{ TRUST_PROXY: 'loopback' }, ['TRUST_PROXY is set, so others than this machine may come']],
    [{ AUTH: 'none', APP_SECRET_KEY: testSecret, TRUST_PROXY: 'loopback' }, []],
  ])('is warned of: %j', (env, words) => {
    expect(read(env).warnings).toEqual(words.map((each) => expect.stringContaining(each)));
  });
});

describe('RATE_LIMIT', () => {
  const exposed = { HOST: '0.0.0.0', AUTH: 'none' };
  test.each<[Record<string, string>, { max: number; windowMs: number } | undefined]>([
    [{}, undefined],
    [{ RATE_LIMIT: 'auto' }, undefined],
    [exposed, { max: 1_000, windowMs: 1_000 }],
    [{ ...exposed, RATE_LIMIT: 'off' }, undefined],
    [{ RATE_LIMIT: '100/s' }, { max: 100, windowMs: 1_000 }],
    [{ RATE_LIMIT: '6000/M' }, { max: 6_000, windowMs: 60_000 }],
    [{ RATE_LIMIT: '1/h' }, { max: 1, windowMs: 3_600_000 }],
  ])('is read: %j', (env, limit) => {
    expect(read(env).rateLimit).toEqual(limit);
  });

  test.each(['0/s', '100', '-1/s', '1.5/s', '100/d', '100/second', 's', 'on'])('is refused: %s', (text) => {
    expect(() => read({ RATE_LIMIT: text })).toThrow(
      `RATE_LIMIT is "${text}", but it should be auto, off, or`,
    );
  });
});

describe('TRUST_PROXY', () => {
  test.each<[string, string[]]>([
    ['10.0.0.1', ['10.0.0.1']],
    ['10.0.0.0/8, ::1', ['10.0.0.0/8', '::1']],
    ['loopback,uniquelocal', ['loopback', 'uniquelocal']],
    ['fd00::/8', ['fd00::/8']],
  ])('is read: %s', (text, proxies) => {
    expect(read({ TRUST_PROXY: text }).trustProxy).toEqual(proxies);
  });

  test.each(['true', '1', 'nginx', '10.0.0.0/33', '10.0.0.0/8/8', '10.0.0.1,', 'fd00::/129'])(
    'is refused: %s',
    (text) => {
      expect(() => read({ TRUST_PROXY: text })).toThrow(`TRUST_PROXY is "${text}", but`);
    },
  );
});
