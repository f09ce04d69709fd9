import { randomUUID } from 'node:crypto';
import { setFlagsFromString } from 'node:v8';
import { loadEnvFile } from '../config/load-env-file.ts';
import type { z } from 'zod';
import { findOddSettings, settingsChecked } from '../config/odd-settings.ts';
import { SettingsError, type Environment } from '../config/parse-settings.ts';
import { createLogger, type Logger } from '../telemetry/logger.ts';
import { measureReadiness } from '../telemetry/readiness.ts';
import { startTelemetry } from '../telemetry/start-telemetry.ts';
import { Closers } from './closers.ts';
import { startOpsServer } from './ops-server.ts';

/** The supervisor and `docker stop` give a service 10 s; the rest is for the telemetry's last words and the exit. */
const stopLimitMs = 8_000;

/** A Ctrl-C under `npm run` reaches a service twice, from the terminal and from npm. Only a later one is a second wish. */
const sameSignalMs = 500;

/**
 * How a service ends. Of sysexits.h are 75, EX_TEMPFAIL: try again later, and 78, EX_CONFIG: starting again would not help.
 * 130 is what a shell says of a process that Ctrl-C ended: here of one that did not stop in order.
 */
export const exitCodes = { stopped: 0, fault: 1, notDone: 75, settings: 78, interrupted: 130 } as const;

/** What a service is given to start with. */
export interface ServiceContext<Settings> {
  settings: Settings;
  logger: Logger;
  /** Aborted as soon as the service is asked to stop: give up waiting, take no new work. */
  stopping: AbortSignal;
  /** Registers what must be stopped, and how. Stopping goes in reverse order, each after the one before is done. */
  onStop: (what: string, close: () => Promise<void> | void) => void;
}

/**
 * Runs a service as this process: reads its settings (environment and `.env`), starts telemetry and the ops server,
 * calls `start`, and stops it in order on SIGTERM or SIGINT. Faults that nobody caught are logged and end the process.
 * Exit codes: `exitCodes`.
 */
export async function runService<
  Settings extends { logLevel: string; opsHost: string; opsPort: number | undefined },
>(options: {
  name: string;
  /** What `readSettings` reads, by name. */
  schema: z.ZodObject;
  readSettings: (env: Environment) => Settings;
  /** For a service that ends by itself: its exit code when it is asked to stop before that; by default `stopped`. */
  stoppedEarly?: number;
  /** Resolves once the service serves, to what is missing to serve: empty when nothing is; asked with every probe. */
  start: (context: ServiceContext<Settings>) => Promise<() => readonly string[]>;
}): Promise<void> {
  process.title = `holdfast-${options.name}`;
  // Short-lived objects are gathered by one thread. With helpers, which V8 has by default, a service took 6 % more of the
  // processor and answered 5 % fewer commands, since they mostly wait for each other.
  setFlagsFromString('--no-parallel-scavenge');
  // Nor are objects allocated among the long-lived ones because earlier ones from the same place in the code lived on: an
  // array of a batch's rows there keeps its rows until the next full collection. Collecting took the ledger 8 ms, not 2.
  setFlagsFromString('--no-allocation-site-pretenuring');
  // Until the settings say which level is wanted.
  let logger = createLogger(options.name, 'info');
  const end = (error: unknown) => endWithFault(options.name, logger, error);
  process.on('uncaughtException', end);
  process.on('unhandledRejection', end);

  let stopping: AbortSignal | undefined;
  try {
    loadEnvFile(process.env, process.cwd());
    const settings = options.readSettings(process.env);
    logger = createLogger(options.name, settings.logLevel);
    if (process.env[settingsChecked] === undefined) {
      for (const line of findOddSettings(options.schema, process.env)) logger.warn(line);
    }
    const closers = new Closers(logger);
    stopping = stopOnSignals(logger, closers, options.stoppedEarly ?? exitCodes.stopped);
    const telemetry = await startTelemetry({
      service: options.name,
      instanceId: randomUUID(),
      logger,
      env: process.env,
      prometheus: settings.opsPort !== undefined,
    });
    closers.add('telemetry', telemetry.shutdown);
    // From the first moment to the last: a service that waits for its servers, or finishes its work, is alive.
    let missingToServe: (() => readonly string[]) | undefined;
    const missing = (): readonly string[] => {
      if (stopping?.aborted === true) return ['stopping: it takes nothing new'];
      return missingToServe?.() ?? ['starting: the log says what it waits for'];
    };
    measureReadiness(() => missing().length === 0);
    if (settings.opsPort !== undefined) {
      const ops = await startOpsServer({
        host: settings.opsHost,
        port: settings.opsPort,
        portSetting: `${options.name.toUpperCase()}_OPS_PORT`,
        missing,
        metricsText: telemetry.metricsText,
      });
      closers.add('health and metrics', ops.close);
    }
    stopping.throwIfAborted();
    missingToServe = await options.start({
      settings,
      logger,
      stopping,
      onStop: (what, close) => closers.add(what, close),
    });
  } catch (error) {
    // A start that gives up because it was asked to stop has not failed: the stop is under way.
    if (stopping?.aborted !== true) end(error);
  }
}

/** @returns the signal that is aborted when the process is asked to stop. */
function stopOnSignals(logger: Logger, closers: Closers, stoppedExitCode: number): AbortSignal {
  const stopping = new AbortController();
  let askedAtMs = 0;

  const stop = async (signal: NodeJS.Signals) => {
    logger.info({ signal }, 'stopping');
    stopping.abort(new Error('the service is stopping'));
    const clean = await closers.closeAll(stopLimitMs);
    if (clean) logger.info('stopped');
    process.exit(clean ? stoppedExitCode : exitCodes.fault);
  };

  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.on(signal, () => {
      if (!stopping.signal.aborted) {
        askedAtMs = performance.now();
        void stop(signal);
      } else if (performance.now() - askedAtMs > sameSignalMs) {
        logger.warn({ signal }, 'asked a second time, stopping at once');
        process.exit(exitCodes.interrupted);
      }
    });
  }
  return stopping.signal;
}

/** After a fault that nobody caught, the state of the process is unknown: it ends, and a fresh one takes over. */
function endWithFault(name: string, logger: Logger, error: unknown): never {
  if (error instanceof SettingsError) {
    process.stderr.write(`holdfast ${name} can't run with these settings:\n${indent(error.message)}\n`);
    process.exit(exitCodes.settings);
  }
  logger.fatal({ err: error }, 'a fault that nobody caught ends this process');
  process.exit(exitCodes.fault);
}

function indent(text: string): string {
  return text.replace(/^/gm, '  ');
}
