import { expect, test } from '@jest/globals';
import { eventually } from '../../test/support/eventually.ts';
import { startOwnNats } from '../../test/support/own-nats.ts';
import { TcpLine } from '../../test/support/tcp-line.ts';
import { commandSubject, holdsStream, querySubject } from '../../shared/contracts/subjects.ts';
import { connectNats } from '../../shared/messaging/connect.ts';
import { createLedgerClient } from '../../shared/messaging/ledger-client/index.ts';
import { createLogger } from '../../shared/telemetry/logger.ts';
import { createMetrics } from '../../shared/telemetry/metrics.ts';
import { createSettler } from './app.ts';

const losses = 5;
/** A request that gets no answer is given up and made anew, under another id, after so long. */
const requestMs = 4_000;

test('asks for everything due once at a time, however often its line to the broker was lost meanwhile', async () => {
  const logger = createLogger('test', 'silent');
  const metrics = createMetrics();
  const nats = await startOwnNats();
  const line = new TcpLine(nats.url);
  await line.open();
  const silentLedger = await connectNats({ urls: [nats.url], name: 'ledger', logger });
  const asked = new Set<string>();
  const { connection: ledger } = silentLedger;
  ledger.subscribe(querySubject('ping'), {
    callback: (_, message) => void message.respond(JSON.stringify({ ok: true, now: Date.now() })),
  });
  ledger.subscribe(commandSubject('settle-due'), {
    callback: (_, message) => {
      const elements = [message.json()].flat() as { id: string; sweep: boolean }[];
      for (const { id, sweep } of elements) if (sweep) asked.add(id);
    },
  });
  const openings = new Set<string | undefined>();
  ledger.subscribe(`$JS.API.CONSUMER.MSG.NEXT.${holdsStream}.>`, {
    callback: (_, { reply }) => void openings.add(reply),
  });
  await ledger.flush();
  const link = await connectNats({ urls: [`nats://127.0.0.1:${line.port}`], name: 'settler', logger });
  const client = createLedgerClient({ link, logger, metrics });
  const stopping = new AbortController();
  const startedAtMs = performance.now();
  const settler = createSettler({
    link,
    streamReplicas: 1,
    client,
    workers: 4,
    logger,
    metrics,
    stopping: stopping.signal,
  });
  try {
    await eventually(async () => (asked.size > 0 ? true : undefined));
    for (let loss = 0; loss < losses; loss += 1) {
      await line.cut();
      await eventually(async () => (link.isConnected() ? undefined : true));
      const before = openings.size;
      await line.open();
      await eventually(async () => (openings.size > before ? true : undefined));
    }
    const byOneSweep = Math.ceil((performance.now() - startedAtMs) / requestMs);
    expect(asked.size).toBeLessThanOrEqual(byOneSweep);
  } finally {
    stopping.abort();
    await settler.ended.catch(() => undefined);
    await client.close();
    await link.drain();
    await silentLedger.drain();
    await line.cut();
    await nats.stop();
  }
}, 60_000);
