import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startChild, type ChildHandle } from '../../deploy/local/child-process.ts';
import { freePort } from '../../deploy/local/free-port.ts';
import { provideNatsServer } from '../../deploy/local/nats-binary/find-nats-server.ts';
import { eventually } from '../../test/support/eventually.ts';
import { keepSubscription, type KeptSubscription } from './keep-subscription.ts';

const subject = 'test.kept';
let folder: string;
let port: number;
let server: ChildHandle;
let connection: NatsConnection;
let kept: KeptSubscription | undefined;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'holdfast kept '));
  port = await freePort();
  await configure('>');
  const { path } = await provideNatsServer(folder, process.env);
  server = await startChild({ name: 'nats-server', command: path, args: ['--config', join(folder, 'conf')] });
});
afterAll(async () => {
  await server.stop(5_000);
  await rm(folder, { recursive: true });
});
beforeEach(async () => {
  connection = await eventually(() => connectHere().catch(() => undefined));
});
afterEach(async () => {
  kept?.unsubscribe();
  await connection.close();
});

function connectHere(): Promise<NatsConnection> {
  return connect({ servers: `127.0.0.1:${port}`, user: 'we', pass: 'we', reconnectTimeWait: 50 });
}

/** What the user may subscribe to. */
async function configure(subscribe: string): Promise<void> {
  const user = `{ user: we, password: we, permissions: { publish: ">", subscribe: "${subscribe}" } }`;
  await writeFile(join(folder, 'conf'), `listen: "127.0.0.1:${port}"\nauthorization { users: [${user}] }\n`);
}

async function reconfigure(subscribe: string): Promise<void> {
  await configure(subscribe);
  process.kill(server.pid, 'SIGHUP');
}

test('what the broker refuses for a while is subscribed to again when it may be', async () => {
  const taken: string[] = [];
  const refusals: string[] = [];
  kept = keepSubscription(connection, subject, {
    onMessage: (message) => taken.push(message.string()),
    onRefused: ({ message }) => refusals.push(message),
  });
  const arrives = (text: string) => {
    connection.publish(subject, text);
    return eventually(async () => (taken.includes(text) ? true : undefined));
  };
  await arrives('before');
  expect(kept.isRefused()).toBe(false);

  await reconfigure('nothing');
  await eventually(async () => (kept?.isRefused() === true ? true : undefined));
  await reconfigure('>');
  await eventually(async () => (kept?.isRefused() === false ? true : undefined));
  await arrives('after');
  expect(taken).toEqual(['before', 'after']);
  expect(refusals).toEqual([expect.stringContaining(subject)]);
});
