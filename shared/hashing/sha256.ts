import { hash } from 'node:crypto';

/**
 * SHA-256, 32 bytes.
 *
 * Taken as a text of bytes, since Node gives each digest that is asked for as a buffer memory of its own outside of the
 * heap: measured, that and collecting it take as long as hashing a command does.
 */
export function sha256(data: string | Buffer): Buffer {
  return Buffer.from(hash('sha256', data, 'binary'), 'binary');
}
