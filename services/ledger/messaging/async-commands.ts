import { jetstream, type JsMsg } from '@nats-io/jetstream';
import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from '../../../shared/telemetry/logger.ts';
import type { RefusalFact } from '../../../shared/contracts/events.ts';
import type { ErrorView } from '../../../shared/contracts/outcomes.ts';
import { accountIdSchema, commandIdSchema } from '../../../shared/contracts/primitives.ts';
import {
  accountCommandKinds,
  asyncCommandsConsumer,
  asyncCommandSubjectPrefix,
  commandsStream,
  eventSubject,
  type AccountCommandKind,
} from '../../../shared/contracts/subjects.ts';
import type { NatsLink } from '../../../shared/messaging/connect.ts';
import { consumeStream } from '../../../shared/messaging/consume-stream.ts';
import type { Metrics } from '../../../shared/telemetry/metrics.ts';
import type { Outcome } from '../domain/execute-batch.ts';
import { formatMicros, type Micros } from '../domain/time.ts';
import type { Failure } from '../run-batch.ts';
import type { CommandObserver } from '../telemetry.ts';
import type { QueuedCommand } from './commands.ts';
import { readPayload, type PayloadElement } from './payload.ts';
import { readCommand } from './read-command.ts';

/** Longer than a command can take, all retries included. */
const ackWaitMs = 30_000;
/** How long a batch tries on; what comes to nothing by then is tried again well before the broker delivers it by itself. */
const giveUpAfterMs = 15_000;
/** Messages that the ledgers have, begun or not: little to deliver again after a crash. */
const maxAckPending = 1_024;
/**
 * With so many commands under way no further message is begun: three batches, so that with arrays of the largest size the next
 * one is in the queue before the last is done. The queue's other places are for those who wait for an answer.
 */
const maxUnderWay = 1_536;
/** Bytes of the messages that have not begun. What comes on top is given back to the broker, to come again after so long. */
const maxWaitingBytes = 32 * 1024 * 1024;
const fullDelayMs = 5_000;
/** A message that fails is delivered again after so long. */
const retryDelayMs = 1_000;
/**
 * A command that fails by a fault of ours at this delivery or a later one is given up, and that is told as a fact. What the
 * deliveries before came to makes no difference.
 */
const maxDeliveries = 60;

interface AsyncCommandsOptions {
  readonly link: NatsLink;
  readonly streamReplicas: number;
  readonly offer: (command: QueuedCommand) => boolean;
  readonly observe: CommandObserver;
  readonly logger: Logger;
  readonly metrics: Pick<Metrics, 'redeliveries'>;
  readonly stopping: AbortSignal;
  /** The books' time. */
  readonly now: () => Promise<Micros>;
  /** The broker is there, or there again. */
  readonly onOpen: () => Promise<void>;
}

/** What became of one element: told as a fact or in the books, or to be tried again. */
type Fate = 'done' | 'retry';

/**
 * Takes the commands of `balance.async.*`, whose senders do not wait, through the same batches as all others. A message
 * is acknowledged once every outcome in it is committed; a refusal is a fact on `balance.event`. Runs until the service
 * stops.
 */
export async function consumeAsyncCommands(options: AsyncCommandsOptions): Promise<void> {
  const messages = new AsyncMessages(options);
  try {
    await consumeStream({
      ...options,
      stream: commandsStream,
      consumer: asyncCommandsConsumer,
      ackWaitMs,
      maxAckPending,
      maxMessages: maxAckPending / 2,
      usualDeliveries: 1,
      onMessage: (message) => messages.add(message),
      keepAlive: () => messages.keepAlive(),
    });
  } finally {
    messages.stop();
  }
}

type MessagesOptions = Pick<AsyncCommandsOptions, 'link' | 'offer' | 'observe' | 'logger' | 'now'>;

/** Carries out messages in the order in which they came, as many at a time as {@link maxUnderWay} lets. */
export class AsyncMessages {
  readonly #options: MessagesOptions;
  #waiting: JsMsg[] = [];
  #waitingBytes = 0;
  /** Those that wait, and those that are under way. */
  readonly #unsettled = new Set<JsMsg>();
  #commandsUnderWay = 0;

  constructor(options: MessagesOptions) {
    this.#options = options;
  }

  add(message: JsMsg): void {
    if (this.#waitingBytes + message.data.length > maxWaitingBytes) {
      message.nak(fullDelayMs);
      return;
    }
    this.#waiting.push(message);
    this.#waitingBytes += message.data.length;
    this.#unsettled.add(message);
    this.#begin();
  }

  /** To be called well within `ackWaitMs`, or the broker delivers what waits here once more. */
  keepAlive(): void {
    for (const message of this.#unsettled) message.working();
  }

  /** Gives back what has not begun. Nothing may be added any more. */
  stop(): void {
    for (const message of this.#waiting) {
      this.#unsettled.delete(message);
      message.nak();
    }
    this.#waiting = [];
    this.#waitingBytes = 0;
  }

  #begin(): void {
    while (this.#commandsUnderWay < maxUnderWay) {
      const message = this.#waiting.shift();
      if (message === undefined) return;
      this.#waitingBytes -= message.data.length;
      void this.#carryOut(message);
    }
  }

  async #carryOut(message: JsMsg): Promise<void> {
    let commands = 0;
    const isDone = await takeMessage(message, this.#options, (count) => {
      commands = count;
      this.#commandsUnderWay += count;
    });
    this.#unsettled.delete(message);
    // What fails keeps its place until it comes again: the next ones would most likely fail as well, and as fast as they come.
    if (!isDone) await delay(retryDelayMs, undefined, { ref: false });
    this.#commandsUnderWay -= commands;
    this.#begin();
  }
}

/**
 * @param begins is told how many commands it has, before the first of them is offered.
 * @returns whether it is done with; otherwise it will be delivered again.
 */
async function takeMessage(
  message: JsMsg,
  options: MessagesOptions,
  begins: (commands: number) => void,
): Promise<boolean> {
  try {
    const kind = accountCommandKinds.find((each) => asyncCommandSubjectPrefix + each === message.subject);
    const payload = readPayload(message.data);
    const lastTry = message.info.deliveryCount >= maxDeliveries;
    // While ledgers are updated one after the other, another one may know it already.
    if (kind === undefined && !lastTry) throw new Error(`this version knows no ${message.subject}`);
    if (kind === undefined || 'error' in payload) {
      const detail = 'error' in payload ? payload.error.detail : 'There is no such command.';
      options.logger.error(
        { subject: message.subject, seq: message.seq, detail },
        'an unreadable command was dropped from the stream: its sender must send it as docs/nats.md says',
      );
      message.term('unreadable');
      return true;
    }
    begins(payload.elements.length);
    const fates = await Promise.all(
      payload.elements.map((element) => takeElement(kind, element, lastTry, options)),
    );
    if (!fates.includes('retry')) {
      message.ack();
      return true;
    }
  } catch (error) {
    options.logger.warn({ err: error, seq: message.seq }, 'a command from the stream is tried again');
  }
  message.nak(retryDelayMs);
  return false;
}

async function takeElement(
  kind: AccountCommandKind,
  element: PayloadElement,
  lastTry: boolean,
  options: MessagesOptions,
): Promise<Fate> {
  const read = readCommand(kind, element, options.observe, { unattended: true });
  if ('error' in read) return publishRefusal(element, read.error, options);
  const { command, observation } = read;
  const outcome = await new Promise<Outcome | Failure | { type: 'overloaded' }>((answer) => {
    const queuedAtMs = performance.now();
    const giveUpAtMs = queuedAtMs + giveUpAfterMs;
    if (!options.offer({ command, queuedAtMs, giveUpAtMs, span: observation.span, answer }))
      answer({ type: 'overloaded' });
  });
  observation.end(outcome);
  switch (outcome.type) {
    case 'applied':
    case 'refused':
    case 'expired':
      return 'done';
    case 'overloaded':
      return 'retry';
    case 'failed':
      // A database that can't be asked is no reason to forget what was accepted, however long that takes.
      if (!lastTry || outcome.code !== 'internal') return 'retry';
      return publishRefusal(
        element,
        {
          code: outcome.code,
          detail: 'It was given up. Should an earlier try have got through after all, its entry tells.',
        },
        options,
      );
  }
}

/** Publishes a refusal that no batch has seen: the payload itself was wrong, or the command was given up. */
async function publishRefusal(
  { value }: PayloadElement,
  error: ErrorView,
  { link, logger, now }: MessagesOptions,
): Promise<Fate> {
  const { id, accountId } =
    typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
  const command = commandIdSchema.safeParse(id);
  const account = accountIdSchema.safeParse(accountId);
  if (!command.success || !account.success) {
    logger.error(
      { commandId: command.data, accountId: account.data, detail: error.detail },
      'a command without a readable id or account was dropped: its sender must send it as docs/nats.md says',
    );
    return 'done';
  }
  const fact: RefusalFact = {
    type: 'refusal',
    accountId: account.data,
    commandId: command.data,
    code: error.code,
    detail: error.detail,
    at: formatMicros(await now()),
  };
  await jetstream(link.connection).publish(eventSubject, JSON.stringify([fact]));
  return 'done';
}
