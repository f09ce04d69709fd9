import { afterEach, describe, expect, jest, test } from '@jest/globals';
import type { FastifyInstance, InjectOptions, LightMyRequestResponse } from 'fastify';
import { createHmac, createPublicKey } from 'node:crypto';
import { eventually } from '../../../test/support/eventually.ts';
import {
  claimsWith,
  expiredClaims,
  issuerKey,
  issuerToken,
  KeyServer,
  type IssuerKey,
  notYetValid,
  otherSecret,
  rawToken,
  testSecret,
  tokenWith,
} from '../../../test/support/tokens.ts';
import { commandIdOf } from '../../../shared/messaging/command-id.ts';
import { createLogger } from '../../../shared/telemetry/logger.ts';
import { createMetrics } from '../../../shared/telemetry/metrics.ts';
import { buildApp } from '../app.ts';
import { problemSchema } from '../problem-schema.ts';
import type { Ledger } from '../ledger-when-connected.ts';
import { readGatewaySettings } from '../config.ts';

const mine = '26c940a1-7228-4ea2-a3bc-e6460b172040';
const foreign = '867f0924-a917-4711-939b-90b179a96392';

/** What reached the ledger, which knows no account. */
let sent: object[] = [];
let logLines: string[] = [];
const ledger: Ledger = {
  send: ((_kind: string, command: object) => {
    sent.push(command);
    return Promise.resolve({ ok: false, error: { code: 'account_not_found', detail: 'no' } });
  }) as unknown as Ledger['send'],
  ask: ((_kind: string, query: object) => {
    sent.push(query);
    return Promise.resolve({ ok: false, error: { code: 'account_not_found', detail: 'no' } });
  }) as unknown as Ledger['ask'],
  missing: () => [],
};

const apps: FastifyInstance[] = [];
const servers: KeyServer[] = [];
afterEach(async () => {
  jest.restoreAllMocks();
  for (const app of apps.splice(0)) await app.close();
  for (const server of servers.splice(0)) server.stop();
});

/** From now on the wall clock is ten minutes behind. */
function putClockBack(): void {
  const trueNow = Date.now;
  jest.spyOn(Date, 'now').mockImplementation(() => trueNow() - 600_000);
}

const trueMs = performance.now.bind(performance);

/** From now on it is so much later by the clock that nobody puts back: no test can wait for minutes. */
function putMonotonicClockAhead(ms: number): void {
  jest.spyOn(performance, 'now').mockImplementation(() => trueMs() + ms);
}

/** A gateway with these settings, read as a process reads them. */
async function gatewayWith(settings: Readonly<Record<string, string>>): Promise<FastifyInstance> {
  sent = [];
  logLines = [];
  const logger = createLogger('gateway', 'info', { write: (line) => logLines.push(line) });
  const { access } = readGatewaySettings(settings);
  const app = await buildApp({ ledger, logger, metrics: createMetrics(), access });
  apps.push(app);
  return app;
}

const withSecret = (more: Readonly<Record<string, string>> = {}) =>
  gatewayWith({ AUTH: 'jwt', APP_SECRET_KEY: testSecret, ...more });

const withKeys = ({ url }: KeyServer, more: Readonly<Record<string, string>> = {}) =>
  gatewayWith({ AUTH_JWKS_URL: url.href, ...more });

const limited = (more: Readonly<Record<string, string>> = {}) => gatewayWith({ RATE_LIMIT: '3/h', ...more });
const from = (address: string) => ({ remoteAddress: address });

async function keyServer(...keys: readonly IssuerKey[]): Promise<KeyServer> {
  const server = await KeyServer.start(...keys);
  servers.push(server);
  return server;
}

const ask = (app: FastifyInstance, token?: string, more: InjectOptions = {}) =>
  app.inject({
    url: `/api/status/${mine}`,
    ...more,
    headers: { ...more.headers, ...(token !== undefined && { authorization: `Bearer ${token}` }) },
  });

const add = (app: FastifyInstance, token?: string, more: InjectOptions = {}) =>
  ask(app, token, { method: 'POST', url: '/api/add', payload: { id: mine, amount: '1' }, ...more });

/** Status and code of an answer in the one form, and its challenge, when it has one. */
function outcomeOf(answer: LightMyRequestResponse): string {
  expect(answer.headers['content-type']).toBe('application/problem+json; charset=utf-8');
  const { status, code } = problemSchema.parse(answer.json());
  expect(status).toBe(answer.statusCode);
  const challenge = answer.headers['www-authenticate'];
  return [status, code, ...(challenge === undefined ? [] : [String(challenge)])].join(' ');
}

/** It got past the guard. */
const admitted = '404 account_not_found';
const notKnown = '401 unauthorized Bearer realm="holdfast"';
const forbidden = '403 forbidden Bearer realm="holdfast", error="insufficient_scope", ';

describe('without tokens', () => {
  test('nobody is asked for one, and one that is shown does nothing', async () => {
    const app = await gatewayWith({});
    expect(outcomeOf(await add(app))).toBe(admitted);
    expect(outcomeOf(await add(app, 'junk', { headers: { 'idempotency-key': 'k' } }))).toBe(admitted);
    expect(sent.at(-1)).toMatchObject({ id: commandIdOf('anonymous', 'k') });
  });
});

describe('a token of APP_SECRET_KEY', () => {
  test('opens what its scope is for, and what that includes', async () => {
    const app = await withSecret();
    for (const scope of ['balance:read', 'balance:write', 'balance:admin', ['other', 'balance:read']]) {
      expect(outcomeOf(await ask(app, await tokenWith({ scope })))).toBe(admitted);
    }
    for (const scope of ['balance:write', 'balance:admin', 'openid balance:write', ['balance:write']]) {
      expect(outcomeOf(await add(app, await tokenWith({ scope })))).toBe(admitted);
    }
  });

  test('opens, closes and lists accounts only for those who keep them, and only the ones it is for', async () => {
    const app = await withSecret();
    const ways: InjectOptions[] = [
      { method: 'POST', url: '/api/open', payload: { id: mine, name: 'A wallet' } },
      { method: 'POST', url: '/api/close', payload: { id: mine } },
      { url: '/api/accounts' },
    ];
    for (const way of ways) {
      expect(outcomeOf(await ask(app, await tokenWith({ scope: 'balance:write' }), way))).toBe(
        `${forbidden}error_description="this needs a token with the scope balance:admin", scope="balance:admin"`,
      );
      expect(outcomeOf(await ask(app, undefined, way))).toBe(notKnown);
      expect(outcomeOf(await ask(app, await tokenWith({ scope: 'balance:admin' }), way))).toBe(admitted);
    }
    const narrowed = await tokenWith({ scope: 'balance:admin', accounts: [mine] });
    expect(outcomeOf(await ask(app, narrowed, { url: '/api/accounts' }))).toBe(admitted);
    expect(sent.at(-1)).toEqual({ allowedAccounts: [mine] });
    const others = await tokenWith({ scope: 'balance:admin', accounts: [foreign] });
    for (const way of ways.slice(0, 2)) {
      expect(outcomeOf(await ask(app, others, way))).toMatch(/^403 forbidden/);
    }
  });

  test.each([['bearer'], ['BEARER'], ['Bearer ']])('may come as %j', async (scheme) => {
    const app = await withSecret();
    expect(
      outcomeOf(await ask(app, undefined, { headers: { authorization: `${scheme} ${await tokenWith()}` } })),
    ).toBe(admitted);
  });

  test.each<[string, () => Promise<string> | string, string]>([
    ['alg none', () => rawToken({ alg: 'none' }, claimsWith()), 'not signed in a way'],
    [
      'alg NONE with a signature',
      () => rawToken({ alg: 'NONE' }, claimsWith(), 'AAAA'),
      'not signed in a way',
    ],
    ['no alg', () => rawToken({}, claimsWith(), 'AAAA'), 'not a signed'],
    ['another key', () => tokenWith({}, otherSecret), 'key that is trusted'],
    ['another algorithm of the same key', () => hmacToken('HS512', testSecret), 'not signed in a way'],
    ['a public key algorithm', async () => issuerToken(await issuerKey('a')), 'not signed in a way'],
    ['no signature', async () => (await tokenWith()).replace(/[^.]+$/, ''), 'key that is trusted'],
    [
      'changed claims',
      async () => changed(await tokenWith({ scope: 'balance:read' })),
      'key that is trusted',
    ],
    ['expired', () => tokenWith(expiredClaims), 'expired'],
    ['not yet valid', () => tokenWith(notYetValid), 'not valid yet'],
    ['no end', () => tokenWith({ exp: undefined }), 'no claim exp'],
    ['an end that is no number', () => tokenWith({ exp: 'never' }), 'claim exp'],
    ['no subject', () => tokenWith({ sub: undefined }), 'no claim sub'],
    ['an empty subject', () => tokenWith({ sub: '' }), 'claim sub'],
    ['a subject with a zero byte', () => tokenWith({ sub: 'a\0b' }), 'claim sub'],
    ['a scope that is no text', () => tokenWith({ scope: 7 }), 'claim scope'],
    ['accounts that are none', () => tokenWith({ accounts: [] }), 'claim accounts'],
    ['accounts that are no ids', () => tokenWith({ accounts: ['x'] }), 'claim accounts'],
    ['accounts that are no list', () => tokenWith({ accounts: mine }), 'claim accounts'],
    [
      'too many accounts',
      () => tokenWith({ accounts: Array.from({ length: 101 }, () => mine) }),
      'claim accounts',
    ],
    ['junk', () => 'junk', 'not a signed'],
    ['an encrypted one', () => 'a.b.c.d.e', 'not a signed'],
  ])('is refused: %s', async (_, make, reason) => {
    const app = await withSecret();
    const token = await make();
    for (const answer of [await ask(app, token), await add(app, token)]) {
      const outcome = outcomeOf(answer);
      expect(outcome).toMatch(
        /^401 unauthorized Bearer realm="holdfast", error="invalid_token", error_description="[ -!#-~]+"$/,
      );
      expect(outcome).toContain(reason);
    }
    expect(sent).toEqual([]);
  });

  test.each<[string, Record<string, string>]>([
    ['nothing', {}],
    ['another scheme', { authorization: 'Basic bWU6aHVudGVyMg==' }],
    ['a scheme alone', { authorization: 'Bearer' }],
    ['two words', { authorization: 'Bearer a b' }],
    ['characters no token has', { authorization: 'Bearer a"b' }],
  ])('who shows %s is asked for one', async (_, headers) => {
    const answer = await add(await withSecret(), undefined, { headers });
    expect(outcomeOf(answer)).toBe(notKnown);
    expect(sent).toEqual([]);
  });

  test('in the URL it is refused, also beside a good one', async () => {
    const app = await withSecret();
    const token = await tokenWith();
    const url = `/api/status/${mine}?access_token=${token}`;
    for (const answer of [await ask(app, undefined, { url }), await ask(app, token, { url })]) {
      expect(outcomeOf(answer)).toContain('error="invalid_request"');
    }
    expect(sent).toEqual([]);
    expect(logLines.join('')).not.toContain(token);
  });

  test.each([
    ['none', undefined],
    ['another', 'openid'],
    ['nearly the right one', 'balance:writer balance: BALANCE:WRITE'],
    ['the lower one', 'balance:read'],
  ])('without the scope is forbidden: %s', async (_, scope) => {
    expect(outcomeOf(await add(await withSecret(), await tokenWith({ scope })))).toBe(
      `${forbidden}error_description="this needs a token with the scope balance:write", scope="balance:write"`,
    );
    expect(sent).toEqual([]);
  });

  test('narrowed to accounts opens those, in any letter case, and tells the ledger', async () => {
    const app = await withSecret();
    const token = await tokenWith({ accounts: [mine.toUpperCase()] });
    expect(outcomeOf(await ask(app, token))).toBe(admitted);
    expect(outcomeOf(await add(app, token, { payload: { id: mine.toUpperCase(), amount: '1' } }))).toBe(
      admitted,
    );
    expect(sent).toMatchObject([{ allowedAccounts: [mine] }, { allowedAccounts: [mine] }]);
  });

  test('narrowed to accounts transfers between those alone', async () => {
    const app = await withSecret();
    const token = await tokenWith({ accounts: [mine, foreign] });
    const transfer = (id: string, to: string) =>
      add(app, token, { url: '/api/transfer', payload: { id, to, amount: '1' } });
    expect(outcomeOf(await transfer(mine, foreign))).toBe(admitted);
    const third = '00000000-0000-4000-8000-000000000003';
    for (const [id, to] of [
      [mine, third],
      [third, mine],
    ] as const) {
      expect(outcomeOf(await transfer(id, to))).toMatch(/^403 forbidden/);
    }
    expect(sent).toHaveLength(1);
  });

  test('narrowed to accounts is forbidden all others', async () => {
    const app = await withSecret();
    const token = await tokenWith({ accounts: [mine] });
    const answers = [
      await ask(app, token, { url: `/api/status/${foreign}` }),
      await add(app, token, { payload: { id: foreign, amount: '1' } }),
      await add(app, token, { url: '/api/substract', payload: { id: foreign, amount: '1' } }),
    ];
    for (const answer of answers) {
      expect(outcomeOf(answer)).toBe(`${forbidden}error_description="the token is not for this account"`);
    }
    expect(sent).toEqual([]);
  });

  test('gives its subject idempotency keys of its own', async () => {
    const app = await withSecret();
    for (const sub of ['a', 'b', 'a']) {
      await add(app, await tokenWith({ sub, jti: `${Math.random()}` }), {
        headers: { 'idempotency-key': 'k' },
      });
    }
    const [a, b] = [commandIdOf('a', 'k'), commandIdOf('b', 'k')];
    expect(sent).toMatchObject([{ id: a }, { id: b }, { id: a }]);
  });

  test('is remembered until it expires, and not longer', async () => {
    const app = await withSecret();
    // Expired as such, but within what clocks may differ: good for some four seconds more.
    const token = await tokenWith({ exp: Math.floor(Date.now() / 1_000) - 1 });
    expect(outcomeOf(await ask(app, token))).toBe(admitted);
    expect(outcomeOf(await ask(app, token))).toBe(admitted);
    await eventually(async () => ((await ask(app, token)).statusCode === 401 ? true : undefined), 30_000);
  });

  test('needs the issuer and the audience that are set', async () => {
    const app = await withSecret({ AUTH_ISSUER: 'https://login.example', AUTH_AUDIENCE: 'holdfast' });
    const good = { iss: 'https://login.example', aud: 'holdfast' };
    expect(outcomeOf(await ask(app, await tokenWith(good)))).toBe(admitted);
    expect(outcomeOf(await ask(app, await tokenWith({ ...good, aud: ['other', 'holdfast'] })))).toBe(
      admitted,
    );
    for (const [wrong, reason] of [
      [{ iss: 'https://evil.example' }, 'another issuer'],
      [{ iss: undefined }, 'no claim iss'],
      [{ aud: 'another service' }, 'another audience'],
      [{ aud: undefined }, 'no claim aud'],
    ] as const) {
      const outcome = outcomeOf(await ask(app, await tokenWith({ ...good, ...wrong })));
      expect(outcome).toContain(`${notKnown}, error="invalid_token"`);
      expect(outcome).toContain(reason);
    }
  });

  test.each(['/api/ping', '/healthz', '/readyz', '/docs/', '/openapi.json'])(
    'is not needed for %s',
    async (url) => {
      expect((await (await withSecret()).inject(url)).statusCode).toBe(200);
    },
  );

  test('no route about accounts is without a guard', async () => {
    const app = await withSecret();
    const document = (await app.inject('/openapi.json')).json<{
      paths: Record<string, Record<string, { security?: unknown; tags: string[] }>>;
    }>();
    const open: string[] = [];
    for (const [path, item] of Object.entries(document.paths)) {
      for (const [method, { security }] of Object.entries(item)) {
        const url = path.replace('{id}', mine);
        const { statusCode } = await app.inject({ method: method as 'GET', url });
        if (statusCode !== 401) open.push(path);
        expect([path, security !== undefined]).toEqual([path, statusCode === 401]);
      }
    }
    expect(open).toEqual(['/api/ping', '/healthz', '/readyz']);
  });
});

describe('a token of a key set', () => {
  test.each(['RS256', 'PS256', 'ES256', 'ES384', 'EdDSA'])(
    'is taken when it is signed with %s',
    async (alg) => {
      const key = await issuerKey('a', alg);
      const app = await withKeys(await keyServer(key));
      expect(outcomeOf(await ask(app, await issuerToken(key)))).toBe(admitted);
      // The same name, and another key.
      const another = await issuerToken(await issuerKey('a', alg));
      expect(outcomeOf(await ask(app, another))).toContain('key that is trusted');
    },
  );

  test('is not confused with one that was signed with the public key as if it were a secret', async () => {
    const key = await issuerKey('a', 'RS256');
    const app = await withKeys(await keyServer(key), { APP_SECRET_KEY: testSecret });
    const publicKey = createPublicKey({ key: key.jwk, format: 'jwk' });
    for (const secret of [
      publicKey.export({ type: 'spki', format: 'pem' }).toString(),
      publicKey.export({ type: 'pkcs1', format: 'pem' }).toString(),
      publicKey.export({ type: 'spki', format: 'der' }),
      JSON.stringify(key.jwk),
      String(key.jwk.n),
      // What APP_SECRET_KEY has signed is not taken either: there is one issuer.
      testSecret,
    ]) {
      const token = hmacToken('HS256', secret, 'a');
      expect(outcomeOf(await ask(app, token))).toContain('not signed in a way');
    }
    expect(sent).toEqual([]);
  });

  test('with a key that came later is taken, and one with a key that went is not', async () => {
    const [old, next] = [await issuerKey('old'), await issuerKey('next')];
    const keys = await keyServer(old);
    const app = await withKeys(keys);
    expect(outcomeOf(await ask(app, await issuerToken(old)))).toBe(admitted);
    keys.serve(next);
    await eventually(async () => {
      const { statusCode } = await ask(app, await issuerToken(next));
      return statusCode === 404 ? true : undefined;
    }, 30_000);
    expect(outcomeOf(await ask(app, await issuerToken(old)))).toContain(notKnown);
  }, 40_000);

  test('with a key that came later is taken after the clock was put back, and one with a key that went is not', async () => {
    const [old, next] = [await issuerKey('old'), await issuerKey('next')];
    const keys = await keyServer(old);
    const app = await withKeys(keys);
    const exp = Math.floor(Date.now() / 1_000) + 3_600;
    const [oldToken, nextToken] = [await issuerToken(old, { exp }), await issuerToken(next, { exp })];
    expect(outcomeOf(await ask(app, oldToken))).toBe(admitted);
    keys.serve(next);
    putClockBack();
    putMonotonicClockAhead(5_000);
    expect(outcomeOf(await ask(app, nextToken))).toBe(admitted);
    expect(outcomeOf(await ask(app, oldToken))).toBe(admitted);
    putMonotonicClockAhead(65_000);
    expect(outcomeOf(await ask(app, oldToken))).toContain(notKnown);
  });

  test('is not taken for longer than five minutes after its key went and the clock was put back', async () => {
    const key = await issuerKey('a');
    const keys = await keyServer(key);
    const app = await withKeys(keys);
    const token = await issuerToken(key, { exp: Math.floor(Date.now() / 1_000) + 3_600 });
    expect(outcomeOf(await ask(app, token))).toBe(admitted);
    keys.serve();
    putClockBack();
    putMonotonicClockAhead(290_000);
    expect(outcomeOf(await ask(app, token))).toBe(admitted);
    putMonotonicClockAhead(360_000);
    expect(outcomeOf(await ask(app, token))).toContain(notKnown);
  });

  test('with an unknown key does not have the keys fetched at every request', async () => {
    const key = await issuerKey('a');
    const keys = await keyServer(key);
    const app = await withKeys(keys);
    expect(outcomeOf(await ask(app, await issuerToken(key)))).toBe(admitted);
    const stranger = await issuerKey('b');
    const before = { asked: keys.asked, ms: performance.now() };
    for (let i = 0; i < 50; i += 1) {
      expect(outcomeOf(await ask(app, await issuerToken(stranger, { jti: String(i) })))).toContain(notKnown);
    }
    const seconds = (performance.now() - before.ms) / 1_000;
    expect(keys.asked - before.asked).toBeLessThanOrEqual(1 + seconds / 5);
  });

  test('is neither good nor bad while the keys can’t be had', async () => {
    const key = await issuerKey('a');
    const keys = await keyServer(key);
    keys.status = 500;
    const app = await withKeys(keys);
    const token = await issuerToken(key);
    for (const answer of [await ask(app, token), await add(app, token)]) {
      expect(outcomeOf(answer)).toBe('503 unavailable');
      expect(answer.headers['retry-after']).toBe('1');
      expect(answer.headers).not.toHaveProperty('www-authenticate');
    }
    expect(outcomeOf(await ask(app))).toBe(notKnown);
    const told = logLines.filter((line) => line.includes('can’t be had'));
    expect(told).toHaveLength(1);
    keys.status = 200;
    expect(outcomeOf(await ask(app, token))).toBe(admitted);
    expect(logLines.some((line) => line.includes('there again'))).toBe(true);
  });

  test('with an unknown key, while the keys can’t be had, has them fetched no more often, and closes no door to others', async () => {
    const key = await issuerKey('a');
    const keys = await keyServer(key);
    const app = await withKeys(keys);
    expect(outcomeOf(await ask(app, await issuerToken(key)))).toBe(admitted);
    keys.status = 500;
    const stranger = await issuerKey('b');
    putMonotonicClockAhead(6_000);
    const before = { asked: keys.asked, ms: performance.now() };
    for (let i = 0; i < 20; i += 1) {
      expect(outcomeOf(await ask(app, await issuerToken(stranger, { jti: String(i) })))).toBe(
        '503 unavailable',
      );
      expect(outcomeOf(await ask(app, await issuerToken(key, { jti: String(i) })))).toBe(admitted);
    }
    const seconds = (performance.now() - before.ms) / 1_000;
    expect(keys.asked - before.asked).toBeLessThanOrEqual(1 + seconds / 5);
    expect(logLines.filter((line) => line.includes('can’t be had'))).toHaveLength(1);
    expect(logLines.filter((line) => line.includes('there again'))).toEqual([]);
  });

  test('waits for a silent key server only so long', async () => {
    const key = await issuerKey('a');
    const keys = await keyServer(key);
    keys.status = undefined;
    const app = await withKeys(keys);
    expect(outcomeOf(await ask(app, await issuerToken(key)))).toBe('503 unavailable');
  });

  test('that nobody listens for is the same', async () => {
    const key = await issuerKey('a');
    const keys = await keyServer(key);
    const { url } = keys;
    keys.stop();
    const app = await gatewayWith({ AUTH_JWKS_URL: url.href });
    expect(outcomeOf(await ask(app, await issuerToken(key)))).toBe('503 unavailable');
  });
});

describe('the rate limit', () => {
  test('counts by address where nobody shows a token, and says what is left', async () => {
    const app = await limited();
    const left: unknown[] = [];
    for (let i = 0; i < 3; i += 1) {
      const answer = await (i % 2 === 0 ? ask : add)(app);
      expect(outcomeOf(answer)).toBe(admitted);
      expect(answer.headers['ratelimit-limit']).toBe('3');
      left.push(answer.headers['ratelimit-remaining']);
    }
    expect(left).toEqual(['2', '1', '0']);
    const refused = await add(app);
    expect(outcomeOf(refused)).toBe('429 rate_limited');
    expect(Number(refused.headers['retry-after'])).toBeGreaterThan(3_500);
    expect(refused.headers).toMatchObject({ 'ratelimit-limit': '3', 'ratelimit-remaining': '0' });
    expect(sent).toHaveLength(3);
    expect(outcomeOf(await ask(app, undefined, from('10.0.0.2')))).toBe(admitted);
  });

  test('keeps nobody out for longer than its window when the clock is put back', async () => {
    const app = await limited();
    for (let i = 1; i <= 3; i += 1) expect(outcomeOf(await ask(app))).toBe(admitted);
    putClockBack();
    const refused = await ask(app);
    expect(outcomeOf(refused)).toBe('429 rate_limited');
    expect(Number(refused.headers['retry-after'])).toBeLessThanOrEqual(3_600);
    putMonotonicClockAhead(3_600_000);
    expect(outcomeOf(await ask(app))).toBe(admitted);
  });

  test('takes a whole /64 for one address', async () => {
    const app = await limited();
    for (let i = 1; i <= 3; i += 1)
      expect(outcomeOf(await ask(app, undefined, from(`2001:db8::${i}`)))).toBe(admitted);
    expect(outcomeOf(await ask(app, undefined, from('2001:db8::4')))).toBe('429 rate_limited');
    expect(outcomeOf(await ask(app, undefined, from('2001:db8:0:1::1')))).toBe(admitted);
  });

  test('counts by the token’s subject where there is one, wherever it comes from', async () => {
    const app = await limited({ AUTH: 'jwt', APP_SECRET_KEY: testSecret });
    for (let i = 1; i <= 3; i += 1) {
      expect(
        outcomeOf(await ask(app, await tokenWith({ sub: 'a', jti: String(i) }), from(`10.0.0.${i}`))),
      ).toBe(admitted);
    }
    expect(outcomeOf(await ask(app, await tokenWith({ sub: 'a' }), from('10.0.0.4')))).toBe(
      '429 rate_limited',
    );
    expect(outcomeOf(await ask(app, await tokenWith({ sub: 'b' }), from('10.0.0.1')))).toBe(admitted);
  });

  test('counts those with a bad token by address, so that guessing is slow', async () => {
    const app = await limited({ AUTH: 'jwt', APP_SECRET_KEY: testSecret });
    for (let i = 1; i <= 3; i += 1) expect(outcomeOf(await ask(app, `a.b.${i}`))).toContain(notKnown);
    expect(outcomeOf(await ask(app, 'a.b.c'))).toBe('429 rate_limited');
    expect(outcomeOf(await ask(app, await tokenWith()))).toBe(admitted);
  });

  test.each(['/api/ping', '/healthz', '/readyz'])('leaves %s alone', async (url) => {
    const app = await limited();
    for (let i = 0; i < 10; i += 1) {
      const { statusCode, headers } = await app.inject(url);
      expect([statusCode, headers['ratelimit-limit']]).toEqual([200, undefined]);
    }
  });

  test('is over when its time is', async () => {
    const app = await gatewayWith({ RATE_LIMIT: '1/s' });
    expect(outcomeOf(await ask(app))).toBe(admitted);
    await eventually(async () => ((await ask(app)).statusCode === 429 ? true : undefined));
    await eventually(async () => ((await ask(app)).statusCode === 404 ? true : undefined));
  });

  test.each([
    ['of a trusted proxy', 'loopback', '127.0.0.1', true],
    ['of a trusted network', '10.1.0.0/16', '10.1.2.3', true],
    ['of anybody else', 'loopback', '10.1.2.3', false],
    ['when no proxy is trusted', '', '127.0.0.1', false],
  ])('believes X-Forwarded-For %s', async (_, proxies, peer, believed) => {
    const app = await limited({ TRUST_PROXY: proxies });
    const through = (client: string) =>
      ask(app, undefined, { ...from(peer), headers: { 'x-forwarded-for': client } });
    for (let i = 1; i <= 3; i += 1) expect(outcomeOf(await through(`192.0.2.${i}`))).toBe(admitted);
    expect((await through('192.0.2.4')).statusCode).toBe(believed ? 404 : 429);
  });
});

/** A token whose signature is made by hand. */
function hmacToken(alg: 'HS256' | 'HS512', secret: string | Buffer, kid?: string): string {
  const unsigned = rawToken({ alg, ...(kid !== undefined && { kid }) }, claimsWith()).slice(0, -1);
  const hash = alg === 'HS256' ? 'sha256' : 'sha512';
  return `${unsigned}.${createHmac(hash, secret).update(unsigned).digest('base64url')}`;
}

/** The same token with more rights. */
function changed(token: string): string {
  const [header, , signature] = token.split('.');
  const claims = Buffer.from(JSON.stringify(claimsWith({ scope: 'balance:admin' }))).toString('base64url');
  return `${header}.${claims}.${signature}`;
}
