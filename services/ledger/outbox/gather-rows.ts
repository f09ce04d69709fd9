import { splitPayloads } from '../../../shared/messaging/split-payloads.ts';
import type { Span } from '../../../shared/telemetry/tracing.ts';
import type { OutboxMessage } from '../store/outbox-message.ts';
import { eventMessage, factBounds } from './messages.ts';

/** A row of the outbox, and the span of the batch that wrote it when that is sampled. */
export interface OutgoingRow {
  readonly id: bigint;
  readonly message: OutboxMessage;
  readonly batch?: Span | undefined;
}

/** One message, and the rows whose content it is. */
export interface Outgoing {
  readonly message: OutboxMessage;
  readonly rows: readonly OutgoingRow[];
}

/**
 * The facts of several batches in one message, or in a few when one would be too large for the broker: the broker takes, writes and
 * syncs each by itself. Due seconds stay alone, since their ids tell the broker which it has.
 *
 * What is gathered gets an id of its own, never that of one of its rows: another ledger's relay may have sent that row
 * alone, and the broker would take this for a second sending and drop the other rows.
 */
export function gatherRows(rows: readonly OutgoingRow[], maxPayload: number): Outgoing[] {
  const bounds = factBounds(maxPayload);
  const facts = rows
    .filter(({ message }) => message.topic === 'event')
    .map((row) => ({ of: row, json: row.message.payload.slice(1, -1) }));
  const gathered = splitPayloads(facts, bounds).flatMap(({ elements, payload, isArray }) =>
    isArray ? { message: eventMessage(payload), rows: elements } : elements.map(alone),
  );
  return [...gathered, ...rows.filter(({ message }) => message.topic === 'due').map(alone)];
}

/** A row's message as it is, under its own id. */
export function alone(row: OutgoingRow): Outgoing {
  return { message: row.message, rows: [row] };
}
