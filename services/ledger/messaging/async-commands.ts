import { jetstream, type JsMsg } from '@nats-io/jetstream';
import type { Logger } from '../../../shared/telemetry/logger.ts';
import type { RefusalFact } from '../../../shared/contracts/events.ts';
import type { ErrorView } from '../../../shared/contracts/outcomes.ts';
import { accountIdSchema, commandIdSchema } from '../../../shared/contracts/primitives.ts';
import {
  asyncCommandKinds,
  asyncCommandsConsumer,
  asyncCommandSubjectPrefix,
  commandsStream,
  eventSubject,
  type AsyncCommandKind,
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
const patienceMs = 15_000;
/** Two batches under way for this consumer: enough to keep the lane busy, little to deliver again after a crash. */
const maxAckPending = 1_024;
/** A message that fails is delivered again after so long. */
const retryMs = 1_000;
/** After so many deliveries a command that only ever failed is given up, and that is told as a fact. */
const maxDeliveries = 60;

interface AsyncCommandsOptions {
  readonly link: NatsLink;
  readonly streamReplicas: number;
  readonly offer: (command: QueuedCommand) => boolean;
  readonly observe: CommandObserver;
  readonly logger: Logger;
  readonly metrics: Pick<Metrics, 'redeliveries'>;
  readonly stopping: AbortSignal;
  /** The database's clock. */
  readonly now: () => Promise<Micros>;
  /** The broker is there, or there again. */
  readonly onOpen: () => Promise<void>;
}

/** What became of one element: told as a fact or in the books, or to be tried again. */
type Fate = 'done' | 'again';

/**
 * Takes the commands of `balance.async.*`, whose senders do not wait, through the same batches as all others. A message
 * is acknowledged once every outcome in it is committed; a refusal is a fact on `balance.event`. Runs until the service
 * stops.
 */
export async function consumeAsyncCommands(options: AsyncCommandsOptions): Promise<void> {
  await consumeStream({
    ...options,
    stream: commandsStream,
    consumer: asyncCommandsConsumer,
    ackWaitMs,
    maxAckPending,
    maxMessages: maxAckPending / 2,
    usualDeliveries: 1,
    onMessage: (message) => void takeMessage(message, options),
  });
}

async function takeMessage(message: JsMsg, options: AsyncCommandsOptions): Promise<void> {
  try {
    const kind = asyncCommandKinds.find((each) => asyncCommandSubjectPrefix + each === message.subject);
    const payload = readPayload(message.data);
    if (kind === undefined || 'code' in payload) {
      const detail = 'code' in payload ? payload.detail : 'There is no such command.';
      options.logger.error(
        { subject: message.subject, seq: message.seq, detail },
        'an unreadable command was dropped from the stream: its sender must send it as docs/nats.md says',
      );
      message.term('unreadable');
      return;
    }
    const lastTry = message.info.deliveryCount >= maxDeliveries;
    const fates = await Promise.all(
      payload.elements.map((element) => takeElement(kind, element, lastTry, options)),
    );
    if (fates.includes('again')) message.nak(retryMs);
    else message.ack();
  } catch (error) {
    options.logger.warn({ err: error, seq: message.seq }, 'a command from the stream is tried again');
    message.nak(retryMs);
  }
}

async function takeElement(
  kind: AsyncCommandKind,
  element: PayloadElement,
  lastTry: boolean,
  options: AsyncCommandsOptions,
): Promise<Fate> {
  const read = readCommand(kind, element, options.observe, { unattended: true });
  if ('error' in read) return tellRefusal(element, read.error, options);
  const { command, observation } = read;
  const outcome = await new Promise<Outcome | Failure | { type: 'overloaded' }>((answer) => {
    const sinceMs = performance.now();
    const patientUntilMs = sinceMs + patienceMs;
    if (!options.offer({ command, sinceMs, patientUntilMs, span: observation.span, answer }))
      answer({ type: 'overloaded' });
  });
  observation.end(outcome);
  switch (outcome.type) {
    case 'applied':
    case 'refused':
    case 'expired':
      return 'done';
    case 'overloaded':
      return 'again';
    case 'failed':
      if (!lastTry || outcome.code === 'outcome_unknown') return 'again';
      return tellRefusal(
        element,
        {
          code: outcome.code,
          detail: 'It was given up. Should an earlier try have got through after all, its entry tells.',
        },
        options,
      );
  }
}

/** Tells a refusal that no batch has seen: the payload itself was wrong, or the command was given up. */
async function tellRefusal(
  { value }: PayloadElement,
  error: ErrorView,
  { link, logger, now }: AsyncCommandsOptions,
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
