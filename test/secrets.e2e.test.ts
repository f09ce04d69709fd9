import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { envForNats } from '../deploy/local/nats-users.ts';
import { freePort } from '../deploy/local/free-port.ts';
import { openAccount } from './support/accounts.ts';
import { eventually } from './support/eventually.ts';
import { newKey } from './support/http.ts';
import { Script } from './support/script.ts';
import { Stack } from './support/stack.ts';
import { expiredClaims, testSecret, tokenWith } from './support/tokens.ts';

/* Services with known secrets, at their most talkative, through what goes well and what does not: none of it gets out. */

const limitMs = 60_000;
const wrong = { key: 'a-short-key-of-nobody', password: 'not-the-password-7f3a', nats: 'nats-password-41c9' };

let stack: Stack;
const running: Script[] = [];
beforeAll(async () => {
  stack = await Stack.start({ gateways: 0, ledgers: 0, settlers: 0 });
}, limitMs);
afterAll(() => stack.stop());

const main = (service: string) => `dist/services/${service}/main.js`;

async function start(script: string, env: Readonly<Record<string, string>>): Promise<Script> {
  const started = await Script.start(script, env);
  running.push(started);
  return started;
}

test(
  'no secret and no token is in any line or answer',
  async () => {
    const [asGateway, asLedger, asSettler] = (['gateway', 'ledger', 'settler'] as const).map((user) =>
      envForNats(stack.nats, user),
    );
    const loud = { LOG_LEVEL: 'trace', DB_ECHO: 'on' };
    const port = await freePort();
    const url = `http://127.0.0.1:${port}`;
    const access = { AUTH: 'jwt', APP_SECRET_KEY: testSecret, RATE_LIMIT: '20/h' };
    await start(main('ledger'), { ...loud, ...asLedger, ...stack.database.env });
    await start(main('settler'), { ...loud, ...asSettler });
    await start(main('gateway'), { ...loud, ...asGateway, ...access, PORT: String(port) });
    // And those that can't work.
    await start(main('ledger'), { ...loud, ...asLedger, ...stack.database.env, DB_PASSWORD: wrong.password });
    await start(main('settler'), { ...loud, NATS_URL: `nats://me:${wrong.nats}@127.0.0.1:1` });
    const short = await start(main('gateway'), { ...loud, AUTH: 'jwt', APP_SECRET_KEY: wrong.key });
    expect(await short.ended()).toBe(78);

    await eventually(async () => {
      const ready = await fetch(`${url}/readyz`).catch(() => undefined);
      return ready?.ok === true ? true : undefined;
    }, limitMs);
    const { client } = await stack.ledgerClient();
    const accountId = await openAccount(client, '10.00');
    await client.close();

    const tokens = [
      await tokenWith(),
      await tokenWith(expiredClaims),
      await tokenWith({ scope: 'balance:read' }),
    ];
    const [good = '', expired = '', reader = ''] = tokens;
    const answers: string[] = [];
    const statuses: number[] = [];
    const ask = async (path: string, token: string, body?: string) => {
      const answer = await fetch(url + path, {
        method: body === undefined ? 'GET' : 'POST',
        headers: {
          authorization: `Bearer ${token}`,
          'idempotency-key': newKey(),
          ...(body !== undefined && { 'content-type': 'application/json' }),
        },
        ...(body !== undefined && { body }),
      });
      statuses.push(answer.status);
      answers.push(JSON.stringify([...answer.headers]), await answer.text());
    };
    const body = JSON.stringify({ id: accountId, amount: '1.00' });
    await ask('/api/add', good, body);
    await ask('/api/add', expired, body);
    await ask('/api/add', reader, body);
    await ask('/api/add', `${good}x`, body);
    await ask('/api/add', good, `{"id":"${good}","amount":"1","${good}":1}`);
    await ask(`/api/status/${accountId}?access_token=${good}`, good);
    await ask(`/api/status/${good}`, reader);
    await ask('/docs/', good);
    await ask('/openapi.json', good);
    expect(statuses).toEqual([200, 401, 403, 401, 400, 401, 400, 200, 200]);

    // Until they have said what is wrong.
    await eventually(
      async () => (all().includes('password authentication failed') ? true : undefined),
      limitMs,
    );
    await eventually(async () => (all().includes('127.0.0.1:1') ? true : undefined), limitMs);
    await Promise.all(running.map((script) => script.stop()));

    const said = all();
    expect(said).toContain('"level":"debug"');
    expect(said).toContain('"msg":"request"');
    const database = stack.database.connection.password;
    expect(database.length).toBeGreaterThan(8);
    const natsPasswords = [asGateway, asLedger, asSettler].map((env) => String(env?.['NATS_PASSWORD']));
    expect(natsPasswords.every((password) => password.length > 8)).toBe(true);
    for (const secret of [testSecret, database, ...natsPasswords, ...Object.values(wrong), ...tokens]) {
      expect(said).not.toContain(secret);
      // The caller's own words come back to nobody but the caller: an unknown field is named, cut short.
      expect(answers.join('\n')).not.toContain(secret);
    }
    expect(answers.join('\n')).not.toMatch(/\bat \S+ \(|node_modules|\.js:\d+|SELECT |INSERT /);
  },
  2 * limitMs,
);

function all(): string {
  return running.map(({ text }) => text).join('\n');
}
