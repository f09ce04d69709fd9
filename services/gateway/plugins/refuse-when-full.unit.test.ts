import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { fastify, type FastifyInstance } from 'fastify';
import { once } from 'node:events';
import { Agent, request, type IncomingMessage } from 'node:http';
import { createLogger } from '../../../shared/telemetry/logger.ts';
import { createMetrics } from '../../../shared/telemetry/metrics.ts';
import { eventually } from '../../../test/support/eventually.ts';
import { problemSchema } from '../problem-schema.ts';
import { refuseWhenFull } from './refuse-when-full.ts';

let app: FastifyInstance;
let url: string;
/** One connection, so that what is done to it shows. */
let agent: Agent;
let room: number;
let served: number;
let log: { refused?: number }[];

beforeEach(async () => {
  room = 0;
  served = 0;
  // Its own, also for what an earlier test's gateway still has to tell.
  const lines: typeof log = [];
  log = lines;
  agent = new Agent({ keepAlive: true, maxSockets: 1 });
  app = fastify();
  app.post('/api/add', () => {
    served += 1;
    return {};
  });
  app.get('/api/ping', () => ({}));
  app.get('/api/events', () => ({}));
  app.get('/readyz', () => ({}));
  const logger = createLogger('gateway', 'info', { write: (line) => lines.push(JSON.parse(line)) });
  refuseWhenFull(app, { room: () => room }, logger, createMetrics());
  url = await app.listen({ port: 0 });
});

afterEach(async () => {
  agent.destroy();
  await app.close();
});

async function ask(method: string, path: string, body?: string): Promise<[IncomingMessage, string]> {
  const headers = { 'content-type': 'application/json', 'idempotency-key': 'a-key' };
  const sent = request(url + path, { method, agent, headers });
  sent.end(body);
  const [answer] = (await once(sent, 'response')) as [IncomingMessage];
  return [answer, Buffer.concat(await answer.toArray()).toString()];
}

const body = JSON.stringify({ name: 'x'.repeat(60_000) });

test('without room a request is refused before it is served, whole, and with room it is served again', async () => {
  const [{ statusCode, headers }, text] = await ask('POST', '/api/add', body);
  expect(statusCode).toBe(503);
  expect(problemSchema.parse(JSON.parse(text))).toMatchObject({ status: 503, code: 'overloaded' });
  expect(headers).toMatchObject({
    'content-type': 'application/problem+json; charset=utf-8',
    'retry-after': '1',
    'idempotency-key': 'a-key',
    'x-request-id': expect.stringMatching(/./u),
  });
  expect(served).toBe(0);
  room = 1;
  expect((await ask('POST', '/api/add', body))[0].statusCode).toBe(200);
  expect(served).toBe(1);
});

test('what needs no ledger is answered without room', async () => {
  expect((await ask('GET', '/api/ping'))[0].statusCode).toBe(200);
  expect((await ask('GET', '/readyz'))[0].statusCode).toBe(200);
  expect((await ask('GET', '/api/events'))[0].statusCode).toBe(200);
  expect((await ask('GET', '/api/events?account=x'))[0].statusCode).toBe(200);
  expect((await ask('GET', '/api/eventsx'))[0].statusCode).toBe(503);
});

test('who asks again at once is heard half a second later', async () => {
  await ask('POST', '/api/add', body);
  const beganMs = performance.now();
  const [{ statusCode }] = await ask('POST', '/api/add', body);
  expect(statusCode).toBe(503);
  expect(performance.now() - beganMs).toBeGreaterThan(400);
});

test('the log has one line for all that were refused in a second', async () => {
  await Promise.all([ask('POST', '/api/add', body), ask('POST', '/api/add', body)]);
  await eventually(async () => (log.length > 0 ? true : undefined));
  expect(log).toEqual([expect.objectContaining({ refused: 2 })]);
});
