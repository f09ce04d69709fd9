import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { commandsStream, eventsStream, holdsStream } from '../contracts/subjects.ts';
import { eventually } from '../../test/support/eventually.ts';
import { TcpLine } from '../../test/support/tcp-line.ts';
import { createLogger } from '../telemetry/logger.ts';
import { connectNats, type NatsLink } from './connect.ts';
import { ensureStreamsWhenReachable, manageStreams } from './streams.ts';

const natsUrl = process.env['TEST_NATS_URL'] ?? 'nats://127.0.0.1:4222';

let line: TcpLine;
let link: NatsLink;
let lines: string[];
const logger = createLogger('test', 'warn', { write: (text) => lines.push(text) });

beforeEach(async () => {
  lines = [];
  line = new TcpLine(natsUrl);
  await line.open();
  link = await connectNats({ urls: [`nats://127.0.0.1:${line.port}`], name: 'test', logger });
});
afterEach(async () => {
  await link.drain();
  await line.cut();
});

function ensure(stopping: AbortSignal): Promise<void> {
  return ensureStreamsWhenReachable({ nats: link.connection, replicas: 1, logger, stopping });
}

test('waits when the broker falls silent right after it was met, until it is back', async () => {
  line.silent = true;
  const ensuring = ensure(new AbortController().signal);
  await eventually(async () => lines.find((text) => text.includes('make the streams; trying again')));
  line.silent = false;
  await ensuring;
  const { streams } = await manageStreams(link.connection);
  const names = [holdsStream, eventsStream, commandsStream];
  const infos = await Promise.all(names.map((name) => streams.info(name)));
  expect(infos.map(({ config }) => config.name)).toEqual(names);
});

test('stops waiting when the service stops', async () => {
  line.silent = true;
  const stopping = new AbortController();
  const ensuring = ensure(stopping.signal);
  stopping.abort();
  await expect(ensuring).rejects.toThrow(/abort/i);
});
