import { dirname } from 'node:path';
import { loadEnvFile } from '../../shared/config/load-env-file.ts';
import { findOddSettings, settingsChecked } from '../../shared/config/odd-settings.ts';
import { SettingsError } from '../../shared/config/parse-settings.ts';
import { exitCodes } from '../../shared/lifecycle/run-service.ts';
import { allSettings, readLocalSettings } from './config.ts';
import { AlreadyRunning } from './data-folder.ts';
import { describeSettings } from './describe-settings.ts';
import { messageOf } from '../../shared/telemetry/describe-error.ts';
import { createOutput } from './output.ts';
import { listenForStop } from './stop-request.ts';
import { Supervisor } from './supervisor.ts';

const printConfigWord = '--print-config';
const usage = `npm start takes settings from the environment and from .env; after "--" it takes ${printConfigWord} alone,
which prints them and starts nothing: npm start -- ${printConfigWord}`;

/**
 * Runs Holdfast on this machine until it is asked to stop, and ends the process. `startedAtMs` is when the person
 * pressed Enter. With `--print-config` it says which settings it would run with, and ends at once.
 */
export async function runLocal(startedAtMs: number, args: readonly string[]): Promise<never> {
  const [argument] = args;
  if (argument === printConfigWord && args.length === 1) process.exit(printConfig());
  if (argument === '--help') {
    process.stdout.write(`${usage}\n`);
    process.exit(exitCodes.stopped);
  }
  if (argument !== undefined) {
    process.stderr.write(`\n${usage}\n`);
    process.exit(exitCodes.settings);
  }
  const stop = listenForStop();
  process.title = 'holdfast';
  process.on('uncaughtException', (error) => stop.ask(error));
  process.on('unhandledRejection', (error) => stop.ask(error));
  // Whoever read our lines is gone, or the terminal is.
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => stop.ask());

  let supervisor;
  try {
    loadEnvFile(process.env, process.cwd());
    const settings = readLocalSettings(process.env);
    const color = process.env['NO_COLOR'] === undefined && process.stdout.isTTY && process.stdout.hasColors();
    const output = createOutput({ stdout: process.stdout, stderr: process.stderr, color }, settings.logLevel);
    for (const line of findOddSettings(allSettings, process.env)) output.logger.warn(line);
    const env = { ...process.env, [settingsChecked]: 'yes' };
    const root = dirname(dirname(dirname(import.meta.dirname)));
    supervisor = new Supervisor({ settings, env, root, output, stop, startedAtMs });
  } catch (error) {
    process.exit(explain(error));
  }

  void stop.askedTwice.then(async () => {
    process.stderr.write('\nStopping at once.\n');
    await supervisor.killAll();
    process.exit(exitCodes.interrupted);
  });
  supervisor.start().catch((error: unknown) => stop.ask(error));
  const reason = await stop.reason;
  const exitCode = reason === undefined ? exitCodes.stopped : explain(reason);
  const runs = supervisor.hasStarted();
  if (runs) process.stderr.write('\nStopping …\n');
  await supervisor.stopAll();
  if (runs) process.stderr.write('Stopped.\n');
  process.exit(exitCode);
}

/** Prints the settings, valid or not. @returns the exit code. */
function printConfig(): number {
  try {
    const fromFile = loadEnvFile(process.env, process.cwd());
    process.stdout.write(`${describeSettings(process.env, fromFile)}\n`);
    const odd = findOddSettings(allSettings, process.env);
    if (odd.length > 0) process.stderr.write(`\n${odd.join('\n')}\n`);
    readLocalSettings(process.env);
    return exitCodes.stopped;
  } catch (error) {
    return explain(error);
  }
}

/** Says what is wrong. @returns the exit code for it. */
function explain(error: unknown): number {
  if (error instanceof SettingsError) {
    process.stderr.write(`\nHoldfast can't run with these settings:\n${indent(error.message)}\n`);
    return exitCodes.settings;
  }
  const message = messageOf(error);
  process.stderr.write(
    error instanceof AlreadyRunning ? `\n${message}\n` : `\nHoldfast can't go on:\n${indent(message)}\n`,
  );
  return exitCodes.fault;
}

function indent(text: string): string {
  return text.replaceAll(/^/gmu, '  ');
}
