import { randomUUID } from 'node:crypto';
import { commandIdOf } from '../../shared/messaging/command-id.ts';
import type { CommandId } from '../../shared/contracts/primitives.ts';

/** Whose keys they are where nobody has to say who they are; else they are the subject's of the caller's token. */
export const anonymous = 'anonymous';

/** 1 to 255 visible ASCII characters. A header sent twice arrives joined by ", ", whose blank is not one of them. */
const keyPattern = /^[\x21-\x7e]{1,255}$/;

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
  if (typeof idempotencyKey !== 'string' || !keyPattern.test(idempotencyKey)) return undefined;
  return { commandId: commandIdOf(subject, idempotencyKey), idempotencyKey };
}
