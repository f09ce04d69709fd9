/** A message that must reach the broker because of what a batch did: a row of the outbox. */
export interface OutboxMessage {
  readonly topic: 'event' | 'due';
  /** What the broker recognises a second sending by, unless it was gathered with others before. */
  readonly messageId: string;
  readonly payload: string;
}
