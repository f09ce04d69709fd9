import { describe, expect, test } from '@jest/globals';
import { createLogger } from './logger.ts';

/** The lines that `write` logs, parsed. */
function logged(write: (logger: ReturnType<typeof createLogger>) => void): Record<string, unknown>[] {
  const lines: string[] = [];
  write(createLogger('ledger', 'info', { write: (line) => lines.push(line) }));
  return lines.map((line) => JSON.parse(line) as Record<string, unknown>);
}

describe('logger', () => {
  test('writes JSON with service, level by name and ISO time', () => {
    const [line] = logged((logger) => logger.info({ size: 3 }, 'a batch'));
    expect(line).toEqual({
      level: 'info',
      time: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/),
      service: 'ledger',
      pid: process.pid,
      size: 3,
      msg: 'a batch',
    });
  });

  test('shows what is safe of an error, and its causes', () => {
    const cause = Object.assign(new Error('duplicate key'), {
      code: '23505',
      constraint: 'entries_pkey',
      detail: 'Key (name)=(Everyday wallet) already exists.',
    });
    const error = Object.assign(new Error('can not reach nats://me:hunter2@example.test:4222', { cause }), {
      config: { password: 'hunter2' },
    });
    const [line] = logged((logger) => logger.error({ err: error }, 'a fault'));
    expect(line?.['err']).toMatchObject({
      type: 'Error',
      message: 'can not reach nats://***@example.test:4222',
      cause: { type: 'Error', code: '23505', constraint: 'entries_pkey' },
    });
    expect(JSON.stringify(line)).not.toMatch(/hunter2|Everyday wallet/);
  });

  test('shows each part of an AggregateError, and ends on a circle', () => {
    const error = new AggregateError([new Error('::1 refused'), new Error('127.0.0.1 refused')]);
    error.cause = error;
    const [line] = logged((logger) => logger.error({ err: error }, 'a fault'));
    expect(line?.['err']).toMatchObject({
      errors: [{ message: '::1 refused' }, { message: '127.0.0.1 refused' }],
    });
  });

  test('takes anything thrown', () => {
    const lines = logged((logger) => {
      logger.error({ err: 'plain text' }, 'a fault');
      logger.error({ err: undefined }, 'a fault');
    });
    expect(lines[0]).toMatchObject({ err: 'plain text' });
  });
});
