import { jetstreamManager } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/nats-core';
import type { Client } from 'pg';
import { asyncCommandsConsumer, commandsStream } from '../../shared/contracts/subjects.ts';
import { eventually } from '../support/eventually.ts';

type SentCommand = { readonly id: string; readonly accountId: string };

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
    const accepted = await countUndecided(connection, books);
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
    return `after ${limitMs} ms without faults ${pending} holds are pending, ${outbox} messages in the outbox, ${accepted} messages of commands undecided`;
  }
}

/**
 * Messages of the stream that are still to be decided. Those that the consumer is done with are not, when all of their commands
 * are in the books: a broker that is killed may forget that it has removed them.
 */
async function countUndecided(connection: NatsConnection, books: Client): Promise<number> {
  const manager = await jetstreamManager(connection);
  const { state } = await manager.streams.info(commandsStream, { deleted_details: true });
  if (state.messages === 0) return 0;
  const consumer = await manager.consumers.info(commandsStream, asyncCommandsConsumer);
  const open = consumer.num_pending + consumer.num_ack_pending;
  if (open > 0) return open;
  const removed = new Set(state.deleted);
  let undecided = 0;
  for (let seq = state.first_seq; seq <= state.last_seq; seq += 1) {
    const left = removed.has(seq) ? null : await manager.streams.getMessage(commandsStream, { seq });
    if (left === null) continue;
    const commands = [left.json<SentCommand | SentCommand[]>()].flat();
    const { rows } = await books.query<{ decided: number }>(
      `SELECT count(*)::int AS decided FROM unnest($1::uuid[], $2::uuid[]) AS sent (account_id, command_id)
       WHERE EXISTS (SELECT FROM entries e WHERE (e.account_id, e.command_id) = (sent.account_id, sent.command_id))
          OR EXISTS (SELECT FROM refusals r WHERE (r.account_id, r.command_id) = (sent.account_id, sent.command_id))`,
      [commands.map(({ accountId }) => accountId), commands.map(({ id }) => id)],
    );
    if (rows[0]?.decided !== commands.length) undecided += 1;
  }
  return undecided;
}

async function countInBooks(books: Client): Promise<Pick<Unrest, 'pending' | 'outbox'>> {
  const { rows } = await books.query<Pick<Unrest, 'pending' | 'outbox'>>(
    `SELECT (SELECT count(*)::int FROM holds WHERE status = 'pending') AS pending,
            (SELECT count(*)::int FROM outbox) AS outbox`,
  );
  return rows[0] ?? { pending: 0, outbox: 0 };
}
