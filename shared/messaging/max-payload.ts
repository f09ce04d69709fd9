import type { NatsConnection } from '@nats-io/nats-core';

/** Bytes that the server takes as one payload; Infinity until it has said. */
export function maxPayloadOf({ info }: NatsConnection): number {
  return info?.max_payload ?? Infinity;
}
