import type { Msg, NatsConnection } from '@nats-io/nats-core';
import type { Logger } from '../../../shared/telemetry/logger.ts';
import type { ErrorView } from '../../../shared/contracts/outcomes.ts';
import { isReplySubject, ledgerQueueGroup } from '../../../shared/contracts/subjects.ts';
import { keepSubscription, type KeptSubscription } from '../../../shared/messaging/keep-subscription.ts';
import { readPayload, type Payload } from './payload.ts';

/** Sends the JSON of a reply; does not throw. */
export type Reply = (json: string) => void;

interface Requests<Kind extends string> {
  /** What the subject begins with; its kind follows. */
  readonly prefix: string;
  readonly kinds: readonly Kind[];
  /** What one of them is called. */
  readonly noun: 'command' | 'query';
  /** Asked before a message is read; then it is refused as `overloaded`. `kind` is undefined for a subject that nobody knows. */
  readonly isFull?: (kind: Kind | undefined) => boolean;
  readonly handle: (kind: Kind, payload: Payload, reply: Reply) => Promise<void> | void;
  readonly logger: Logger;
}

/** Answers the requests of the ledger's queue group, until the subscription is drained. What is no request is dropped. */
export function serveRequests<Kind extends string>(
  nats: NatsConnection,
  requests: Requests<Kind>,
): KeptSubscription {
  const { prefix, noun, logger } = requests;
  return keepSubscription(nats, `${prefix}*`, {
    queue: ledgerQueueGroup,
    onMessage: (message) => void serve(message, requests),
    onRefused: (error) =>
      logger.warn(
        { err: error, subject: `${prefix}*`, noun },
        'a subscription reports an error: may this NATS user subscribe to it? Trying again until it may',
      ),
  });
}

async function serve<Kind extends string>(message: Msg, requests: Requests<Kind>): Promise<void> {
  const { prefix, kinds, noun, isFull, handle, logger } = requests;
  const { subject, reply } = message;
  try {
    if (!reply || !isReplySubject(reply)) {
      logger.warn(
        { subject, reply },
        `a ${noun} was dropped that has no inbox for its answer: its sender must make it a request, or publish a command to balance.async.*`,
      );
      return;
    }
    const kind = kinds.find((each) => prefix + each === subject);
    if (isFull?.(kind) === true) {
      const detail = 'Too much is under way; this was not taken. Send it again a little later.';
      respond(message, refusal({ code: 'overloaded', detail }), logger);
      return;
    }
    const payload = readPayload(message.data);
    if (kind === undefined) {
      const known = kinds.map((each) => prefix + each).join(', ');
      const detail = `No such ${noun}; there are ${known}.`;
      respond(message, refusal({ code: 'invalid_request', detail }), logger);
    } else if ('error' in payload) {
      respond(message, refusal(payload.error), logger);
    } else {
      await handle(kind, payload, (json) => respond(message, json, logger));
    }
  } catch (fault) {
    logger.error(
      { err: fault, subject },
      'a message could not be handled, which is a fault of ours; its sender may ask again',
    );
  }
}

function refusal(error: ErrorView): string {
  return JSON.stringify({ ok: false, error });
}

function respond(message: Msg, json: string, logger: Logger): void {
  try {
    message.respond(json);
  } catch (error) {
    // The connection is closed for good. What was answered stays true: the caller asks again, a command under the same id.
    logger.warn(
      { err: error, subject: message.subject },
      'an answer could not be sent; its caller will ask again',
    );
  }
}
