import { describe, expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import { createHash } from 'node:crypto';
import { commandIdSchema } from '../../shared/contracts/primitives.ts';
import { commandIdOf } from '../../shared/messaging/command-id.ts';
import { anonymous, identifyCommand } from './idempotency.ts';

const key = fc.string({
  unit: fc.integer({ min: 0x21, max: 0x7e }).map((code) => String.fromCharCode(code)),
  minLength: 1,
  maxLength: 255,
});

describe('a command’s identity', () => {
  test('is the same for the same caller and key, at every gateway and for ever', () => {
    // Written down: a change would make every retry across the change a second command.
    expect(commandIdOf('anonymous', 'order-4711')).toBe('075ea830-3572-8114-a075-8ac4a3b23c07');
  });

  test('is a uuid of version 8 made of the SHA-256 of caller, zero byte and key', () => {
    fc.assert(
      fc.property(fc.string(), key, (subject, given) => {
        const id = commandIdOf(subject, given);
        expect(commandIdSchema.parse(id)).toBe(id);
        const digest = createHash('sha256').update(`${subject}\0${given}`).digest().subarray(0, 16);
        digest.writeUInt8((digest.readUInt8(6) & 0x0f) | 0x80, 6);
        digest.writeUInt8((digest.readUInt8(8) & 0x3f) | 0x80, 8);
        expect(id.replaceAll('-', '')).toBe(digest.toString('hex'));
      }),
    );
  });

  test('differs between callers and keys', () => {
    expect(commandIdOf('ann', 'k')).not.toBe(commandIdOf('bob', 'k'));
    expect(commandIdOf('ann', 'k')).not.toBe(commandIdOf('ann', 'l'));
  });

  test('a made-up key is as good as a sent one', () => {
    const made = identifyCommand(anonymous, undefined);
    expect(made).toBeDefined();
    expect(identifyCommand(anonymous, made?.idempotencyKey)).toEqual(made);
    expect(identifyCommand(anonymous, undefined)).not.toEqual(made);
  });

  test.each([
    ['empty', ''],
    ['too long', 'x'.repeat(256)],
    ['with a blank', 'a b'],
    ['sent twice', 'a, a'],
    ['not ASCII', 'é'],
    ['with a control character', 'a\t'],
    ['a list', ['a', 'b']],
  ])('a key that is %s is not accepted', (_, header) => {
    expect(identifyCommand(anonymous, header)).toBeUndefined();
  });
});
