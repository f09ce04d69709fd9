import { jetstreamManager } from '@nats-io/jetstream';
import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { asyncCommandsConsumer, commandsStream } from '../../../shared/contracts/subjects.ts';
import { readCounters } from '../check/books.ts';
import { eventually } from '../../support/eventually.ts';
import { askUntilBothWait } from '../../support/account-locks.ts';
import type { TcpProxy } from '../../support/tcp-proxy.ts';
import type { Ground } from './ground.ts';

/** Some seconds in which one mistake shows. Gives what it has seen itself; the checker sees the rest. */
export interface Scenario {
  readonly name: string;
  readonly ledgers: 1 | 2;
  readonly play: (ground: Ground) => Promise<string[] | void>;
}

const bothWaitMs = 4_000;
/** Far more than a ledger takes to decide, and less than a transaction may be idle. */
const oneWritesMs = 1_000;
/** Far more than an ack takes to the broker, and less than a ledger waits for Postgres. */
const ackMs = 500;
/** Postgres recovers first. */
const readyMs = 20_000;

export const askedAgain: Scenario = {
  name: 'a command is sent twice',
  ledgers: 1,
  play: async (ground) => {
    const add = ground.command('add', await ground.account(), 100);
    await ground.ask([add]);
    await ground.ask([add]);
  },
};

export const fundedAfterRefusal: Scenario = {
  name: 'money comes in after a refusal, and the command is sent again',
  ledgers: 1,
  play: async (ground) => {
    const account = await ground.account(100);
    const subtract = ground.command('subtract', account, 500);
    await ground.ask([subtract]);
    await ground.ask([ground.command('add', account, 1_000)]);
    await ground.ask([subtract]);
  },
};

export const oneHold: Scenario = {
  name: 'a hold is made, and falls due',
  ledgers: 1,
  play: async (ground) => {
    await ground.ask([ground.command('subtract', await ground.account(100), 50)]);
  },
};

export const extendedHold: Scenario = {
  name: 'a hold is extended, and falls due',
  ledgers: 1,
  play: async (ground) => {
    const account = await ground.account(200);
    // On a machine that is slow just then, one may fall due before it is asked for.
    for (let tries = 0; tries < 4; tries += 1) {
      const hold = await ground.hold(account, 50);
      const [answer] = await ground.ask([ground.extend(account, hold, 4)]);
      // No earlier than that.
      if (answer?.is === 'ok') {
        await ground.ask([ground.extend(account, hold, 1)]);
        return;
      }
    }
  },
};

export const endedTwice: Scenario = {
  name: 'a hold is released, and then settled',
  ledgers: 1,
  play: async (ground) => {
    const account = await ground.account(100);
    const hold = await ground.hold(account, 50);
    await ground.ask([ground.command('release', account, hold.amount, hold)]);
    await ground.ask([ground.command('settle', account, hold.amount, hold)]);
  },
};

export const transferred: Scenario = {
  name: 'an amount is transferred, and the command sent again',
  ledgers: 1,
  play: async (ground) => {
    const transfer = ground.transfer(await ground.account(100), await ground.account(), 40);
    await ground.ask([transfer]);
    await ground.ask([transfer]);
  },
};

export const settledInPart: Scenario = {
  name: 'a part of a hold is settled, and asked for again',
  ledgers: 1,
  play: async (ground) => {
    const account = await ground.account(200);
    // On a machine that is slow just then, one may fall due before it is asked for.
    for (let tries = 0; tries < 4; tries += 1) {
      const hold = await ground.hold(account, 50);
      const settle = ground.command('settle', account, 20, hold);
      const [answer] = await ground.ask([settle]);
      await ground.ask([settle]);
      if (answer?.is === 'ok') return;
    }
  },
};

export const lineCutOnceAnswered: Scenario = {
  name: 'the line to Postgres is slow, and cut as soon as the caller has its answer',
  ledgers: 1,
  play: async (ground) => {
    const account = await ground.account();
    const line = databaseLine(ground);
    line.slowDown(150);
    await ground.ask([ground.command('add', account, 100)]);
    line.cut();
  },
};

export const sameIdAtTwoLedgers: Scenario = {
  name: 'two ledgers get one command while someone else has the account',
  ledgers: 2,
  play: async (ground) => {
    const account = await ground.account();
    // A ledger whose batch happens to have the command twice decides it again, one by one, and hides what went wrong.
    for (let round = 0; round < 5; round += 1) {
      const add = ground.command('add', account, 100);
      await askUntilBothWait(ground.stack, [account], () => ground.ask([add]), bothWaitMs);
    }
  },
};

export const crossingBatches: Scenario = {
  name: 'two ledgers want twenty accounts, of which someone else has one',
  ledgers: 2,
  play: async (ground) => {
    const accounts = Array.from({ length: 20 }, () => randomUUID());
    await ground.ask(accounts.map((account) => ground.command('open', account)));
    const books = await ground.stack.books();
    // Each round is about an even chance that they cross, where they can.
    for (let round = 0, deadlocks = 0; round < accounts.length && deadlocks === 0; round += 1) {
      const ask = () => ground.ask(accounts.map((account) => ground.command('add', account, 1)));
      await askUntilBothWait(ground.stack, accounts.slice(round, round + 1), ask, bothWaitMs);
      ({ deadlocks } = await readCounters(books));
    }
    await books.end();
  },
};

export const openedTwiceAtOnce: Scenario = {
  name: 'two ledgers are asked to open the same account',
  ledgers: 2,
  play: async (ground) => {
    // As above: a batch that happens to have two of the commands hides what went wrong.
    for (let round = 0; round < 3; round += 1) await openAtBoth(ground, randomUUID());
  },
};

async function openAtBoth(ground: Ground, account: string): Promise<void> {
  const lines = ground.stack.all('ledger').map((ledger) => ledger.line('db'));
  for (const line of lines) line.holdFrom('toServer', 'write opened');
  const answers: Promise<unknown>[] = [];
  // Both have decided; or one has, and the other waits for it as it should.
  const bothWrite = Promise.all(lines.map((line) => line.untilHeld('toServer', 'write opened')));
  let over = false;
  void Promise.race([bothWrite, delay(oneWritesMs)]).then(() => (over = true));
  await eventually(async () => {
    answers.push(ground.ask([ground.command('open', account)]));
    return over ? true : undefined;
  });
  for (const line of lines) line.deliver('toServer');
  await Promise.all(answers);
}

export const frozenPastDeadline: Scenario = {
  name: 'a ledger is frozen until after a command’s deadline',
  ledgers: 1,
  play: async (ground) => {
    const account = await ground.account();
    const late = ground.command('add', account, 100);
    const thaw = ground.stack.one('ledger').freeze();
    const answer = ground.ask([late], 300);
    const untilMs = Date.now() + 600;
    await eventually(async () => (Date.now() > untilMs ? true : undefined));
    thaw();
    await answer;
    await ground.ask([ground.command('add', account, 1)]);
  },
};

export const databaseGoneAfterCommit: Scenario = {
  name: 'Postgres commits, and is gone before its answer arrives',
  ledgers: 1,
  play: async (ground) => {
    const account = await ground.account();
    const { postgres } = ground.stack.servers;
    const line = databaseLine(ground);
    line.holdFrom('toClient', 'COMMIT');
    const answer = ground.ask([ground.command('add', account, 100)]);
    await line.untilHeld('toClient', 'COMMIT');
    const mayStart = postgres.keepDown();
    await postgres.kill();
    line.cut();
    await answer;
    mayStart();
    const isReady = async (): Promise<boolean> => (await ground.stack.one('ledger').missing())?.length === 0;
    await eventually(async () => ((await isReady()) ? true : undefined), readyMs);
  },
};

export const streamWhileDatabaseStalls: Scenario = {
  name: 'the line to Postgres stalls while a command of the stream is decided',
  ledgers: 1,
  play: async (ground) => {
    const account = await ground.account();
    const line = databaseLine(ground);
    line.holdFrom('toServer', 'lock-accounts');
    await ground.leave(ground.command('add', account, 100));
    await line.untilHeld('toServer', 'lock-accounts');
    const manager = await jetstreamManager(ground.link.connection);
    const untilMs = Date.now() + ackMs;
    const isEarly = await eventually(async () => {
      const { num_ack_pending: underWay } = await manager.consumers.info(
        commandsStream,
        asyncCommandsConsumer,
      );
      if (underWay === 0) return true;
      return Date.now() > untilMs ? false : undefined;
    });
    line.deliver('toServer');
    await eventually(async () =>
      (await manager.streams.info(commandsStream)).state.messages === 0 ? true : undefined,
    );
    return isEarly ? ['the stream was told that a command is done before it was decided'] : [];
  },
};

export const killedBeforeTelling: Scenario = {
  name: 'a ledger is killed after COMMIT, before it hears of it',
  ledgers: 1,
  play: async (ground) => {
    const account = await ground.account();
    const adds = [100, 50].map((amount) => ground.command('add', account, amount));
    const line = databaseLine(ground);
    line.holdFrom('toClient', 'COMMIT');
    const answer = ground.ask(adds, 1_000);
    await line.untilHeld('toClient', 'COMMIT');
    await ground.stack.one('ledger').kill();
    line.cut();
    await answer;
    await eventually(async () =>
      (await ground.ask(adds)).every(({ is }) => is === 'ok') ? true : undefined,
    );
  },
};

function databaseLine({ stack }: Ground): TcpProxy {
  return stack.one('ledger').line('db');
}
