import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { randomUUID } from 'node:crypto';
import { freePort } from '../deploy/local/free-port.ts';
import { runCommand } from '../deploy/local/run-command.ts';
import type { LedgerClient } from '../shared/messaging/ledger-client/index.ts';
import { openAccount, placeHold } from './support/accounts.ts';
import { eventually } from './support/eventually.ts';
import { call, newKey } from './support/http.ts';
import { Script } from './support/script.ts';
import { Stack } from './support/stack.ts';
import {
  claimsWith,
  expiredClaims,
  issuerKey,
  issuerToken,
  KeyServer,
  notYetValid,
  otherSecret,
  rawToken,
  testSecret,
  tokenWith,
} from './support/tokens.ts';

/* Who may do what, on real services: what is refused changes nothing in the books. */

const tokens = { AUTH: 'jwt', APP_SECRET_KEY: testSecret };
const limitMs = 60_000;

let stack: Stack;
let client: LedgerClient;
beforeAll(async () => {
  stack = await Stack.start({ settlers: 0, env: tokens });
  ({ client } = await stack.ledgerClient());
}, limitMs);
afterAll(() => stack.stop());

const bearer = (token: string) => ({ authorization: `Bearer ${token}` });
const statusOf = async (url: string, accountId: string, headers?: Record<string, string>) =>
  (await call(url, `/api/status/${accountId}`, undefined, headers)).status;

async function bookOf(accountId: string) {
  const answer = await client.ask('account', { accountId });
  if (!answer.ok) throw new Error(answer.error.detail);
  const { balance, held, version } = answer.account;
  return { balance, held, version };
}

/** `npm run token` in another terminal. */
async function npmRunToken(settings: Readonly<Record<string, string>>, ...args: string[]) {
  const { PATH, HOME } = process.env;
  const env = { PATH, HOME, ...settings };
  const { code, lines } = await runCommand('npm', ['run', '-s', 'token', '--', ...args], {
    env,
    timeoutMs: 30_000,
  });
  return { code, lines };
}

describe('a token', () => {
  test.each<[string, number, (mine: string) => Promise<string> | string | undefined]>([
    ['none', 401, () => undefined],
    ['alg none', 401, () => rawToken({ alg: 'none' }, claimsWith())],
    ['another key', 401, () => tokenWith({}, otherSecret)],
    ['expired', 401, () => tokenWith(expiredClaims)],
    ['not yet valid', 401, () => tokenWith(notYetValid)],
    ['no scope', 403, () => tokenWith({ scope: undefined })],
    ['to read only', 403, () => tokenWith({ scope: 'balance:read' })],
    ['for another account', 403, () => tokenWith({ accounts: [randomUUID()] })],
  ])('that will not do changes nothing: %s', async (_, status, make) => {
    const accountId = await openAccount(client, '10.00');
    const holdId = await placeHold(client, accountId, '1.00');
    const before = await bookOf(accountId);
    const token = await make(accountId);
    const changingRoutes = {
      ...Object.fromEntries(['add', 'substract', 'subtract'].map((route) => [route, { amount: '1.00' }])),
      settle: { holdId },
      release: { holdId },
    };
    for (const [route, fields] of Object.entries(changingRoutes)) {
      const answer = await call(
        stack.url(),
        `/api/${route}`,
        { id: accountId, ...fields },
        token === undefined ? {} : bearer(token),
      );
      expect([route, answer.status]).toEqual([route, status]);
      expect(answer.headers.get('www-authenticate')).toMatch(/^Bearer realm="holdfast"/);
    }
    expect(await bookOf(accountId)).toEqual(before);
  });

  test('of npm run token does what its words say', async () => {
    const [mine, foreign] = await Promise.all([openAccount(client, '10.00'), openAccount(client, '10.00')]);
    const { code, lines } = await npmRunToken(
      tokens,
      ...`--scope balance:write --expires 1h --account ${mine} --subject shop`.split(' '),
    );
    expect([code, lines.length]).toEqual([0, 1]);
    const headers = bearer(lines[0] ?? '');
    const take = (id: string) => call(stack.url(), '/api/substract', { id, amount: '1.00' }, headers);
    expect((await take(mine)).body).toMatchObject({ available: '9.00' });
    expect((await take(foreign)).status).toBe(403);
    expect(await statusOf(stack.url(), foreign, headers)).toBe(403);
    expect(await bookOf(foreign)).toMatchObject({ held: '0.00' });
  });

  test('is not given without a key, nor with a short one, and the reason is not on standard output', async () => {
    for (const settings of [{}, { APP_SECRET_KEY: 'hunter2' }]) {
      const script = await Script.start('dist/services/gateway/token/main.js', settings, [
        '--scope',
        'balance:read',
      ]);
      expect(await script.ended()).toBe(78);
      expect(script.text).toMatch(/^No token: APP_SECRET_KEY .*openssl rand -base64 33/);
      expect(script.text).not.toContain('hunter2');
    }
  });

  test('has idempotency keys of its subject’s own, also after it was renewed', async () => {
    const accountId = await openAccount(client, '10.00');
    const headers = { 'idempotency-key': newKey() };
    const add = async (sub: string) => {
      const token = await tokenWith({ sub, jti: randomUUID() });
      const body = { id: accountId, amount: '1.00' };
      const answer = await call(stack.url(), '/api/add', body, { ...headers, ...bearer(token) });
      return [answer.status, answer.headers.get('idempotency-replayed')];
    };
    expect(await add('a')).toEqual([200, null]);
    expect(await add('b')).toEqual([200, null]);
    expect(await add('a')).toEqual([200, 'true']);
    expect(await bookOf(accountId)).toMatchObject({ balance: '12.00' });
  });

  test('narrowed to an account gets at no hold of another, whatever it calls it', async () => {
    const [mine, foreign] = await Promise.all([openAccount(client, '10.00'), openAccount(client, '10.00')]);
    const taken = await client.send('subtract', { id: randomUUID(), accountId: foreign, amount: '4.00' });
    const holdId = taken.ok ? String(taken.hold?.id) : '';
    // No route is about holds yet: the ledger, which has the last word, is asked as a gateway would.
    const narrowed = { allowedAccounts: [mine] };
    const codes = [];
    for (const accountId of [foreign, mine]) {
      const answer = await client.ask('hold', { accountId, holdId, ...narrowed });
      codes.push(answer.ok ? 'shown' : answer.error.code);
    }
    expect(codes).toEqual(['forbidden', 'hold_not_found']);
    for (const kind of ['holds', 'entries'] as const) {
      const answer = await client.ask(kind, { accountId: foreign, ...narrowed });
      expect(answer).toMatchObject({ ok: false, error: { code: 'forbidden' } });
    }
  });
});

describe('a gateway that is set up so', () => {
  const keyServers: KeyServer[] = [];
  afterEach(() => {
    for (const server of keyServers.splice(0)) server.stop();
  });

  test('AUTH=none asks for nothing', async () => {
    const { url } = await stack.add('gateway', { AUTH: 'none' });
    expect(await statusOf(url, await openAccount(client))).toBe(200);
  });

  test('APP_SECRET_KEY: its tokens and no others', async () => {
    const { url } = await stack.add('gateway', { APP_SECRET_KEY: otherSecret });
    const accountId = await openAccount(client);
    expect(await statusOf(url, accountId, bearer(await tokenWith({}, otherSecret)))).toBe(200);
    expect(await statusOf(url, accountId, bearer(await tokenWith()))).toBe(401);
  });

  test('AUTH_JWKS_URL, AUTH_ISSUER, AUTH_AUDIENCE: tokens of that issuer, made for us', async () => {
    const key = await issuerKey('a');
    const keys = await KeyServer.start(key);
    keyServers.push(keys);
    const issuer = { AUTH_ISSUER: 'https://login.example', AUTH_AUDIENCE: 'holdfast' };
    const { url } = await stack.add('gateway', { AUTH: 'auto', AUTH_JWKS_URL: keys.url.href, ...issuer });
    const accountId = await openAccount(client);
    const good = { iss: 'https://login.example', aud: 'holdfast' };
    const status = async (claims: object, by = key) =>
      statusOf(url, accountId, bearer(await issuerToken(by, { ...good, ...claims })));
    expect(await status({})).toBe(200);
    expect(await status({ iss: 'https://evil.example' })).toBe(401);
    expect(await status({ aud: 'another service' })).toBe(401);
    expect(await statusOf(url, accountId, bearer(await tokenWith(good)))).toBe(401);
    const renewed = await issuerKey('b');
    keys.serve(renewed);
    await eventually(async () => ((await status({}, renewed)) === 200 ? true : undefined), limitMs);
  });

  test('RATE_LIMIT and TRUST_PROXY: so many for each of a proxy’s clients', async () => {
    const { url } = await stack.add('gateway', { AUTH: 'none', RATE_LIMIT: '2/h', TRUST_PROXY: '127.0.0.1' });
    const accountId = await openAccount(client);
    const statuses = async (address: string) => {
      const seen = [];
      for (let i = 0; i < 3; i += 1)
        seen.push(await statusOf(url, accountId, { 'x-forwarded-for': address }));
      return seen;
    };
    expect(await statuses('192.0.2.1')).toEqual([200, 200, 429]);
    expect(await statuses('192.0.2.2')).toEqual([200, 200, 429]);
    const refused = await call(
      url,
      '/api/add',
      { id: accountId, amount: '1.00' },
      { 'x-forwarded-for': '192.0.2.1' },
    );
    expect(refused).toMatchObject({ status: 429, body: { code: 'rate_limited' } });
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(3_000);
    expect(refused.headers.get('ratelimit-limit')).toBe('2');
    expect(await bookOf(accountId)).toMatchObject({ version: 1 });
  });

  test.each<[Record<string, string>, RegExp]>([
    [{ HOST: '0.0.0.0' }, /others than this machine may reach HOST=0\.0\.0\.0, so callers must show a token/],
    [{ AUTH: 'jwt' }, /AUTH is jwt, so callers must show a token, .*openssl rand -base64 33/],
    [
      { APP_SECRET_KEY: 'hunter2' },
      /APP_SECRET_KEY has a value that is not shown here, .*openssl rand -base64 33/,
    ],
    [{ RATE_LIMIT: 'much' }, /RATE_LIMIT is "much", but/],
    [{ TRUST_PROXY: 'nginx' }, /TRUST_PROXY is "nginx", but/],
  ])('does not start: %j', async (settings, words) => {
    for (const script of ['dist/services/gateway/main.js', 'deploy/local/start.mjs']) {
      const gateway = await Script.start(script, { PORT: '0', ...settings });
      expect(await gateway.ended()).toBe(78);
      expect(gateway.text).toMatch(words);
      expect(gateway.text).not.toContain('hunter2');
    }
  });

  test.each<[Record<string, string>, string]>([
    [{}, 'everyone on this machine may use the API, without a token (AUTH=auto, HOST=127.0.0.1)'],
    [{ HOST: '0.0.0.0', AUTH: 'none' }, 'EVERYONE who reaches it may use the API, without a token'],
    [{ HOST: '0.0.0.0', APP_SECRET_KEY: testSecret }, 'must show a token signed with APP_SECRET_KEY'],
  ])('says when it starts who may use it: %j', async (settings, words) => {
    const env = { NATS_URL: stack.nats.url, PORT: String(await freePort()), ...settings };
    const gateway = await Script.start('dist/services/gateway/main.js', env);
    await eventually(async () => (gateway.text.includes('listening on') ? true : undefined), limitMs);
    await gateway.stop();
    expect(gateway.text).toContain(words);
  });
});
