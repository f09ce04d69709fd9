import { startChild, type ChildOptions } from './child-process.ts';

export interface CommandResult {
  /** The exit code; undefined when it was killed, by us after the time limit for instance. */
  readonly code: number | undefined;
  readonly timedOut: boolean;
  /** What it wrote, both streams, the last lines of it. */
  readonly lines: readonly string[];
}

/** Runs a command to its end, or kills it with all that it started after `timeoutMs`. */
export async function runCommand(
  command: string,
  args: readonly string[],
  options: Pick<ChildOptions, 'cwd' | 'env' | 'user' | 'onLine'> & { readonly timeoutMs: number },
): Promise<CommandResult> {
  const { timeoutMs, ...rest } = options;
  const child = await startChild({ ...rest, name: command, command, args });
  let timedOut = false;
  const timer = setTimeout(() => {
    timedOut = true;
    child.kill();
  }, timeoutMs);
  const { code } = await child.exited;
  clearTimeout(timer);
  return { code: code ?? undefined, timedOut, lines: child.lastLines };
}
