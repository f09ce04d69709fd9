import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { jetstream, jetstreamManager, type JetStreamClient } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/nats-core';
import * as fc from 'fast-check';
import { randomInt, randomUUID } from 'node:crypto';
import { errorCatalogue, type ErrorCode } from '../shared/contracts/error-codes.ts';
import { eventSchema, type Fact } from '../shared/contracts/events.ts';
import {
  entryKinds,
  outcomeSchemas,
  type AppliedOutcome,
  type ErrorView,
} from '../shared/contracts/outcomes.ts';
import { answerSchemas } from '../shared/contracts/queries.ts';
import { commandsStream, eventSubject, type CommandKind } from '../shared/contracts/subjects.ts';
import { readBooks } from './bad-input/books.ts';
import { Vouchers } from './fuzz/account-for.ts';
import { HttpClient } from './fuzz/http-client.ts';
import { accountIds, shots, someHold, type Shot } from './fuzz/shots.ts';
import { eventually } from './support/eventually.ts';
import { spread } from './support/http.ts';
import { Stack } from './support/stack.ts';

/*
 * Random input on every door: nothing breaks, and the books hold exactly what was acknowledged. The seed is printed;
 * `npm run test:fuzz -- --seed N --runs N` does the same again, or more of it.
 */

const seed = Number(process.env['TEST_FUZZ_SEED'] ?? randomInt(1_000_000_000));
const runs = Number(process.env['TEST_FUZZ_RUNS'] ?? 5_000);
/** Far fewer than a gateway and a ledger take: whatever is answered 503 is a fault. */
const atOnce = 48;
const shotsAtOnce = 1_000;
const patienceMs = 60_000;
const timeLimitMs = 120_000 + runs * 20;

let stack: Stack;
let nats: NatsConnection;
let js: JetStreamClient;
let http: HttpClient;
const facts: Fact[] = [];
const vouchers = new Vouchers();
/** Ids of commands whose senders do not wait. */
const published = new Set<string>();
const faults: string[] = [];
/** How often each was answered: random input that is all refused would prove little. */
const answers = new Map<string, number>();
let entryKindsSeen = 'not counted';

beforeAll(async () => {
  // What falls due all the same, by a time of its own, is told as a fact.
  stack = await Stack.start({ holdPeriodMinutes: 600 });
  const { link } = await stack.ledgerClient();
  nats = link.connection;
  js = jetstream(nats);
  http = new HttpClient(stack.url(), atOnce);
  nats.subscribe(eventSubject, {
    callback: (_, message) => {
      facts.push(...eventSchema.parse(message.json()));
    },
  });
  for (const accountId of accountIds.slice(0, -1)) {
    for (const [kind, more] of [
      ['open', { name: 'Test account' }],
      ['add', { amount: '100.00' }],
    ] as const) {
      await take(kind, { id: randomUUID(), accountId, ...more });
    }
  }
}, 60_000);

afterAll(async () => {
  process.stdout.write(
    `fuzz: seed ${seed}, ${runs} inputs; answers: ${talliedAnswers()}; entries: ${entryKindsSeen}\n`,
  );
  http.close();
  await stack.stop();
});

test(
  `${runs} random inputs from seed ${seed} break nothing`,
  async () => {
    for (let done = 0; done < runs; done += shotsAtOnce) {
      const numRuns = Math.min(shotsAtOnce, runs - done);
      const some = fc.sample(shots, { seed: seed + done, numRuns });
      await spread(some.length, atOnce, async (index) => {
        const shot = some[index];
        if (shot !== undefined) await fire(shot).catch((error: unknown) => fault(shot, String(error)));
      });
      if (faults.length > 0) break;
    }
    expect(faults).toEqual([]);
    const manager = await jetstreamManager(nats);
    await eventually(async () => {
      const { state } = await manager.streams.info(commandsStream);
      return state.messages === 0 ? true : undefined;
    }, patienceMs);
    const books = await stack.books();
    try {
      const look = (): ReturnType<Vouchers['compare']> => {
        for (const fact of facts.splice(0)) {
          const isUnanswered =
            fact.type === 'entry' &&
            (published.has(fact.commandId) || fact.due === true || fact.kind === 'transfer-in');
          if (isUnanswered) vouchers.takeFact(fact);
        }
        return vouchers.compare(books);
      };
      // What was seen then, not what a second look would see: meanwhile a hold of one second may have come due.
      const seen = await eventually(async () => {
        const compared = await look();
        return compared.unexplained.length === 0 ? compared : undefined;
      }, patienceMs).catch(look);
      expect(seen).toEqual({ unexplained: [], missing: [] });
      // Random input that changes nothing would prove little.
      const { rows } = await books.query<{ kind: string; times: number }>(
        'SELECT kind, count(*)::integer AS times FROM entries GROUP BY kind',
      );
      entryKindsSeen = rows.map(({ kind, times }) => `${times} ${kind}`).join(', ');
      // Closing goes to accounts that are not there.
      const expected = entryKinds.filter((kind) => kind !== 'close');
      expect(rows.map(({ kind }) => kind)).toEqual(expect.arrayContaining(expected));
      expect(rows.reduce((sum, { times }) => sum + times, 0)).toBeGreaterThan(runs / 20);
    } finally {
      await books.end();
    }
    expect(await readBooks(stack.database)).toMatchObject({ findings: [] });
    // Nobody starts them again here: who is ready has never gone.
    for (const { url } of stack.services) expect((await fetch(`${url}/readyz`)).status).toBe(200);
    expect(Math.min(answers.get('ok') ?? 0, answers.get('invalid_request') ?? 0)).toBeGreaterThan(runs / 10);
  },
  timeLimitMs,
);

function fault(shot: Shot, problem: string): void {
  const payload = shot.payload === undefined ? '' : Buffer.from(shot.payload).toString('latin1');
  faults.push(`${JSON.stringify({ ...shot, payload })}: ${problem}`);
}

/** With holds of the accounts that it is about, where it names {@link someHold}. */
function aimed(payload: Uint8Array): Uint8Array {
  const text = Buffer.from(payload).toString('latin1');
  if (!text.includes(someHold)) return payload;
  const naming = elementsOf(payload).filter((element) => JSON.stringify(element).includes(someHold));
  return Buffer.from(
    text.replaceAll(someHold, () => {
      const { accountId, id } = (naming.shift() ?? {}) as { accountId?: unknown; id?: unknown };
      // The body's id is the account's.
      const account = accountId ?? id;
      return (typeof account === 'string' ? vouchers.holdOf(account) : undefined) ?? randomUUID();
    }),
    'latin1',
  );
}

async function fire(made: Shot): Promise<void> {
  const shot = made.payload === undefined ? made : ({ ...made, payload: aimed(made.payload) } as Shot);
  switch (shot.door) {
    case 'command': {
      const reply = await ask(shot);
      const elements = elementsOf(shot.payload);
      [reply].flat().forEach((each, index) => {
        const outcome = outcomeSchemas[shot.kind].parse(each);
        count(outcome.ok ? 'ok' : outcome.error.code);
        const problem = outcome.ok
          ? 'entry' in outcome && vouchers.takeAnswer(shot.kind, elements[index], outcome)
          : problemOf(outcome.error, elements[index]);
        if (typeof problem === 'string') fault(shot, problem);
      });
      return;
    }
    case 'query':
      for (const each of [await ask(shot)].flat()) {
        const answer = answerSchemas[shot.kind].parse(each);
        count(answer.ok ? 'ok' : answer.error.code);
        const problem = answer.ok ? undefined : problemOf(answer.error, undefined);
        if (problem !== undefined) fault(shot, problem);
      }
      return;
    case 'stream':
      for (const element of elementsOf(shot.payload)) {
        if (typeof element !== 'object' || element === null) continue;
        const { id } = element as { id?: unknown };
        if (typeof id === 'string') published.add(id.toLowerCase());
      }
      await js.publish(shot.subject, shot.payload);
      return;
    case 'http':
      await fireHttp(shot);
  }
}

async function ask({ subject, payload }: { subject: string; payload: Uint8Array }): Promise<unknown> {
  return (await nats.request(subject, payload, { timeout: patienceMs })).json();
}

async function fireHttp(shot: Extract<Shot, { door: 'http' }>): Promise<void> {
  const { status, type, text } = await http.send(shot);
  if (status >= 500 || status === 0) fault(shot, `${status} ${text}`);
  if (shot.method === 'HEAD' || status === 204) return;
  if (type.startsWith('text/event-stream')) {
    count('ok');
    return;
  }
  const answer = JSON.parse(text) as { code: ErrorCode } & AppliedOutcome;
  count(status < 400 ? 'ok' : answer.code);
  if (status >= 400) {
    const isInForm =
      type.startsWith('application/problem+json') && errorCatalogue[answer.code].status === status;
    if (!isInForm) fault(shot, `${status} ${type} ${text}`);
  } else if (shot.method === 'POST') {
    const [body] = elementsOf(shot.payload) as [{ id: string; amount: string }];
    const kind = shot.path === '/api/substract' ? 'subtract' : shot.path.slice('/api/'.length);
    // HTTP does not tell the decimals: with the account's own, an amount has all of them.
    const [, decimals = ''] = answer.entry.amount.split('.');
    const account = { ...answer, decimals: decimals.length };
    const problem = vouchers.takeAnswer(
      kind,
      { ...body, accountId: body.id },
      { ...answer, account: account as unknown as AppliedOutcome['account'] },
    );
    if (problem !== undefined) fault(shot, problem);
  }
}

function count(answer: string): void {
  answers.set(answer, (answers.get(answer) ?? 0) + 1);
}

function talliedAnswers(): string {
  const byNumber = [...answers].toSorted(([, left], [, right]) => right - left);
  return byNumber.map(([answer, times]) => `${times} ${answer}`).join(', ');
}

/** Refused for what it is; nothing here is too much, away or lost. */
function problemOf({ code, detail }: ErrorView, sent: unknown): string | undefined {
  if (errorCatalogue[code].status < 500) return undefined;
  const { deadline } = (sent ?? {}) as { deadline?: number };
  const isOver = code === 'unavailable' && deadline !== undefined && deadline <= Date.now();
  return isOver ? undefined : `${code} ${detail}`;
}

/** What is in a payload, read as JSON; nothing when it is none. */
function elementsOf(payload: Uint8Array | undefined): unknown[] {
  try {
    return [JSON.parse(Buffer.from(payload ?? []).toString()) as unknown].flat();
  } catch {
    return [];
  }
}

async function take(kind: CommandKind, command: object): Promise<void> {
  const payload = Buffer.from(JSON.stringify(command));
  const shot: Shot = { door: 'command', kind, subject: `balance.command.${kind}`, payload };
  await fire(shot);
}
