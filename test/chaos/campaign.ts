import { join } from 'node:path';
import { createLedgerClient } from '../../shared/messaging/ledger-client/index.ts';
import { createLogger } from '../../shared/telemetry/logger.ts';
import { createMetrics } from '../../shared/telemetry/metrics.ts';
import { untilAtRest } from './at-rest.ts';
import { auditProblems } from './audit.ts';
import { readBooks } from './check/books.ts';
import { check } from './check/check.ts';
import { checkPromptness } from './check/promptness.ts';
import { latestSettleMs } from './check/holds.ts';
import { Accounts } from './clients/accounts.ts';
import type { Door } from './clients/door.ts';
import { httpDoor } from './clients/http-door.ts';
import { openAccounts, startLoad } from './clients/load.ts';
import { arrayDoor, clientDoor, streamDoor } from './clients/nats-doors.ts';
import type { Outages } from './clients/outages.ts';
import { connectToNats, Evidence } from './evidence.ts';
import { History } from './history.ts';
import { Memory } from './memory.ts';
import { runPlan, type Done } from './run-plan.ts';
import { faultKinds, plan, type Shape } from './plan.ts';
import { Random } from './random.ts';
import { ChaosStack, type Servers } from './stack/chaos-stack.ts';

export interface CampaignOptions {
  readonly root: string;
  readonly folder: string;
  readonly servers: Servers;
  readonly seed: number;
  readonly minutes: number;
  /** Only faults whose kinds hold this text. */
  readonly only: string;
  readonly say: (line: string) => void;
  readonly stop: AbortSignal;
}

export interface CampaignResult {
  readonly shape: Shape;
  readonly history: History;
  readonly done: readonly Done[];
  readonly outages: Outages;
  readonly memory: Memory;
  readonly latestSettleMs: number;
  readonly problems: readonly string[];
}

/** So short that holds end all the time. */
const holdPeriodMinutes = 0.05;
/** Holds settle and messages leave within this once all faults are over: a sweep a minute finds what was forgotten. */
const restMs = 75_000;

/** One run: clients and faults for so many minutes, then rest, then the proof. */
export async function runCampaign(options: CampaignOptions): Promise<CampaignResult> {
  const { root, folder, servers, seed, minutes, say } = options;
  const random = new Random(seed);
  const shape: Shape = { gateway: 2, ledger: random.int(2, 3), settler: random.int(2, 3) };
  const problems: string[] = [];
  const history = new History(join(folder, 'history.jsonl'));
  const stackOptions = {
    root,
    folder,
    gateways: shape.gateway,
    ledgers: shape.ledger,
    settlers: shape.settler,
    holdPeriodMinutes,
    onOwnEnd: (text: string) => {
      history.note('ended', { text });
      say(text);
    },
  };
  say(`starting ${shape.gateway} gateways, ${shape.ledger} ledgers, ${shape.settler} settlers`);
  const stack = await ChaosStack.start(servers, stackOptions, 'chaos');
  const memory = new Memory(stack.services);
  const link = await connectToNats(servers.natsAddress.url);
  const client = createLedgerClient({
    link,
    logger: createLogger('chaos', 'silent'),
    metrics: createMetrics(),
  });
  const evidence = new Evidence(folder, link.connection, servers);
  try {
    const gateways = stack.all('gateway').map(({ name, lines }) => {
      const url = `http://127.0.0.1:${lines.get('http')?.port}`;
      return httpDoor(name, url);
    });
    const doors: Door[] = [...gateways, clientDoor(client), arrayDoor(link), streamDoor(link)];
    const accounts = new Accounts(random.fork());
    await openAccounts(accounts, clientDoor(client), history);

    const { outages, finish } = startLoad({ doors, accounts, random, history });
    const kinds = faultKinds.filter(
      (kind) => kind.includes(options.only) && (kind !== 'full disk' || servers.disks.size > 0),
    );
    let done: readonly Done[];
    try {
      done = await runPlan({
        episodes: plan(random.fork(), shape, kinds),
        scene: { stack, evidence },
        history,
        outages,
        untilMs: performance.now() + minutes * 60_000,
        stop: options.stop,
        onProblem: (problem) => problems.push(problem),
        say,
      });
    } finally {
      say('the faults are over; the clients finish');
      await finish();
    }

    say('waiting until all is at rest');
    const books = await stack.books();
    const restProblem = await untilAtRest(books, link.connection, restMs);
    if (restProblem !== undefined) problems.push(restProblem);
    say('checking');
    const booked = await readBooks(books);
    await books.end();
    problems.push(
      ...check({
        history,
        books: booked,
        facts: await evidence.facts(),
        streamLostAtMs: evidence.brokerDataLostAtMs,
      }),
      ...(await auditProblems(stack.database)),
      ...checkPromptness(history, stack.all('gateway')),
      ...memory.problems(),
    );
    return { shape, history, done, outages, memory, latestSettleMs: latestSettleMs(booked), problems };
  } finally {
    memory.stop();
    await history.close();
    await client.close();
    await link.drain();
    await stack.stop();
  }
}
