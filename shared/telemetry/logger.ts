import { destination, pino, stdTimeFunctions, type DestinationStream, type Logger } from 'pino';
import { describeError } from './describe-error.ts';

export type { Logger } from 'pino';

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
  // Synchronous, so that a process never ends before its last line, which says why, is out.
  return pino(options, output ?? destination({ sync: true }));
}
