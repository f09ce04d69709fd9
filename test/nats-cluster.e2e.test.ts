import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startChild, type ChildHandle } from '../deploy/local/child-process.ts';
import { envForNats } from '../deploy/local/nats-users.ts';
import { commandsStream, eventsStream, eventSubject, holdsStream } from '../shared/contracts/subjects.ts';
import { connectNats } from '../shared/messaging/connect.ts';
import { createLogger } from '../shared/telemetry/logger.ts';
import { consumeEvents } from './support/consume-events.ts';
import { eventually } from './support/eventually.ts';
import { NatsCluster } from './support/nats-cluster.ts';
import { createTestDatabase, type TestDatabase } from './support/test-database.ts';

const root = join(import.meta.dirname, '..');
const limitMs = 60_000;
const stopMs = 10_000;

const children: ChildHandle[] = [];
let folder: string;
let cluster: NatsCluster;
let database: TestDatabase;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'holdfast cluster '));
  database = await createTestDatabase();
  cluster = await NatsCluster.start(folder, 3);
}, 120_000);

afterAll(async () => {
  await Promise.all(children.map((child) => child.stop(stopMs)));
  await cluster.stop();
  await database.drop();
  await rm(folder, { recursive: true });
});

test('a service makes the streams that are missing on NATS_STREAM_REPLICAS servers, and leaves the others', async () => {
  const connection = await connect({ servers: cluster.url.split(',') });
  const { streams } = await jetstreamManager(connection);
  const replicasOf = async (name: string) => (await streams.info(name)).config.num_replicas;
  const eventuallyOf = (...names: readonly string[]) =>
    eventually(() => Promise.all(names.map(replicasOf)).catch(() => undefined), limitMs);
  try {
    await run('settler', '2');
    expect(await eventuallyOf(holdsStream)).toEqual([2]);
    await run('ledger', '3');
    expect(await eventuallyOf(holdsStream, eventsStream, commandsStream)).toEqual([2, 3, 3]);
  } finally {
    await connection.close();
  }
}, 120_000);

test('a consumer goes on within seconds when another server takes it over', async () => {
  const connection = await connect({ servers: cluster.url.split(',') });
  const logger = createLogger('test', 'silent');
  const link = await connectNats({ urls: cluster.url.split(','), name: 'test', logger });
  const stopping = new AbortController();
  try {
    const { taken } = consumeEvents({
      link,
      streamReplicas: 3,
      consumer: 'test',
      stopping: stopping.signal,
    });
    const arrives = async (text: string, withinMs: number) => {
      connection.publish(eventSubject, text);
      await eventually(async () => (taken.includes(text) ? true : undefined), withinMs);
    };
    const consumers = (await jetstreamManager(connection)).consumers;
    await eventually(() => consumers.info(eventsStream, 'test').catch(() => undefined), limitMs);
    await arrives('before', limitMs);
    await connection.request(`$JS.API.CONSUMER.LEADER.STEPDOWN.${eventsStream}.test`, '', {
      timeout: 10_000,
    });
    await arrives('after', 15_000);
    expect(taken).toEqual(['before', 'after']);
  } finally {
    stopping.abort();
    await link.drain();
    await connection.close();
  }
}, 120_000);

async function run(service: 'ledger' | 'settler', replicas: string): Promise<void> {
  const child = await startChild({
    name: service,
    command: process.execPath,
    args: [join(root, `dist/services/${service}/main.js`)],
    cwd: root,
    env: {
      PATH: process.env['PATH'],
      NODE_ENV: 'test',
      ...database.env,
      ...envForNats(cluster, service),
      NATS_STREAM_REPLICAS: replicas,
    },
  });
  children.push(child);
}
