import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { jetstreamManager } from '@nats-io/jetstream';
import { randomUUID } from 'node:crypto';
import { eventually } from '../../test/support/eventually.ts';
import { eventsStream, eventSubject } from '../contracts/subjects.ts';
import { createLogger } from '../telemetry/logger.ts';
import { createMetrics } from '../telemetry/metrics.ts';
import { connectNats, type NatsLink } from './connect.ts';
import { consumeStream } from './consume-stream.ts';

const natsUrl = process.env['TEST_NATS_URL'] ?? 'nats://127.0.0.1:4222';
const logger = createLogger('test', 'silent');

describe('consuming a stream', () => {
  const consumer = `test-${randomUUID()}`;
  let stopping: AbortController;
  let link: NatsLink;

  beforeEach(async () => {
    stopping = new AbortController();
    link = await connectNats({ urls: [natsUrl], name: 'test', logger });
  });
  afterEach(async () => {
    stopping.abort();
    const manager = await jetstreamManager(link.connection);
    await manager.consumers.delete(eventsStream, consumer);
    await link.drain();
  });

  test('begins anew when what is done at its opening fails, and leaves nothing of the tries', async () => {
    const taken: string[] = [];
    let tries = 0;
    const ended = consumeStream({
      link,
      stream: eventsStream,
      streamReplicas: 1,
      consumer,
      ackWaitMs: 30_000,
      maxAckPending: 16,
      maxMessages: 16,
      usualDeliveries: 1,
      logger,
      metrics: createMetrics(),
      stopping: stopping.signal,
      onOpen: () => {
        tries += 1;
        if (tries <= 3) throw new Error('PostgreSQL is away');
      },
      onMessage: (message) => {
        taken.push(message.string());
        message.ack();
      },
    });
    const { connection } = link;
    await eventually(async () => (tries > 3 ? true : undefined));

    // What was left of a try would ask for messages again, before the one that lives does.
    const askers = new Set<string | undefined>();
    const requests = connection.subscribe(`$JS.API.CONSUMER.MSG.NEXT.${eventsStream}.${consumer}`, {
      callback: (_, { reply }) => void askers.add(reply),
    });
    await eventually(async () => (askers.size > 0 ? true : undefined), 10_000);
    expect(askers.size).toBe(1);
    requests.unsubscribe();

    const text = randomUUID();
    connection.publish(eventSubject, text);
    await eventually(async () => (taken.includes(text) ? true : undefined));
    stopping.abort();
    await ended;
  });
});
