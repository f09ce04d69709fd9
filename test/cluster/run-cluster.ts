import { join } from 'node:path';
import { eventsStream, holdsStream } from '../../shared/contracts/subjects.ts';
import { createLedgerClient } from '../../shared/messaging/ledger-client/index.ts';
import { createLogger } from '../../shared/telemetry/logger.ts';
import { createMetrics } from '../../shared/telemetry/metrics.ts';
import { untilAtRest } from '../chaos/at-rest.ts';
import { auditProblems } from '../chaos/audit.ts';
import { readBooks, type Books } from '../chaos/check/books.ts';
import { check } from '../chaos/check/check.ts';
import { latestSettleMs } from '../chaos/check/holds.ts';
import { countBy } from '../chaos/report.ts';
import { Accounts } from '../chaos/clients/accounts.ts';
import { httpDoor } from '../chaos/clients/http-door.ts';
import { openAccounts, startLoad } from '../chaos/clients/load.ts';
import { arrayDoor, clientDoor, streamDoor } from '../chaos/clients/nats-doors.ts';
import { connectToNats, readFacts } from '../chaos/evidence.ts';
import { History } from '../chaos/history.ts';
import { Random } from '../chaos/random.ts';
import { eventually } from '../support/eventually.ts';
import { ClusterStack } from './cluster-stack.ts';
import { killLeader, killPrimary, untilReplicated } from './faults.ts';
import { outagesBetween, type Outage } from './outage.ts';

/** A fault in words, and what was noticed of it. */
export interface Done {
  readonly what: string;
  /** By clients, at each door. */
  readonly outages: readonly Outage[];
  /** How late the latest hold was settled of those that fell due after it and before the next fault. */
  readonly latestSettleMs: number;
}

/** A fault, while its holds are not settled yet. */
interface Felt extends Omit<Done, 'latestSettleMs'> {
  /** In ms since 1970. */
  readonly fromMs: number;
}

export interface ClusterResult {
  readonly history: History;
  readonly done: readonly Done[];
  /** How many holds have ended how. */
  readonly holds: ReadonlyMap<string, number>;
  readonly problems: readonly string[];
}

/** So short that holds end all the time. */
const holdPeriodMinutes = 0.05;
/** Commands between faults, so that what one did is not told of the next. */
const commandsInPeace = 1_000;
/** After this long nobody will come back without help. */
const servesWithinMs = 60_000;
/** Holds settle and messages leave within this once all faults are over: a sweep a minute finds what was forgotten. */
const restMs = 90_000;

/** Clients, two brokers killed and the primary, rest, and the proof that nothing was lost or doubled. */
export async function runCluster(options: {
  readonly root: string;
  readonly folder: string;
  readonly seed: number;
  readonly say: (line: string) => void;
}): Promise<ClusterResult> {
  const { root, folder, say } = options;
  const random = new Random(options.seed);
  const history = new History(join(folder, 'history.jsonl'));
  say('starting brokers, primary, standby and services');
  const stack = await ClusterStack.start({ root, folder, holdPeriodMinutes });
  const link = await connectToNats(...stack.nats.url.split(','));
  const logger = createLogger('cluster', 'silent');
  const client = createLedgerClient({ link, logger, metrics: createMetrics() });
  const problems: string[] = [];
  try {
    await untilReplicated(link.connection);
    const gateways = stack.gatewayUrls.map((url, index) => httpDoor(`gateway ${index + 1}`, url));
    const doors = [...gateways, clientDoor(client), arrayDoor(link), streamDoor(link)];
    const accounts = new Accounts(random.fork());
    await openAccounts(accounts, clientDoor(client), history);
    const load = startLoad({ doors, accounts, random, history });

    const felt: Felt[] = [];
    for (const fault of [
      () => killLeader(stack, link.connection, holdsStream),
      () => killLeader(stack, link.connection, eventsStream),
      () => killPrimary(stack),
    ]) {
      await untilCommands(history, history.operations.length + commandsInPeace);
      const [sinceMs, fromMs] = [performance.now(), Date.now()];
      const what = await fault();
      const back = await load.outages.untilAllServe(servesWithinMs);
      const outages = outagesBetween(history.operations, sinceMs, performance.now());
      felt.push({ what, outages, fromMs });
      say(what);
      if ('silent' in back)
        problems.push(`after ${what} these doors stayed silent: ${back.silent.join(', ')}`);
    }
    await untilCommands(history, history.operations.length + commandsInPeace);
    await load.finish();

    say('waiting until all is at rest');
    const books = await stack.books();
    const restProblem = await untilAtRest(books, link.connection, restMs);
    say('checking');
    const booked = await readBooks(books);
    await books.end();
    problems.push(
      ...(restProblem === undefined ? [] : [restProblem]),
      ...check({
        history,
        books: booked,
        facts: await readFacts(link.connection),
        streamLostAtMs: -Infinity,
      }),
      ...(await auditProblems(stack.postgres.standby)),
      ...(await stack.unready()),
    );
    const holds = countBy(booked.holds.map(({ status }) => status));
    return { history, done: doneOf(felt, booked), holds, problems };
  } finally {
    await history.close();
    await client.close();
    await link.drain();
    await stack.stop();
  }
}

async function untilCommands(history: History, count: number): Promise<void> {
  await eventually(async () => (history.operations.length >= count ? true : undefined), servesWithinMs);
}

function doneOf(felt: readonly Felt[], books: Books): Done[] {
  return felt.map(({ what, outages, fromMs }, index) => {
    const untilMs = felt[index + 1]?.fromMs ?? Infinity;
    const holds = books.holds.filter(({ dueMs }) => dueMs >= fromMs && dueMs < untilMs);
    return { what, outages, latestSettleMs: latestSettleMs({ ...books, holds }) };
  });
}
