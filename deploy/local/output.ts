import { pino } from 'pino';
import { createLogger, type Logger } from '../../shared/telemetry/logger.ts';
import { formatLogLine, parseLogLine, wrapLine, type LogLine } from './log-lines.ts';

/**
 * Where everything that runs here is shown. The log goes to standard output: readable lines on a terminal, JSON lines
 * (one object each) elsewhere. Words for the person who started us go to standard error and are always plain, so that
 * `npm start | some-tool` gives the tool nothing but JSON and the person still sees what to do.
 */
export interface Output {
  /** The supervisor's own. */
  logger: Logger;
  /** A line that a service wrote. */
  showServiceLine(service: string, text: string): void;
  /** A line of a program that doesn't write our log. */
  showLine(line: LogLine): void;
  /** Plain words for people. */
  say(text: string): void;
}

export interface OutputStreams {
  readonly stdout: Pick<NodeJS.WriteStream, 'write' | 'isTTY'>;
  readonly stderr: Pick<NodeJS.WriteStream, 'write'>;
  /** False shows no colors. */
  readonly color: boolean;
}

/** `level` is the least level of the lines that the supervisor and the servers write; services have it themselves. */
export function createOutput({ stdout, stderr, color }: OutputStreams, level: string): Output {
  const leastLevel = pino.levels.values[level] ?? Infinity;
  const write = (line: LogLine) => {
    stdout.write(`${stdout.isTTY ? formatLogLine(line, color) : JSON.stringify(line)}\n`);
  };
  const showServiceLine = (service: string, text: string) => {
    // A service that writes something else is about to end, or is in trouble.
    write(parseLogLine(text) ?? wrapLine(service, 'error', text));
  };
  return {
    logger: createLogger('supervisor', level, { write: (text) => showServiceLine('supervisor', text) }),
    showServiceLine,
    showLine: (line) => {
      if ((pino.levels.values[line.level] ?? 0) >= leastLevel) write(line);
    },
    say: (text) => stderr.write(`${text}\n`),
  };
}
