import type { NatsLink } from '../../../shared/messaging/connect.ts';
import { manageStreams } from '../../../shared/messaging/streams.ts';
import { eventsStream } from '../../../shared/contracts/subjects.ts';
import type { StreamState } from './cursor.ts';

/** What there is of the stream of facts. Rejects when the broker does not answer, or has no such stream. */
export async function readStreamState({ connection }: NatsLink): Promise<StreamState> {
  const manager = await manageStreams(connection);
  const { created, state } = await manager.streams.info(eventsStream);
  return { since: Date.parse(created), first: state.first_seq, last: state.last_seq };
}

/** The text of one message; undefined when it is not there any more. */
export async function readStoredMessage(
  { connection }: NatsLink,
  sequence: number,
): Promise<string | undefined> {
  const manager = await manageStreams(connection);
  const stored = await manager.streams.getMessage(eventsStream, { seq: sequence });
  return stored?.string();
}
