import type { CommandId } from '../contracts/primitives.ts';
import { formatUuid } from '../contracts/uuid.ts';
import { sha256 } from '../hashing/sha256.ts';

/**
 * The command id that stands for a caller and the key it chose: the first half of SHA-256 over subject, a zero byte and
 * key, as a uuid of version 8 (RFC 9562 §5.8: "custom"). The same caller and key give the same id everywhere, with
 * nothing kept anywhere; no subject holds a zero byte.
 */
export function commandIdOf(subject: string, key: string): CommandId {
  return formatUuid(sha256(`${subject}\0${key}`).subarray(0, 16), 8) as CommandId;
}
