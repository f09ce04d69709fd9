import { maxMessageBytes } from '../../../shared/contracts/limits.ts';
import { sha256 } from '../../../shared/hashing/sha256.ts';
import { splitPayloads } from '../../../shared/messaging/split-payloads.ts';
import type { Span } from '../../../shared/telemetry/tracing.ts';
import type { OutboxMessage, StoredMessage } from '../store/outbox-message.ts';
import type { SendableMessage } from './messages.ts';

/** A row of the outbox, and the span of the batch that wrote it when that is sampled. */
export interface OutgoingRow extends StoredMessage<SendableMessage> {
  readonly batch?: Span | undefined;
}

/** One message to the broker, and the rows that it tells of: of a large one perhaps a part. */
export interface BrokerMessage extends Pick<OutboxMessage, 'topic' | 'messageId' | 'payload'> {
  readonly rows: readonly OutgoingRow[];
}

/**
 * The facts of several batches in one message, or in a few when one would be too large for the broker, which takes, writes
 * and syncs each by itself. Due seconds stay alone, since their ids tell the broker which it has.
 *
 * What is gathered or cut gets an id made of its content, never that of one of its rows: the broker drops what comes under
 * an id that it knows, so whatever comes under that of a row must be all of the row and nothing else.
 */
export function gatherRows(rows: readonly OutgoingRow[], maxPayload: number): BrokerMessage[] {
  const bounds = {
    maxElements: Number.MAX_SAFE_INTEGER,
    maxBytes: Math.min(maxMessageBytes, maxPayload),
  };
  const facts = rows
    .filter(({ message }) => message.topic === 'event')
    .flatMap((row) => row.message.facts.map((json) => ({ of: row, json })));
  const gathered = splitPayloads(facts, bounds).map(({ elements, payload, isArray }): BrokerMessage => {
    const includedRows = [...new Set(elements)];
    const [only, ...others] = includedRows;
    const isOneRow = others.length === 0 && only?.message.facts.length === elements.length;
    return {
      topic: 'event',
      messageId: isOneRow ? only.message.messageId : `event:${sha256(payload).toString('hex')}`,
      payload: isArray ? payload : `[${payload}]`,
      rows: includedRows,
    };
  });
  const due = rows
    .filter(({ message }) => message.topic === 'due')
    .map((row): BrokerMessage => {
      const { topic, messageId, payload } = row.message;
      return { topic, messageId, payload, rows: [row] };
    });
  return [...gathered, ...due];
}
