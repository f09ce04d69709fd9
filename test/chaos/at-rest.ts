import { jetstreamManager } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/nats-core';
import type { Client } from 'pg';
import { commandsStream } from '../../shared/contracts/subjects.ts';
import { eventually } from '../support/eventually.ts';

/** What is still to be done. */
interface Unrest {
  readonly pending: number;
  readonly outbox: number;
  readonly accepted: number;
}

/**
 * Waits until no hold is pending, nothing is left to be told, and no accepted command left to be decided. Gives what
 * still is after `limitMs`.
 */
export async function untilAtRest(
  books: Client,
  connection: NatsConnection,
  limitMs: number,
): Promise<string | undefined> {
  const look = async (): Promise<Unrest> => {
    // The stream first: what it gives makes holds and messages.
    const accepted = await countAccepted(connection);
    return { accepted, ...(await countInBooks(books)) };
  };
  let unrest: Unrest | undefined;
  const isAtRest = async (): Promise<true | undefined> => {
    // A look that fails says nothing about what is left.
    unrest = (await look().catch(() => undefined)) ?? unrest;
    return unrest?.pending === 0 && unrest.outbox === 0 && unrest.accepted === 0 ? true : undefined;
  };
  try {
    await eventually(isAtRest, limitMs);
    return undefined;
  } catch {
    const { pending, outbox, accepted } = unrest ?? (await look());
    return `after ${limitMs} ms without faults ${pending} holds are pending, ${outbox} messages in the outbox, ${accepted} commands undecided`;
  }
}

async function countAccepted(connection: NatsConnection): Promise<number> {
  const manager = await jetstreamManager(connection);
  return (await manager.streams.info(commandsStream)).state.messages;
}

async function countInBooks(books: Client): Promise<Pick<Unrest, 'pending' | 'outbox'>> {
  const { rows } = await books.query<Pick<Unrest, 'pending' | 'outbox'>>(
    `SELECT (SELECT count(*)::int FROM holds WHERE status = 'pending') AS pending,
            (SELECT count(*)::int FROM outbox) AS outbox`,
  );
  return rows[0] ?? { pending: 0, outbox: 0 };
}
