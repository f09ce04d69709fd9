import { createInbox, type Msg } from '@nats-io/nats-core';
import { maxCommandsPerMessage, maxMessageBytes } from '../../contracts/limits.ts';
import type { ErrorView } from '../../contracts/outcomes.ts';
import { messagingAttributes } from '../../telemetry/conventions.ts';
import type { Logger } from '../../telemetry/logger.ts';
import { secondsSince, type Metrics } from '../../telemetry/metrics.ts';
import { keepSubscription, type KeptSubscription } from '../keep-subscription.ts';
import type { NatsLink } from '../connect.ts';
import { Attempts } from './attempts.ts';
import { Slots } from './slots.ts';
import { maxPayloadOf } from '../max-payload.ts';
import { fits, splitPayloads, type MessageBounds, type Parcel } from '../split-payloads.ts';

/** How long one attempt waits for its reply. A ledger's batch takes milliseconds; a lost reply should not cost 5 s. */
const attemptMs = 1_500;

/** A further attempt needs this long to have a chance; a hopeless one would only turn "not applied" into "unknown". */
const minAttemptMs = 100;

/** One timer looks after all requests: a timer per request costs more than the request. */
const checkEveryMs = 25;

/** Pauses before another try at what may fare better later: doubling from the least to the most, each shortened at random. */
const minPauseMs = 50;
const maxPauseMs = 400;

/** While the event loop is busy with one turn's input, what was gathered so far leaves after this. */
const maxGatherMs = 25;

/** The connection coming back is noticed within this. */
const reconnectPollMs = 50;

/** Asking again would only keep a place that others need, or give an overloaded ledger more to do. */
function isBetterLeft({ code, lasts }: ErrorView): boolean {
  return code === 'overloaded' || lasts === true;
}

/** What a reply says about a request. */
export type Verdict<Answer> =
  /** The last word. */
  | { type: 'decided'; answer: Answer }
  /** A fault of the ledger's: the end, but it says nothing about other attempts. */
  | { type: 'failed'; error: ErrorView }
  /** This attempt changed nothing, and another may fare better. */
  | { type: 'retryable'; error: ErrorView }
  /** What became of this attempt is not known. */
  | { type: 'unknown' }
  /** Not a reply of ours: as good as none. */
  | { type: 'malformed' };

/** One request, and how to write, read and end it. */
export interface Request<Answer> {
  subject: string;
  /** At most so many requests of this subject in one message. */
  maxPerMessage: number;
  /** Milliseconds from now until it is answered, one way or the other. */
  deadlineMs: number;
  /** Its JSON for an attempt made now with so much time left; an error when it can't be sent yet. */
  write: (remainingMs: number) => string | ErrorView;
  read: (reply: unknown) => Verdict<Answer>;
  /** The answer when there is no outcome. */
  fail: (error: ErrorView) => Answer;
}

interface PendingRequest {
  /** In the sender's slots, greater than those of older ones; NaN until it is there. */
  key: number;
  readonly subject: string;
  readonly maxPerMessage: number;
  readonly deadlineAtMs: number;
  readonly attempts: Attempts;
  readonly write: (remainingMs: number) => string | ErrorView;
  /** Takes a reply. @returns whether that ended the request, or how the attempt ended. */
  readonly take: (reply: unknown) => 'ended' | 'retryable' | 'unknown' | 'malformed';
  readonly end: (error: ErrorView) => void;
  /** The message whose reply it waits for; none while it waits for its turn. */
  message: Message | undefined;
  /** It is in the queue of its subject. */
  queued: boolean;
  tries: number;
  retryAtMs: number;
}

interface Message {
  readonly subject: string;
  readonly sentAtMs: number;
  readonly requests: readonly PendingRequest[];
  readonly isArray: boolean;
  readonly attemptEndsAtMs: number;
  /** Until here a late reply is still of use to someone. */
  readonly keepUntilMs: number;
}

const notConnected: ErrorView = { code: 'unavailable', detail: 'Not connected to NATS.' };
const nobodyListens: ErrorView = { code: 'unavailable', detail: 'No ledger is listening.' };

/** What requests need of the connection to NATS. */
export type ClientLink = Pick<NatsLink, 'connection' | 'isConnected' | 'inboxPrefix'>;

/**
 * Requests over NATS, one message per event-loop turn and subject, each tried again until its deadline.
 *
 * It has one inbox subscription of its own: measured, `connection.request` costs 15 to 19 µs more per request.
 */
export class RequestSender {
  readonly #link: ClientLink;
  readonly #logger: Logger;
  readonly #duration: Metrics['natsRequestDuration'];
  readonly #inbox: string;
  readonly #subscription: KeptSubscription;
  readonly #pending = new Slots<PendingRequest>();
  /** Their keys are in their replies' subjects. */
  readonly #messages = new Slots<Message>();
  #queue = new Map<string, PendingRequest[]>();
  #flushing = false;
  #gatheringSinceMs = 0;
  #timer: NodeJS.Timeout | undefined;
  #whenIdle: (() => void) | undefined;

  constructor(options: { link: ClientLink; logger: Logger; metrics: Pick<Metrics, 'natsRequestDuration'> }) {
    const { link } = options;
    this.#link = link;
    this.#logger = options.logger;
    this.#duration = options.metrics.natsRequestDuration;
    this.#inbox = createInbox(link.inboxPrefix);
    this.#subscription = keepSubscription(link.connection, `${this.#inbox}.*`, {
      onMessage: (message) => this.#receive(message),
      onRefused: (error) =>
        this.#logger.error(
          { err: error },
          'NATS refuses the inbox, so no reply can come: let this user subscribe to it; trying again until it may',
        ),
    });
  }

  /** Requests that are not answered yet. */
  get inFlight(): number {
    return this.#pending.size;
  }

  send<Answer>(request: Request<Answer>): Promise<Answer> {
    return new Promise((resolve) => {
      const attempts = new Attempts(notConnected);
      const nowMs = performance.now();
      const pending: PendingRequest = {
        key: NaN,
        subject: request.subject,
        maxPerMessage: request.maxPerMessage,
        deadlineAtMs: nowMs + request.deadlineMs,
        attempts,
        write: request.write,
        take: (reply) => {
          const verdict = request.read(reply);
          switch (verdict.type) {
            case 'decided':
              resolve(verdict.answer);
              return 'ended';
            case 'failed':
              resolve(request.fail(attempts.failed(verdict.error)));
              return 'ended';
            case 'retryable':
              attempts.changedNothing(verdict.error);
              if (!isBetterLeft(verdict.error) || attempts.mayHaveChangedSomething) return 'retryable';
              resolve(request.fail(verdict.error));
              return 'ended';
            case 'unknown':
            case 'malformed':
              return verdict.type;
          }
        },
        end: (error) => resolve(request.fail(error)),
        message: undefined,
        queued: false,
        tries: 0,
        retryAtMs: 0,
      };
      pending.key = this.#pending.add(pending);
      this.#enqueue(pending, nowMs);
      this.#timer ??= setInterval(() => this.#checkAll(), checkEveryMs);
    });
  }

  /** Resolves when every request has its answer, which their deadlines bound, and the inbox is gone. */
  async close(): Promise<void> {
    if (this.#pending.size > 0) await new Promise<void>((resolve) => (this.#whenIdle = resolve));
    clearInterval(this.#timer);
    this.#subscription.unsubscribe();
  }

  #enqueue(pending: PendingRequest, nowMs: number): void {
    pending.queued = true;
    const waiting = this.#queue.get(pending.subject);
    if (waiting === undefined) this.#queue.set(pending.subject, [pending]);
    else waiting.push(pending);
    if (this.#flushing) {
      // With more than a thousand busy sockets that turn can take seconds.
      if (nowMs - this.#gatheringSinceMs >= maxGatherMs) this.#flush();
      return;
    }
    this.#flushing = true;
    this.#gatheringSinceMs = nowMs;
    // After all of this turn's input was read: what arrived together leaves together. A microtask would run between
    // two sockets' input, and each message would carry one request.
    setImmediate(() => this.#flush());
  }

  #flush(): void {
    const queue = this.#queue;
    this.#queue = new Map();
    this.#flushing = false;
    const nowMs = performance.now();
    for (const [subject, requests] of queue) {
      for (const pending of requests) pending.queued = false;
      // The client would keep what it can't send, and send it later: nothing is published to a connection that is down.
      if (this.#link.isConnected()) this.#publish(subject, requests, nowMs);
      else for (const pending of requests) this.#holdBack(pending, notConnected, nowMs);
    }
  }

  #publish(subject: string, requests: readonly PendingRequest[], nowMs: number): void {
    const bounds = this.#bounds(requests);
    const ready: { of: PendingRequest; json: string }[] = [];
    for (const pending of requests) {
      const json = pending.write(pending.deadlineAtMs - nowMs);
      if (typeof json !== 'string') this.#holdBack(pending, json, nowMs);
      else if (fits(json, bounds)) ready.push({ of: pending, json });
      else
        this.#end(pending, {
          code: 'payload_too_large',
          detail: `It is larger than ${bounds.maxBytes} bytes.`,
        });
    }
    for (const parcel of splitPayloads(ready, bounds)) this.#publishParcel(subject, parcel, nowMs);
  }

  /** The contract's bounds, or less where the server or the reply wants it. */
  #bounds(requests: readonly PendingRequest[]): MessageBounds {
    const maxBytes = Math.min(maxMessageBytes, maxPayloadOf(this.#link.connection));
    const maxElements = Math.min(maxCommandsPerMessage, requests[0]?.maxPerMessage ?? 1);
    return { maxElements, maxBytes };
  }

  #publishParcel(subject: string, parcel: Parcel<PendingRequest>, nowMs: number): void {
    const message: Message = {
      subject,
      sentAtMs: nowMs,
      requests: parcel.elements,
      isArray: parcel.isArray,
      attemptEndsAtMs: nowMs + attemptMs,
      keepUntilMs: parcel.elements.reduce((latest, pending) => Math.max(latest, pending.deadlineAtMs), 0),
    };
    const key = this.#messages.add(message);
    try {
      this.#link.connection.publish(subject, parcel.payload, { reply: `${this.#inbox}.${key}` });
    } catch (error) {
      // It throws before it takes the message: closed or draining.
      this.#messages.take(key);
      this.#logger.warn({ err: error, subject }, 'could not publish; it is tried again until its deadline');
      for (const pending of parcel.elements) this.#holdBack(pending, notConnected, nowMs);
      return;
    }
    for (const pending of parcel.elements) {
      pending.message = message;
      pending.tries += 1;
      pending.attempts.published();
    }
  }

  #holdBack(pending: PendingRequest, reason: ErrorView, nowMs: number): void {
    pending.attempts.heldBack(reason);
    pending.retryAtMs = nowMs + reconnectPollMs;
  }

  #receive(received: Msg): void {
    const message = this.#messages.take(Number(received.subject.slice(this.#inbox.length + 1)));
    if (message === undefined) return;
    if (received.data.length === 0 && received.headers?.code === 503) {
      for (const pending of message.requests) {
        if (!this.#pending.has(pending.key)) continue;
        pending.attempts.changedNothing(nobodyListens);
        this.#retryLater(pending, message);
      }
      return;
    }
    this.#duration.record(secondsSince(message.sentAtMs), messagingAttributes(message.subject, 'send'));
    const replies = readReplies(received, message);
    let malformed = replies === undefined;
    for (const [index, pending] of message.requests.entries()) {
      if (!this.#pending.has(pending.key)) continue;
      const end = replies === undefined ? 'malformed' : pending.take(replies[index]);
      malformed ||= end === 'malformed';
      if (end === 'ended') this.#forget(pending);
      else this.#retryLater(pending, message);
    }
    if (malformed) {
      this.#logger.error(
        { subject: message.subject },
        'a reply is not of the known form: do ledger and client have the same version?',
      );
    }
  }

  /** After an attempt that ended without an outcome; of an earlier one, that is no news. */
  #retryLater(pending: PendingRequest, ended: Message): void {
    if (pending.message !== ended) return;
    pending.message = undefined;
    const pauseMs = Math.min(minPauseMs * 2 ** (pending.tries - 1), maxPauseMs);
    pending.retryAtMs = performance.now() + pauseMs * (0.5 + Math.random() / 2);
  }

  #checkAll(): void {
    const nowMs = performance.now();
    const connected = this.#link.isConnected();
    const again: PendingRequest[] = [];
    for (const [, pending] of this.#pending) {
      const leftMs = pending.deadlineAtMs - nowMs;
      if (leftMs <= 0) {
        this.#end(pending, pending.attempts.atDeadline());
      } else if (pending.message !== undefined) {
        // A reply over a connection that went down is lost; waiting for it would be waiting for nothing.
        if (nowMs >= pending.message.attemptEndsAtMs || !connected) pending.message = undefined;
      } else if (!pending.queued && nowMs >= pending.retryAtMs && leftMs >= minAttemptMs) {
        again.push(pending);
      }
    }
    // Slots are in no order; the oldest goes first.
    for (const pending of again.toSorted((left, right) => left.key - right.key))
      this.#enqueue(pending, nowMs);
    for (const [key, message] of this.#messages) {
      if (nowMs >= message.keepUntilMs) this.#messages.take(key);
    }
    if (this.#pending.size === 0) {
      clearInterval(this.#timer);
      this.#timer = undefined;
    }
  }

  #end(pending: PendingRequest, error: ErrorView): void {
    pending.end(error);
    this.#forget(pending);
  }

  #forget(pending: PendingRequest): void {
    this.#pending.take(pending.key);
    if (this.#pending.size === 0) this.#whenIdle?.();
  }
}

/**
 * The reply's elements in the order of the request's; undefined when the reply has another form than its request. A
 * failure of the message as a whole is one object, also for an array: it is every element's.
 */
function readReplies(received: Msg, message: Message): unknown[] | undefined {
  let reply: unknown;
  try {
    reply = JSON.parse(received.string());
  } catch {
    return undefined;
  }
  if (!message.isArray) return Array.isArray(reply) ? undefined : [reply];
  if (Array.isArray(reply)) return reply.length === message.requests.length ? reply : undefined;
  return isFailure(reply) ? message.requests.map(() => reply) : undefined;
}

function isFailure(reply: unknown): boolean {
  return typeof reply === 'object' && reply !== null && 'ok' in reply && reply.ok === false;
}
