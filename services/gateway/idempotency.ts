import { hash, randomUUID } from 'node:crypto';
import type { CommandId } from '../../shared/contracts/primitives.ts';

/** Whose keys they are while nobody has to say who they are. Later: the subject of the caller's token. */
export const ANONYMOUS = 'anonymous';

/** 1 to 255 visible ASCII characters. A header sent twice arrives joined by ", ", whose blank is not one of them. */
const KEY_PATTERN = /^[\x21-\x7e]{1,255}$/;

/** What one request to change something is known by, in every answer to it. */
export interface CommandIdentity {
  commandId: CommandId;
  idempotencyKey: string;
}

/**
 * The identity of a command that came with this `Idempotency-Key`, or with none: then a key is made up, and sending the
 * command again with it is as good as having had it from the start. Undefined when the key is not acceptable.
 */
export function identifyCommand(
  subject: string,
  header: string | string[] | undefined,
): CommandIdentity | undefined {
  const idempotencyKey = header ?? randomUUID();
  if (typeof idempotencyKey !== 'string' || !KEY_PATTERN.test(idempotencyKey)) return undefined;
  return { commandId: commandIdOf(subject, idempotencyKey), idempotencyKey };
}

/**
 * SHA-256 of subject, a zero byte and key, cut to a uuid of version 8 (RFC 9562 §5.8: "custom"). The same caller and
 * key give the same id at every gateway, with nothing kept anywhere; no subject holds a zero byte.
 */
export function commandIdOf(subject: string, key: string): CommandId {
  const hex = hash('sha256', `${subject}\0${key}`, 'hex');
  const variant = '89ab'.charAt(Number.parseInt(hex.charAt(16), 16) & 3);
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-${variant}${hex.slice(17, 20)}-${hex.slice(20, 32)}` as CommandId;
}
