import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { consumeEvents } from '../../test/support/consume-events.ts';
import { eventually } from '../../test/support/eventually.ts';
import { startOwnNats } from '../../test/support/own-nats.ts';
import { eventsStream, eventSubject } from '../contracts/subjects.ts';
import { createLogger } from '../telemetry/logger.ts';
import { connectNats, type NatsLink } from './connect.ts';

const logger = createLogger('test', 'silent');

describe('consuming a stream', () => {
  const consumer = 'test';
  let nats: Awaited<ReturnType<typeof startOwnNats>>;
  let stopping: AbortController;
  let link: NatsLink;

  beforeEach(async () => {
    stopping = new AbortController();
    nats = await startOwnNats();
    link = await connectNats({ urls: [nats.url], name: 'test', logger });
  });
  afterEach(async () => {
    stopping.abort();
    await link.drain();
    await nats.stop();
  });

  test('begins anew when what is done at its opening fails, and leaves nothing of the tries', async () => {
    let tries = 0;
    const { taken, ended } = consumeEvents({
      link,
      streamReplicas: 1,
      consumer,
      stopping: stopping.signal,
      onOpen: () => {
        tries += 1;
        if (tries <= 3) throw new Error('PostgreSQL is away');
      },
    });
    const { connection } = link;
    const arrives = async (text: string) => {
      connection.publish(eventSubject, text);
      await eventually(async () => (taken.includes(text) ? true : undefined));
    };
    await eventually(async () => (tries > 3 ? true : undefined));
    await arrives('at first');

    // What was left of a try would ask once a second whether its consumer is there, which the one that lives need not. Its
    // next request for messages, after 5 s, is late enough to tell.
    const leftovers: string[] = [];
    connection.subscribe(`$JS.API.CONSUMER.INFO.${eventsStream}.${consumer}`, {
      callback: (_, { subject }) => void leftovers.push(subject),
    });
    const requests: string[] = [];
    connection.subscribe(`$JS.API.CONSUMER.MSG.NEXT.${eventsStream}.${consumer}`, {
      callback: (_, { subject }) => void requests.push(subject),
    });
    await eventually(async () => (requests.length > 0 ? true : undefined), 10_000);
    expect(leftovers).toEqual([]);

    await arrives('at last');
    stopping.abort();
    await ended;
  });
});
