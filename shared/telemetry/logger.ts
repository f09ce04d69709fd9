import { writeSync } from 'node:fs';
import { pino, stdTimeFunctions, type DestinationStream, type Logger } from 'pino';
import { describeError } from './describe-error.ts';
import { LogOutput } from './log-output.ts';

export type { Logger } from 'pino';

const stdoutFd = 1;

/**
 * A logger that writes JSON lines to standard output: `service` and an ISO time. Errors go under `err`, the trace's ids
 * come from `traceIdsOf`. Amounts and account names belong at level debug or below.
 */
export function createLogger(service: string, level: string, output?: DestinationStream): Logger {
  const options = {
    level,
    base: { service, pid: process.pid },
    timestamp: stdTimeFunctions.isoTime,
    formatters: { level: (label: string) => ({ level: label }) },
    serializers: { err: describeError },
  };
  const logger = pino(options, output ?? new LogOutput(writeToStandardOutput, logDropped));
  function logDropped(dropped: number, why: unknown): void {
    logger.error(
      { dropped, err: why },
      'log lines were dropped, since they could not be written; now they can',
    );
  }
  return logger;
}

/** Synchronous, so that a process never ends before its last line, which says why, is out. */
function writeToStandardOutput(bytes: string | Buffer): number {
  return typeof bytes === 'string' ? writeSync(stdoutFd, bytes) : writeSync(stdoutFd, bytes);
}
