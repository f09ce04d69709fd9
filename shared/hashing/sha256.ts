import { hash } from 'node:crypto';

/**
 * SHA-256, 32 bytes.
 *
 * By way of a binary string: for a digest that is asked for as a Buffer, Node allocates memory outside of the heap.
 * Measured, allocating and collecting that takes as long as hashing a command does.
 */
export function sha256(data: string | Buffer): Buffer {
  return Buffer.from(hash('sha256', data, 'binary'), 'binary');
}
