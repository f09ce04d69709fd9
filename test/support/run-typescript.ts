import { spawn, type ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

/** A process that a test started, and what it has written so far. */
export interface RunningScript {
  child: ChildProcess;
  stdout: () => string;
  stderr: () => string;
  /** Waits until standard output contains `text`; throws when the process ends first. */
  untilPrinted: (text: string) => Promise<void>;
  /** The exit code, or the name of the signal that ended it. */
  ended: Promise<number | string>;
}

/**
 * Runs a TypeScript file of this repository as a Node process, with no environment but PATH and `env`.
 *
 * @param output an open file that it has as its standard output; nothing of that is seen here then.
 */
export function runTypeScript(
  path: string,
  env: Readonly<Record<string, string>>,
  args: readonly string[] = [],
  output: number | 'pipe' = 'pipe',
): RunningScript {
  const register = pathToFileURL(join(import.meta.dirname, 'register-typescript.mjs')).href;
  const child = spawn(
    process.execPath,
    ['--import', register, join(import.meta.dirname, '../..', path), ...args],
    { env: { PATH: process.env['PATH'], ...env }, stdio: ['ignore', output, 'pipe'] },
  );
  let stdout = '';
  let stderr = '';
  child.stdout?.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stderr?.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  const ended = new Promise<number | string>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) => resolve(code ?? signal ?? 'unknown'));
  });
  const untilPrinted = (text: string) =>
    new Promise<void>((resolve, reject) => {
      const look = () => {
        if (stdout.includes(text)) resolve();
      };
      child.stdout?.on('data', look);
      child.once('close', () =>
        reject(new Error(`ended before it printed "${text}":\n${stdout}\n${stderr}`)),
      );
      look();
    });
  return { child, stdout: () => stdout, stderr: () => stderr, untilPrinted, ended };
}
