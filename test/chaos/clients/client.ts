import { setTimeout as delay } from 'node:timers/promises';
import { beliefOf, isOutcome, type History, type Operation } from '../history.ts';
import type { Random } from '../random.ts';
import type { Accounts } from './accounts.ts';
import type { Door } from './door.ts';

/** Between two turns of one client. */
const pauseMs = { from: 5, to: 120 };
/** Before what is unknown is asked again. */
const retryPauseMs = { from: 20, to: 400 };
/** Clients that give up on what they don't know, as if they had died. */
const givesUp = 0.05;
/** Commands sent twice at once, through two doors. */
const sentTwice = 0.04;
/** What was answered is asked once more, to get the same answer. */
const askedAgain = 0.04;
const looks = 0.15;

interface ClientOptions {
  /** Where its own commands begin. */
  readonly door: Door;
  /** Where it may try again. */
  readonly doors: readonly Door[];
  readonly accounts: Accounts;
  readonly random: Random;
  readonly history: History;
  /** Told of every call that was answered with an outcome. */
  readonly onSuccess: (door: string) => void;
  /** No new commands; what is unknown is still asked for. */
  readonly stopping: AbortSignal;
  /** Nothing more at all. */
  readonly ending: AbortSignal;
}

/** Sends commands one turn after another, and what is unknown again, until it knows. */
export async function runClient(options: ClientOptions): Promise<void> {
  const { door, accounts, random, history, stopping, ending } = options;
  while (!stopping.aborted && !ending.aborted) {
    if (door.look !== undefined && random.chance(looks)) await look(door, options);
    const kind = accounts.command(door.kinds).kind;
    const count = door.most === 1 || random.chance(0.4) ? 1 : random.int(2, door.most);
    const operations = Array.from({ length: count }, () => commandOfKind(kind, options)).map((each) =>
      history.begin(each),
    );
    const twice = random.chance(sentTwice) ? anyDoorFor(operations, options) : undefined;
    await Promise.all([
      send(door, operations, options),
      twice !== undefined && send(twice, operations, options),
    ]);
    await settleDoubts(operations, options);
    if (random.chance(askedAgain)) await send(anyDoorFor(operations, options), operations, options);
    await delay(random.int(pauseMs.from, pauseMs.to), undefined, { signal: ending }).catch(() => undefined);
  }
}

/** A message holds commands of one kind alone. */
function commandOfKind(kind: string, { accounts, door }: ClientOptions): Omit<Operation, 'calls'> {
  for (;;) {
    const command = accounts.command(door.kinds);
    if (command.kind === kind) return command;
  }
}

function anyDoorFor([first, ...more]: readonly Operation[], { doors, random }: ClientOptions): Door {
  return random.pick(
    doors.filter(
      ({ kinds, most }) => most > more.length && first !== undefined && kinds.includes(first.kind),
    ),
  );
}

/** Asks again what is not known, one by one and through any door, until it is or the client gives up. */
async function settleDoubts(operations: readonly Operation[], options: ClientOptions): Promise<void> {
  const { random, ending } = options;
  for (const operation of operations) {
    while (!ending.aborted && isInDoubt(operation)) {
      if (random.chance(givesUp)) break;
      await delay(random.int(retryPauseMs.from, retryPauseMs.to));
      await send(anyDoorFor([operation], options), [operation], options);
    }
  }
}

function isInDoubt(operation: Operation): boolean {
  const { is } = beliefOf(operation);
  return is === 'unknown' || is === 'absent';
}

async function send(door: Door, operations: readonly Operation[], options: ClientOptions): Promise<void> {
  const deadlineMs = door.deadlineMs === undefined ? undefined : Date.now() + door.deadlineMs;
  const completions = operations.map((operation) => options.history.call(operation, door.name, deadlineMs));
  const answers = await door.send(operations, deadlineMs);
  completions.forEach((complete, index) =>
    complete(answers[index] ?? { is: 'fault', text: 'no answer was given' }),
  );
  options.accounts.note(operations);
  if (answers.some(isOutcome)) options.onSuccess(door.name);
}

async function look(door: Door, { accounts, history }: ClientOptions): Promise<void> {
  const accountId = accounts.any();
  const startMs = performance.now();
  const seen = await door.look?.(accountId);
  if (seen === undefined) return;
  const { version, balance, held } = seen;
  history.read({ accountId, door: door.name, startMs, endMs: performance.now(), version, balance, held });
}
