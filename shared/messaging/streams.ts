import {
  DiscardPolicy,
  JetStreamApiCodes,
  JetStreamApiError,
  jetstreamManager,
  type JetStreamManager,
  RetentionPolicy,
  StorageType,
  type StreamConfig,
} from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/nats-core';
import { nanos } from '@nats-io/nats-core';
import { retryUntilDone } from '../lifecycle/retry.ts';
import { messageOf } from '../telemetry/describe-error.ts';
import {
  asyncCommandSubjectPrefix,
  commandsStream,
  eventsStream,
  eventSubject,
  holdDueSubject,
  holdsStream,
} from '../contracts/subjects.ts';
import type { Logger } from '../telemetry/logger.ts';

type StreamSettings = Pick<
  StreamConfig,
  'name' | 'subjects' | 'retention' | 'discard' | 'max_msgs' | 'max_bytes' | 'max_age'
>;

/** After the broker did not answer, or could not make a stream. */
const retryDelayMs = 1_000;

const dayMs = 24 * 60 * 60 * 1000;
const megabyte = 1024 * 1024;

/** A message sent twice within this time is kept once. Long enough for a service that was frozen or restarted. */
const duplicateWindowMs = 2 * 60 * 1000;

/**
 * Messages leave by being done with or by their age, not by anyone's order. Whoever may publish to a stream can have the
 * broker's acknowledgement sent to its own interface, where it reads like an order to delete or purge: nats-server 2.10
 * carried that out for users who may not give it themselves.
 */
const onlyAdded = { deny_delete: true, deny_purge: true } as const;

const streams: readonly StreamSettings[] = [
  {
    name: holdsStream,
    subjects: [holdDueSubject],
    retention: RetentionPolicy.Workqueue,
    // Full: the ledger keeps its messages in the outbox and tries again. About one message a second is normal.
    discard: DiscardPolicy.New,
    max_msgs: 1_000_000,
    max_bytes: 512 * megabyte,
    max_age: 0,
  },
  {
    name: eventsStream,
    subjects: [eventSubject],
    retention: RetentionPolicy.Limits,
    // The journal is the truth; the stream is news, and forgets the oldest.
    discard: DiscardPolicy.Old,
    max_msgs: -1,
    max_bytes: 1024 * megabyte,
    max_age: nanos(7 * dayMs),
  },
  {
    name: commandsStream,
    subjects: [`${asyncCommandSubjectPrefix}*`],
    retention: RetentionPolicy.Workqueue,
    // Full: the publisher gets an error instead of an ack, so nothing was accepted.
    discard: DiscardPolicy.New,
    max_msgs: -1,
    max_bytes: 256 * megabyte,
    max_age: 0,
  },
];

/** Without the question for the account's limits, which a service's user need not be allowed. */
export function manageStreams(nats: NatsConnection): Promise<JetStreamManager> {
  return jetstreamManager(nats, { checkAPI: false });
}

/** Since when the broker has this stream, RFC 3339: another time means that it lost the one it had. */
export async function streamSince(nats: NatsConnection, name: string): Promise<string> {
  const manager = await manageStreams(nats);
  return (await manager.streams.info(name)).created;
}

/**
 * Makes the streams that are not there yet, all or the named one, on so many servers of the cluster, and leaves those that
 * are as they are: an operator may have given them more room or more replicas. Safe to call from several services at once.
 */
export async function ensureStreams(nats: NatsConnection, replicas: number, name?: string): Promise<void> {
  const manager = await manageStreams(nats);
  for (const settings of streams) {
    if (name !== undefined && settings.name !== name) continue;
    try {
      await manager.streams.info(settings.name);
    } catch (error) {
      if (!isStreamNotFound(error)) throw error;
      await manager.streams.add({
        ...settings,
        ...onlyAdded,
        storage: StorageType.File,
        num_replicas: replicas,
        duplicate_window: nanos(duplicateWindowMs),
      });
    }
  }
}

function isStreamNotFound(error: unknown): boolean {
  return error instanceof JetStreamApiError && error.code === JetStreamApiCodes.StreamNotFound;
}

/**
 * Makes the streams as `ensureStreams` does, for as long as it takes: the broker may be lost again as soon as it was met,
 * or have JetStream switched off. Throws only when `stopping` is aborted.
 */
export async function ensureStreamsWhenReachable(options: {
  nats: NatsConnection;
  replicas: number;
  logger: Logger;
  stopping: AbortSignal;
}): Promise<void> {
  const { nats, replicas, logger, stopping } = options;
  await retryUntilDone(() => ensureStreams(nats, replicas), {
    delayMs: retryDelayMs,
    stopping,
    onError: (error) =>
      logger.warn(
        { reason: messageOf(error) },
        'can’t make the streams; trying again. Is JetStream on, has it room, may this user make streams, and are there as many servers as NATS_STREAM_REPLICAS wants?',
      ),
  });
}
