import { describe, expect, test } from '@jest/globals';
import { createLogger } from '../telemetry/logger.ts';
import { Closers } from './closers.ts';

function newClosers() {
  const lines: string[] = [];
  const closers = new Closers(createLogger('test', 'error', { write: (line) => lines.push(line) }));
  return { closers, lines };
}

describe('closers', () => {
  test('close in reverse order, each after the one before is done', async () => {
    const { closers } = newClosers();
    const seen: string[] = [];
    closers.add('first', () => void seen.push('first'));
    closers.add('second', async () => {
      seen.push('second begins');
      await Promise.resolve();
      seen.push('second ends');
    });
    await expect(closers.closeAll(1000)).resolves.toBe(true);
    expect(seen).toEqual(['second begins', 'second ends', 'first']);
  });

  test('go on after one that fails', async () => {
    const { closers, lines } = newClosers();
    const seen: string[] = [];
    closers.add('first', () => void seen.push('first'));
    closers.add('second', () => Promise.reject(new Error('stuck drawer')));
    await expect(closers.closeAll(1000)).resolves.toBe(false);
    expect(seen).toEqual(['first']);
    expect(lines.join('')).toContain('stopping second failed');
  });

  test('give up on one that never ends, and name it', async () => {
    const { closers, lines } = newClosers();
    closers.add('the endless one', () => new Promise(() => {}));
    await expect(closers.closeAll(20)).resolves.toBe(false);
    expect(lines.join('')).toContain('stopping the endless one took too long');
  });

  test('close also what is added while they close', async () => {
    const { closers } = newClosers();
    const seen: string[] = [];
    closers.add('first', () => closers.add('late', () => void seen.push('late')));
    await expect(closers.closeAll(1000)).resolves.toBe(true);
    expect(seen).toEqual(['late']);
  });
});
