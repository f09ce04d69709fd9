import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { connect, type AddressInfo } from 'node:net';
import { text as textOf } from 'node:stream/consumers';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openAccount } from '../../test/support/accounts.ts';
import { EventStream } from '../../test/support/event-stream.ts';
import { eventually, until } from '../../test/support/eventually.ts';
import { call, newKey, spread } from '../../test/support/http.ts';
import { findProgram, nginxProgram, whyWithout } from '../../test/support/debian-program.ts';
import { Stack } from '../../test/support/stack.ts';
import { startChild, type ChildHandle } from '../local/child-process.ts';
import { freePort } from '../local/free-port.ts';
import { runCommand } from '../local/run-command.ts';

/* The files of this folder, with addresses of this machine put in, read by a real nginx. */

const why = whyWithout(nginxProgram);
const withNginx = why === '' ? test : test.skip;
const fetchMs = 150_000;

interface Nginx {
  readonly url: string;
  readonly stop: () => Promise<void>;
}

const started: Nginx[] = [];
let program = '';
let echo: Server;
let echoPort = 0;
let connections = 0;

beforeAll(async () => {
  program = await findProgram(nginxProgram);
  // Tells what reaches it.
  echo = createServer((request, response) => {
    response.end(JSON.stringify(request.headers));
  }).on('connection', () => {
    connections += 1;
  });
  await new Promise<void>((resolve) => echo.listen(0, '127.0.0.1', resolve));
  echoPort = (echo.address() as AddressInfo).port;
}, fetchMs);

afterAll(async () => {
  await Promise.all(started.map(({ stop }) => stop()));
  echo.closeAllConnections();
  echo.close();
});

withNginx(`headers are written anew, and ids are made where there are none${why}`, rewritesHeaders);
withNginx(`connections to gateways are kept${why}`, keepsConnections);
withNginx(
  `what is too large, and a gateway that is not there, get the usual kind of answer${why}`,
  answersInPlaceOfGateways,
);
withNginx(`facts come through as they happen, and a quiet stream is not cut${why}`, streamsFacts, 60_000);
withNginx(
  `a gateway killed under load costs no request, and nothing is applied twice${why}`,
  survivesAKill,
  120_000,
);

async function rewritesHeaders(): Promise<void> {
  const { url } = await startNginx([echoPort]);
  const bare = (await call(url, '/api/add', {}, { 'x-forwarded-for': '6.6.6.6', forwarded: 'for=6.6.6.6' }))
    .body;
  expect(bare).toMatchObject({
    'x-forwarded-for': '127.0.0.1',
    'x-real-ip': '127.0.0.1',
    'x-forwarded-proto': 'http',
    'x-forwarded-host': new URL(url).host,
    'x-request-id': expect.stringMatching(/^[0-9a-f]{32}$/),
    'idempotency-key': expect.stringMatching(/^[0-9a-f]{32}$/),
  });
  expect(bare).not.toHaveProperty('forwarded');
  // As load balancers ask whether it is there.
  const nameless = connect(Number(new URL(url).port), '127.0.0.1');
  nameless.write('GET /api/ping HTTP/1.0\r\n\r\n');
  expect(await textOf(nameless)).toMatch(/^HTTP\/1.1 200 OK\r\n[^]*"host":"127.0.0.1"/);
  const own = { 'x-request-id': 'mine', 'idempotency-key': 'my-key', traceparent: 'as-it-came' };
  expect((await call(url, '/api/add', {}, own)).body).toMatchObject(own);
}

async function keepsConnections(): Promise<void> {
  const { url } = await startNginx([echoPort]);
  await call(url, '/');
  const before = connections;
  for (let i = 0; i < 20; i += 1) await call(url, '/');
  // One more for each worker at most.
  expect(connections - before).toBeLessThan(10);
}

async function answersInPlaceOfGateways(): Promise<void> {
  const { url } = await startNginx([await freePort()]);
  const large = await call(url, '/api/add', { padding: 'x'.repeat(70_000) });
  expect(large).toMatchObject({ status: 413, body: { code: 'payload_too_large', status: 413 } });
  const long = await call(url, '/api/status/1', undefined, { padding: 'x'.repeat(20_000) });
  expect(long).toMatchObject({ status: 400, body: { code: 'invalid_request', status: 400 } });
  const padding = Object.fromEntries(['a', 'b', 'c'].map((name) => [name, 'x'.repeat(7_000)]));
  const inAll = await call(url, '/api/status/1', undefined, padding);
  expect(inAll).toMatchObject({ status: 400, body: { code: 'invalid_request', status: 400 } });
  for (const { headers } of [large, long, inAll]) {
    expect(headers.get('content-type')).toBe('application/problem+json');
    expect(headers.get('x-request-id')).toMatch(/^[0-9a-f]{32}$/);
  }
  const asked = await call(url, '/api/status/1');
  expect(asked).toMatchObject({ status: 503, body: { code: 'unavailable', status: 503 } });
  const told = await call(url, '/api/add', {}, { 'idempotency-key': 'my-key' });
  expect(told).toMatchObject({ status: 504, body: { code: 'outcome_unknown', status: 504 } });
  expect(told.headers.get('idempotency-key')).toBe('my-key');
  expect(told.headers.get('content-type')).toBe('application/problem+json');
}

async function streamsFacts(): Promise<void> {
  const stack = await Stack.start({ settlers: 0 });
  try {
    const { url } = await startNginx([Number(new URL(stack.url()).port)]);
    const { client } = await stack.ledgerClient();
    const accountId = await openAccount(client);
    const stream = await EventStream.open(url, `?account=${accountId}&after=oldest`);
    await until(() => stream.facts.length === 1);
    // Longer than any other answer may stay away.
    await eventually(async () => (stream.comments === 2 ? true : undefined), 30_000);
    await call(url, '/api/add', { id: accountId, amount: '1.00' });
    await until(() => stream.facts.length === 2);
    await stack.gateways[0]?.stop();
    expect(await stream.ended).toBe('ended');
    await expect(EventStream.open(url)).rejects.toThrow(/"code":"unavailable"/);
  } finally {
    await stack.stop();
  }
}

async function survivesAKill(): Promise<void> {
  const stack = await Stack.start({ gateways: 2, settlers: 0 });
  try {
    const { url } = await startNginx(stack.gateways.map((gateway) => Number(new URL(gateway.url).port)));
    const { client } = await stack.ledgerClient();
    const accountId = await openAccount(client, '1.00');
    await client.close();
    const total = 1200;
    const statuses = await spread(total, 24, async (index) => {
      if (index === total / 3) await stack.gateways[0]?.kill();
      // Every other one without a key of its own.
      const headers: Record<string, string> = index % 2 === 0 ? {} : { 'idempotency-key': newKey() };
      return (await call(url, '/api/add', { id: accountId, amount: '1.00' }, headers)).status;
    });
    expect(statuses.filter((status) => status !== statuses[0])).toEqual([]);
    expect(statuses[0]).toBeLessThan(300);
    const { body } = await call(url, `/api/status/${accountId}`);
    expect(body['balance']).toBe(`${total + 1}.00`);
  } finally {
    await stack.stop();
  }
}

/** With this folder's files, before gateways on these ports. */
async function startNginx(gatewayPorts: readonly number[]): Promise<Nginx> {
  // No blank in the path: nginx takes one as the end of a value.
  const folder = await mkdtemp(join(tmpdir().includes(' ') ? '/var/tmp' : tmpdir(), 'holdfast-nginx-'));
  await cp(__dirname, folder, { recursive: true });
  const [port, watchPort, healthPort] = [await freePort(), await freePort(), await freePort()];
  await change(folder, 'nginx.conf', [[/\/var\/cache\/nginx\//g, `${folder}/`]]);
  await change(folder, 'log.conf', [['/dev/stdout', `${folder}/access.log`]]);
  const servers = gatewayPorts.map((each) => `server 127.0.0.1:${each} max_fails=2 fail_timeout=2s;`);
  await change(folder, 'upstream.conf', [
    [/ {2}resolver .*\n/, ''],
    ['server gateway:8080 resolve max_fails=2 fail_timeout=2s;', servers.join('\n  ')],
  ]);
  await change(folder, 'site.conf', [
    ['listen 8080 default_server', `listen 127.0.0.1:${port} default_server`],
    ['127.0.0.1:8081', `127.0.0.1:${healthPort}`],
  ]);
  await change(folder, 'watch.conf', [['listen 3000', `listen 127.0.0.1:${watchPort}`]]);
  const args = ['-c', join(folder, 'nginx.conf'), '-e', 'stderr'];
  const checked = await runCommand(program, ['-t', ...args], { timeoutMs: 10_000 });
  if (checked.code !== 0) throw new Error(checked.lines.join('\n'));
  const child: ChildHandle = await startChild({
    name: 'nginx',
    command: program,
    args: [...args, '-g', 'daemon off;'],
  });
  await eventually(async () => {
    const answer = await fetch(`http://127.0.0.1:${healthPort}/healthz`).catch(() => undefined);
    return answer?.status === 204 ? true : undefined;
  });
  const nginx = {
    url: `http://127.0.0.1:${port}`,
    stop: async () => {
      await child.stop(5_000);
      await rm(folder, { recursive: true });
    },
  };
  started.push(nginx);
  return nginx;
}

/** Fails when a text is not there any more: then this test would try something else than what is deployed. */
async function change(
  folder: string,
  name: string,
  changes: readonly (readonly [string | RegExp, string])[],
): Promise<void> {
  let text = await readFile(join(folder, name), 'utf8');
  for (const [from, to] of changes) {
    const changed = text.replace(from, to);
    if (changed === text) throw new Error(`${name} has no ${String(from)}`);
    text = changed;
  }
  await writeFile(join(folder, name), text);
}
