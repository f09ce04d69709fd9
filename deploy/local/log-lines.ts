import { z } from 'zod';

/** A line of our log: what pino writes. */
export type LogLine = z.output<typeof logLineSchema>;

const logLineSchema = z.looseObject({
  level: z.string(),
  time: z.string(),
  service: z.string(),
  msg: z.string().optional(),
});

/** Reads what a service wrote; undefined when it is no log line, such as Node's own last words before it ends. */
export function parseLogLine(text: string): LogLine | undefined {
  if (!text.startsWith('{')) return undefined;
  try {
    return logLineSchema.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
}

/** A line of a program that doesn't write our log. */
export function wrapLine(service: string, level: string, msg: string): LogLine {
  return { level, time: new Date().toISOString(), service, msg };
}

/** Most of what it says at its start is of no interest: lines below a warning are for debugging. */
const postgresLevels: Readonly<Record<string, string>> = {
  WARNING: 'warn',
  ERROR: 'warn',
  FATAL: 'error',
  PANIC: 'error',
};

/** Postgres writes `LOG:  database system is ready`. What comes below an error can carry data of rows: debug only. */
export function wrapPostgresLine(text: string): LogLine {
  const [, word = '', rest = text] = /^([A-Z]+): {1,2}(.*)$/u.exec(text) ?? [];
  // "The database system is starting up", said to every client that comes too early.
  const level = rest.startsWith('the database system is ') ? 'debug' : postgresLevels[word];
  return wrapLine('postgres', level ?? 'debug', rest);
}

const natsLevels: Readonly<Record<string, string>> = { WRN: 'warn', ERR: 'error', FTL: 'fatal' };

/** nats-server writes `[123] 2026/01/31 12:00:00.000000 [INF] Server is ready`. */
export function wrapNatsLine(text: string): LogLine {
  const [, word = '', rest = text] = /^\[\d+\] \S+ \S+ \[([A-Z]{3})\] (.*)$/u.exec(text) ?? [];
  // Its file of passwords, which nobody else can read, is written by us; people could do nothing about it.
  const level = rest.startsWith('Plaintext passwords detected') ? 'debug' : natsLevels[word];
  return wrapLine('nats-server', level ?? 'debug', rest);
}

const colors: Readonly<Record<string, string>> = {
  fatal: '\u001B[31m',
  error: '\u001B[31m',
  warn: '\u001B[33m',
  info: '\u001B[32m',
};
const grey = '\u001B[90m';
const plain = '\u001B[0m';

/** Has its own place on the line, or says nothing to a person at a terminal. */
const shownElsewhere = new Set(['level', 'time', 'service', 'msg', 'pid', 'err']);

/** Longer names are those of commands, which end soon. */
const nameWidth = 'nats-server'.length;

/** A line for a terminal: `12:00:00.123 ledger  info  message key=value`, and an error's stack below it. */
export function formatLogLine(line: LogLine, color: boolean): string {
  const paint = (code: string | undefined, text: string) =>
    color && code !== undefined ? `${code}${text}${plain}` : text;
  const data = Object.entries(line)
    .filter(([key, value]) => !shownElsewhere.has(key) && value !== undefined)
    .map(([key, value]) => ` ${paint(grey, `${key}=`)}${showValue(value)}`);
  const stack = errorSchema.safeParse(line['err']).data;
  return [
    paint(grey, localTime(line.time)),
    ` ${line.service.padEnd(nameWidth)}`,
    ` ${paint(colors[line.level] ?? grey, line.level.padEnd(5))}`,
    ` ${line.msg ?? ''}`,
    ...data,
    stack === undefined ? '' : `\n${(stack.stack ?? stack.message).replaceAll(/^/gmu, '    ')}`,
  ].join('');
}

const errorSchema = z.object({ message: z.string(), stack: z.string().optional() });

function showValue(value: unknown): string {
  return typeof value === 'string' && /^[^\s"=]+$/u.test(value) ? value : JSON.stringify(value);
}

function two(value: number): string {
  return String(value).padStart(2, '0');
}

function localTime(iso: string): string {
  const time = new Date(iso);
  if (Number.isNaN(time.getTime())) return iso;
  const seconds = `${two(time.getSeconds())}.${String(time.getMilliseconds()).padStart(3, '0')}`;
  return `${two(time.getHours())}:${two(time.getMinutes())}:${seconds}`;
}
