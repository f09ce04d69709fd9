import { jetstreamManager } from '@nats-io/jetstream';
import { randomUUID } from 'node:crypto';
import { anonymous } from '../../../services/gateway/idempotency.ts';
import { commandsStream, eventsStream, holdsStream } from '../../../shared/contracts/subjects.ts';
import type { AccountCommandKind } from '../../../shared/contracts/subjects.ts';
import { commandIdOf } from '../../../shared/messaging/command-id.ts';
import type { NatsLink } from '../../../shared/messaging/connect.ts';
import { arrayDoor, streamDoor } from '../clients/nats-doors.ts';
import type { Answer, History, HoldToEnd, Operation } from '../history.ts';
import type { ChaosStack } from '../stack/chaos-stack.ts';

/** Where a scenario takes place: two ledgers, a settler, a broker, and a caller whose every word is kept. */
export class Ground {
  readonly stack: ChaosStack;
  readonly link: NatsLink;
  readonly #history: History;

  constructor(stack: ChaosStack, link: NatsLink, history: History) {
    this.stack = stack;
    this.link = link;
    this.#history = history;
  }

  /** A command that nobody has sent yet; amounts in minor units. */
  command(kind: AccountCommandKind, accountId: string, amount = 0, hold?: HoldToEnd): Operation {
    const key = randomUUID();
    return this.#history.begin({
      key,
      id: commandIdOf(anonymous, key),
      accountId,
      kind,
      amount,
      ...(hold !== undefined && { hold }),
    });
  }

  /** A transfer that nobody has sent yet. */
  transfer(accountId: string, toAccountId: string, amount: number): Operation {
    const key = randomUUID();
    const id = commandIdOf(anonymous, key);
    return this.#history.begin({ key, id, accountId, kind: 'transfer', amount, toAccountId });
  }

  /** A hold's extension that nobody has sent yet. */
  extend(accountId: string, hold: HoldToEnd, dueInSeconds: number): Operation {
    const key = randomUUID();
    const id = commandIdOf(anonymous, key);
    const { amount } = hold;
    return this.#history.begin({ key, id, accountId, kind: 'extend', amount, hold, dueInSeconds });
  }

  /** Holds an amount. */
  async hold(accountId: string, amount: number): Promise<HoldToEnd> {
    const [answer] = await this.ask([this.command('subtract', accountId, amount)]);
    if (answer?.is !== 'ok' || answer.holdId === undefined) throw new Error('nothing was held');
    return { id: answer.holdId, amount };
  }

  /** Sends commands of one kind in one message, and gives what was answered. */
  async ask(operations: readonly Operation[], patienceMs = 5_000): Promise<readonly Answer[]> {
    const deadlineMs = Date.now() + patienceMs;
    const door = arrayDoor(this.link);
    const completions = operations.map((operation) => this.#history.call(operation, door.name, deadlineMs));
    const answers = await door.send(operations, deadlineMs);
    completions.forEach((complete, index) =>
      complete(answers[index] ?? { is: 'fault', text: 'no answer was given' }),
    );
    return answers;
  }

  /** Leaves a command with the stream, and does not wait for what becomes of it. */
  async leave(operation: Operation): Promise<void> {
    const door = streamDoor(this.link);
    const complete = this.#history.call(operation, door.name);
    const [answer] = await door.send([operation], undefined);
    complete(answer ?? { is: 'fault', text: 'no answer was given' });
  }

  /** Opens an account with some money on it. */
  async account(balance = 0): Promise<string> {
    const accountId = randomUUID();
    await this.ask([this.command('open', accountId)]);
    if (balance > 0) await this.ask([this.command('add', accountId, balance)]);
    return accountId;
  }
}

/** Takes from the broker all that an earlier scenario has left. */
export async function clearStreams({ connection }: NatsLink): Promise<void> {
  const manager = await jetstreamManager(connection);
  for (const stream of [commandsStream, eventsStream, holdsStream]) {
    await manager.streams.delete(stream).catch(() => undefined);
  }
}
