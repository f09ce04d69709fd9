import type { NatsConnection } from '@nats-io/nats-core';

/** More than the headers of any message of ours take: the server counts them too. */
const headerBytes = 512;

/** Bytes that the server takes as one payload, whatever its headers; Infinity until it has said. */
export function maxPayloadOf({ info }: NatsConnection): number {
  return info === undefined ? Infinity : info.max_payload - headerBytes;
}
