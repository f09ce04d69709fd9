import { describe, expect, test } from '@jest/globals';
import { createOutput } from './output.ts';
import { formatLogLine, parseLogLine, wrapNatsLine, wrapPostgresLine } from './log-lines.ts';

const loggedLine = {
  level: 'warn',
  time: '2026-01-31T12:00:00.123Z',
  service: 'ledger',
  pid: 12,
  msg: 'slow batch',
  size: 512,
  why: 'two words',
};

describe('a line on a terminal', () => {
  test('has time, service, level, words and data', () => {
    expect(formatLogLine(loggedLine, false)).toMatch(
      /^\d\d:\d\d:00\.123 ledger +warn {2}slow batch size=512 why="two words"$/u,
    );
  });

  test('shows the stack of an error below it', () => {
    const err = { message: 'no', stack: 'Error: no\n    at somewhere' };
    const [first, ...rest] = formatLogLine({ ...loggedLine, err }, false).split('\n');
    expect(first).toMatch(/why="two words"$/u);
    expect(rest).toEqual(['    Error: no', '        at somewhere']);
  });

  test('is the same without its colors', () => {
    // eslint-disable-next-line no-control-regex
    expect(formatLogLine(loggedLine, true).replaceAll(/\u001B\[\d+m/gu, '')).toBe(
      formatLogLine(loggedLine, false),
    );
  });
});

test.each([
  ['LOG:  listening on IPv4 address "127.0.0.1"', 'debug', 'listening on IPv4 address "127.0.0.1"'],
  ['ERROR:  duplicate key value', 'warn', 'duplicate key value'],
  ['DETAIL:  Failing row contains (1, 2).', 'debug', 'Failing row contains (1, 2).'],
  ['FATAL:  the database system is starting up', 'debug', 'the database system is starting up'],
  ['PANIC:  could not write', 'error', 'could not write'],
  ['something else', 'debug', 'something else'],
])('Postgres says %j', (text, level, msg) => {
  expect(wrapPostgresLine(text)).toMatchObject({ service: 'postgres', level, msg });
});

test.each([
  ['[12] 2026/01/31 12:00:00.000001 [INF] Server is ready', 'debug', 'Server is ready'],
  ['[12] 2026/01/31 12:00:00.000001 [WRN] Slow', 'warn', 'Slow'],
  ['nats-server: bad config', 'debug', 'nats-server: bad config'],
  [
    '[7] 2026/01/31 12:00:00.000000 [WRN] Plaintext passwords detected, use nkeys or bcrypt',
    'debug',
    'Plaintext passwords detected, use nkeys or bcrypt',
  ],
])('nats-server says %j', (text, level, msg) => {
  expect(wrapNatsLine(text)).toMatchObject({ service: 'nats-server', level, msg });
});

function newOutput(isTTY: boolean, level = 'info') {
  const lines: string[] = [];
  const words: string[] = [];
  const stdout = { isTTY, write: (text: string) => lines.push(text) > 0 };
  const stderr = { write: (text: string) => words.push(text) > 0 };
  return { output: createOutput({ stdout, stderr, color: false }, level), lines, words };
}

describe('the output', () => {
  test('is JSON, a line each, when it is no terminal', () => {
    const { output, lines, words } = newOutput(false);
    output.showServiceLine('ledger', JSON.stringify(loggedLine));
    output.showServiceLine('ledger', 'Segmentation fault');
    output.logger.info('ready');
    output.say('Try it:');
    expect(lines.map((line) => parseLogLine(line))).toMatchObject([
      loggedLine,
      { level: 'error', service: 'ledger', msg: 'Segmentation fault' },
      { level: 'info', service: 'supervisor', msg: 'ready' },
    ]);
    expect(words).toEqual(['Try it:\n']);
  });

  test('leaves out what servers say below the level', () => {
    const { output, lines } = newOutput(true, 'warn');
    output.showLine(wrapPostgresLine('LOG:  ready'));
    output.showLine(wrapPostgresLine('WARNING:  odd'));
    expect(lines).toHaveLength(1);
    expect(lines[0]).toMatch(/ postgres +warn {2}odd\n$/u);
  });
});
