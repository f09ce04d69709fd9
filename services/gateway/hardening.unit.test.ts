import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { FastifyInstance, InjectOptions } from 'fastify';
import { once } from 'node:events';
import { connect, type AddressInfo, type Socket } from 'node:net';
import { gzipSync } from 'node:zlib';
import { eventually } from '../../test/support/eventually.ts';
import { createLogger } from '../../shared/telemetry/logger.ts';
import { createMetrics } from '../../shared/telemetry/metrics.ts';
import { buildApp } from './app.ts';
import { problemSchema } from './problem-schema.ts';
import type { Ledger } from './ledger-when-connected.ts';

/* What an ill-meaning or broken caller may send. None of it reaches the ledger. */

const id = '26c940a1-7228-4ea2-a3bc-e6460b172040';
/** Far more than the ten seconds that a request may take to arrive. */
const patienceMs = 40_000;

const good = JSON.stringify({ id, amount: '1' });

let app: FastifyInstance;
let sent: unknown[];
let logLines: string[];
beforeEach(async () => {
  sent = [];
  logLines = [];
  const note = (_kind: string, what: unknown) => {
    sent.push(what);
    return Promise.resolve({ ok: false, error: { code: 'account_not_found', detail: 'no' } });
  };
  const ledger = { send: note, ask: note, missing: () => [] } as unknown as Ledger;
  const logger = createLogger('gateway', 'trace', { write: (line) => logLines.push(line) });
  app = await buildApp({ ledger, logger, metrics: createMetrics() });
});
afterEach(() => app.close());

const post = (payload: string | Buffer, headers: Record<string, string> = {}) =>
  app.inject({
    method: 'POST',
    url: '/api/add',
    payload,
    headers: { 'content-type': 'application/json', ...headers },
  });

/** A client's connection, and the same as the gateway has it. */
async function connected(): Promise<[Socket, Socket]> {
  await app.listen({ host: '127.0.0.1', port: 0 });
  const accepted = once(app.server, 'connection') as Promise<[Socket]>;
  const client = connect((app.server.address() as AddressInfo).port, '127.0.0.1').setEncoding('utf8');
  client.on('error', () => undefined);
  const [peer] = await accepted;
  return [client, peer];
}

const late = Object.assign(new Error('late'), { code: 'ERR_HTTP_REQUEST_TIMEOUT' });
const head = `POST /api/add HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: ${good.length}\r\n\r\n`;

/** Everything that comes back for these bytes, until the gateway closes the connection. */
async function send(bytes: string): Promise<string> {
  await app.listen({ host: '127.0.0.1', port: 0 });
  const socket = connect((app.server.address() as AddressInfo).port, '127.0.0.1');
  let received = '';
  socket.setEncoding('utf8').on('data', (text: string) => (received += text));
  socket.write(bytes);
  try {
    await once(socket, 'close', { signal: AbortSignal.timeout(patienceMs) });
    return received;
  } finally {
    // Else the gateway would wait for it at its end.
    socket.destroy();
  }
}

describe('a body', () => {
  test.each<[string, string, string]>([
    ['a key twice', `{"id":"${id}","amount":"1","amount":"2"}`, 'amount'],
    ['a key twice in two spellings', `{"id":"${id}","amount":"1","am\\u006funt":"2"}`, 'amount'],
    ['a key twice deep inside', `{"id":"${id}","amount":"1","x":{"y":1,"y":2}}`, 'y'],
    ['__proto__', `{"id":"${id}","amount":"1","__proto__":{}}`, 'body'],
    ['__proto__ in another spelling', `{"id":"${id}","amount":"1","\\u005f_proto__":{}}`, 'body'],
    ['__proto__ deep inside', `{"id":"${id}","amount":{"__proto__":{}}}`, 'body'],
    ['a key with a zero byte', `{"id":"${id}","amount":"1","\\u0000":1}`, '\0'],
    ['a key that is half a character', `{"id":"${id}","amount":"1","\\ud800":1}`, '\ud800'],
    ['a zero byte in the id', `{"id":"${id}\\u0000","amount":"1"}`, 'id'],
    ['half a character in the amount', `{"id":"${id}","amount":"1\\udfff"}`, 'amount'],
    ['digits that look like ours', `{"id":"${id}","amount":"１"}`, 'amount'],
    ['a blank that is not seen', `{"id":"${id}","amount":"1\u200b"}`, 'amount'],
    ['text that runs from right to left', `{"id":"${id}","amount":"\u202e1"}`, 'amount'],
    ['a number beyond all bounds', `{"id":"${id}","amount":1e999}`, 'amount'],
    ['an integer beyond all bounds', `{"id":"${id}","amount":${'9'.repeat(60_000)}}`, 'amount'],
    ['an amount beyond all bounds', `{"id":"${id}","amount":"${'9'.repeat(60_000)}"}`, 'amount'],
    ['lists that go deep', `{"id":"${id}","amount":${'['.repeat(30_000)}${']'.repeat(30_000)}}`, 'amount'],
    [
      'objects that go deep',
      `{"id":"${id}","amount":${'{"a":'.repeat(10_000)}1${'}'.repeat(10_000)}}`,
      'amount',
    ],
    ['what goes deep and does not end', '['.repeat(60_000), 'body'],
  ])('with %s is refused, and the field is named', async (_, body, field) => {
    const answer = await post(body);
    expect(answer.statusCode).toBe(400);
    const problem = problemSchema.parse(answer.json());
    expect(problem.fields?.map((each) => each.field)).toEqual([field]);
    expect(sent).toEqual([]);
  });

  test('whose bytes are no UTF-8 is refused', async () => {
    const body = good.replace('}', ',"reference":"Gr\u00f6\u00dfe 39"}');
    const answer = await post(Buffer.from(body, 'latin1'));
    expect([answer.statusCode, answer.json()]).toMatchObject([400, { fields: [{ field: 'body' }] }]);
    expect(sent).toEqual([]);
    await post(body);
    expect(sent).toHaveLength(1);
  });

  test.each(['gzip', 'br', 'deflate', 'gzip, identity', 'x'])(
    'compressed with %s is not unpacked',
    async (encoding) => {
      const answer = await post(gzipSync(good), { 'content-encoding': encoding });
      expect([answer.statusCode, answer.headers['accept-encoding']]).toEqual([415, 'identity']);
      expect(problemSchema.parse(answer.json()).code).toBe('unsupported_media_type');
      expect(sent).toEqual([]);
    },
  );

  test.each(['utf-16', 'latin1', '"iso-8859-1"'])('in %s is not taken for UTF-8', async (charset) => {
    const answer = await post(good, { 'content-type': `application/json; charset=${charset}` });
    expect([answer.statusCode, problemSchema.parse(answer.json()).code]).toEqual([
      415,
      'unsupported_media_type',
    ]);
    expect(sent).toEqual([]);
  });

  test.each(['charset="UTF-8"', 'charset=utf8', 'charset=us-ascii', 'charset=', 'profile="a;charset=x"'])(
    'that says that it is in UTF-8, or not in what, is taken: %s',
    async (parameter) => {
      await post(good, { 'content-type': `application/json; ${parameter}` });
      expect(sent).toHaveLength(1);
    },
  );

  test('that says that it is not compressed is taken', async () => {
    await post(good, { 'content-encoding': 'identity' });
    expect(sent).toHaveLength(1);
  });
});

describe('a connection', () => {
  test.each([
    ['headers', 'GET /api/ping HTTP/1.1\r\nHost: x\r\nX-Slow: '],
    [
      'a body',
      'POST /api/add HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n{"id":',
    ],
  ])(
    'on which %s do not arrive in time is answered and closed',
    async (_, bytes) => {
      // Nothing else ends it: the client waits for ever.
      expect(await send(bytes)).toMatch(/^HTTP\/1\.1 408 Request Timeout[^]*"code":"request_timeout"/);
      expect(sent).toEqual([]);
    },
    60_000,
  );

  test('that was answered for being late is not read further: what comes then is not carried out', async () => {
    const [client, peer] = await connected();
    let received = '';
    client.on('data', (text: string) => (received += text));
    const body = once(app.server, 'request');
    client.write(head);
    await body;
    app.server.emit('clientError', late, peer);
    client.write(good);
    await once(client, 'close');
    expect(received).toMatch(/^HTTP\/1\.1 408 /);
    expect(sent).toEqual([]);
  });

  test('that was opened ahead and not used is closed without an answer to what comes just then', async () => {
    const [client, peer] = await connected();
    let received = '';
    client.on('data', (text: string) => (received += text));
    app.server.emit('clientError', late, peer);
    client.write(head + good);
    await once(client, 'close');
    expect(received).toBe('');
    expect(sent).toEqual([]);
  });

  test.each([
    ['has sent nothing', '', 0, 4_500],
    // As long as a request that came whole may still take.
    ['has sent half of its headers', 'GET /api/ping HTTP/1.1\r\nHost', 5_000, 7_900],
    ['has sent half of its body', head + good.slice(0, 5), 5_000, 7_900],
  ])(
    'that %s does not keep the gateway from stopping in time',
    async (_, bytes, leastMs, mostMs) => {
      const [client, peer] = await connected();
      client.resume().write(bytes);
      await eventually(async () => (peer.bytesRead >= bytes.length ? true : undefined));
      const fromMs = performance.now();
      const closed = once(client, 'close');
      await app.close();
      const tookMs = performance.now() - fromMs;
      expect(tookMs).toBeGreaterThanOrEqual(leastMs);
      expect(tookMs).toBeLessThan(mostMs);
      await closed;
      expect(sent).toEqual([]);
    },
    patienceMs,
  );

  test.each([
    ['a bare line feed in a header', `X-Request-Id: a\nSet-Cookie: x=1\r\n`],
    ['a carriage return in a header', `Idempotency-Key: a\rSet-Cookie: x=1\r\n`],
    ['a zero byte in a header', `Idempotency-Key: a\0b\r\n`],
    ['two kinds of length', `Content-Length: 0\r\nTransfer-Encoding: chunked\r\n`],
  ])('with %s injects nothing', async (_, header) => {
    const received = await send(`POST /api/add HTTP/1.1\r\nHost: x\r\nConnection: close\r\n${header}\r\n`);
    expect(received).toMatch(/^HTTP\/1\.1 4\d\d /);
    expect(received.slice(0, received.indexOf('\r\n\r\n'))).not.toMatch(/set-cookie/i);
    expect(received.match(/HTTP\/1\.1/g)).toHaveLength(1);
    expect(sent).toEqual([]);
  });
});

test.each([
  'a","level":"fatal',
  'a\u2028b',
  'a\u0085b',
  '\u001b[31mred',
  '%0d%0aSet-Cookie: x=1',
  '${jndi:ldap://x}',
  'é',
])('the request id %j stands in no log line and in no answer', async (sentId) => {
  const headers = { 'x-request-id': Buffer.from(sentId).toString('latin1') };
  const answer = await app.inject({ url: `/api/status/${id}`, headers });
  expect(answer.headers['x-request-id']).toMatch(/^[0-9a-f-]{36}$/);
  expect(logLines.length).toBeGreaterThan(0);
  for (const line of logLines) {
    expect(line.trimEnd()).not.toContain('\n');
    expect(line).not.toContain(sentId);
    expect(JSON.parse(line)).toHaveProperty('level');
  }
});

test.each<InjectOptions>([
  { url: `/api/status/${id}` },
  { method: 'POST', url: '/api/add', payload: { id, amount: '1' } },
  { method: 'OPTIONS', url: '/api/add', headers: { 'access-control-request-method': 'POST' } },
  { url: '/nowhere' },
  { url: '/openapi.json' },
])('no page of another origin may read or send: %j', async (request) => {
  const headers = { ...request.headers, origin: 'https://evil.example' };
  const answer = await app.inject({ ...request, headers });
  expect(Object.keys(answer.headers).filter((name) => name.startsWith('access-control'))).toEqual([]);
  expect(answer.headers['x-content-type-options']).toBe('nosniff');
});

test('a body that a form of another page can send without asking first is not taken', async () => {
  for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data; boundary=x']) {
    expect((await post(good, { 'content-type': type })).statusCode).toBe(415);
  }
  expect(sent).toEqual([]);
});

test.each(['/docs/', '/docs/static/swagger-ui.css'])(
  '%s may not be framed, and tells nobody where it was',
  async (url) => {
    const { headers } = await app.inject(url);
    expect(headers).toMatchObject({
      'x-frame-options': 'DENY',
      'referrer-policy': 'no-referrer',
      'x-content-type-options': 'nosniff',
      'cross-origin-opener-policy': 'same-origin',
    });
    const policy = String(headers['content-security-policy']);
    expect(policy).toContain("default-src 'self'");
    expect(policy).toContain("frame-ancestors 'none'");
    expect(/script-src ([^;]*)/.exec(policy)?.[1]).toBe("'self'");
  },
);
