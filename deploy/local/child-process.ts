import { spawn } from 'node:child_process';
import { splitLines } from './split-lines.ts';

/** How a process ended: by itself with `code`, or by `signal`. */
export interface ExitInfo {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** A process that we started and that does not outlive us. */
export interface ChildHandle {
  readonly name: string;
  readonly pid: number;
  /** The newest lines that it wrote, of both streams, 200 at most: enough to show what went wrong. */
  readonly lastLines: readonly string[];
  /** Resolves (never rejects) when the process has ended and its last lines were handed on. */
  readonly exited: Promise<ExitInfo>;
  /** Asks it to stop with its stop signal, kills its group after `timeoutMs`; resolves when it has ended. */
  stop(timeoutMs: number): Promise<void>;
  /** Kills it and what is left of its process group at once. */
  kill(): void;
}

export type OutputStream = 'stdout' | 'stderr';

export interface ChildOptions {
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly cwd?: string;
  /** The whole environment of the child; ours when not given. */
  readonly env?: NodeJS.ProcessEnv;
  /** What asks it to stop politely: SIGTERM, and SIGINT for Postgres (its *fast* shutdown). */
  readonly stopSignal?: 'SIGTERM' | 'SIGINT';
  /** How long it may take to stop by itself when *we* are gone. */
  readonly orphanGraceSeconds?: number;
  /** Run as this user instead of ours; only root can. */
  readonly user?: { readonly uid: number; readonly gid: number };
  readonly onLine?: (line: string, stream: OutputStream) => void;
  /** It writes to our own standard output and error, terminal or not, instead of `onLine`. */
  readonly inheritOutput?: boolean;
}

/** Services get 10 s to finish what they have; a server that needs longer recovers at its next start. */
const orphanGraceSeconds = 10;

const keptLines = 200;

/** Output that a process of the group may still hold open is not waited for longer than this. */
const lastOutputMs = 1_000;

/**
 * Leaves a watcher behind and becomes the command, which so keeps its pid and its exit status for us. File descriptor
 * 3 is a pipe into which we never write: it ends when the command has ended (we close it) or when we have, however
 * that came about. The watcher sits in the command's process group, and while it does the group's number can't be
 * given to anyone else: it never signals a stranger. Forked twice, it is no child of the command. Where nobody reaps
 * orphans (a container without an init), a zombie counts as ended.
 */
const guarded = `
signal=$1 tenths=$(($2 * 10)); shift 2
runs() {
  kill -s 0 "$$" || return 1
  [ -r "/proc/$$/stat" ] || return 0
  read -r pid name state rest <"/proc/$$/stat"
  [ "$state" != Z ]
}
( (
  trap '' HUP INT QUIT TERM
  read -r nothing <&3
  kill -s "$signal" "$$"
  while [ "$tenths" -gt 0 ] && runs; do sleep 0.1; tenths=$((tenths - 1)); done
  kill -s KILL -- "-$$"
) </dev/null >/dev/null 2>&1 & )
exec 3<&-
exec "$@"
`;

/**
 * Starts a command in a process group and session of its own: a terminal's Ctrl-C does not reach it, only we do. When
 * we end without stopping it, even by `kill -9`, its watcher stops it. Rejects when no process can be started at all;
 * a command that doesn't exist exits with code 127.
 */
export async function startChild(options: ChildOptions): Promise<ChildHandle> {
  const stopSignal = options.stopSignal ?? 'SIGTERM';
  const grace = options.orphanGraceSeconds ?? orphanGraceSeconds;
  const guard = ['-c', guarded, 'guarded', stopSignal.replace('SIG', ''), String(grace)];
  const output = options.inheritOutput === true ? 'inherit' : 'pipe';
  const child = spawn('/bin/sh', [...guard, options.command, ...options.args], {
    detached: true,
    stdio: ['ignore', output, output, 'pipe'],
    ...(options.cwd !== undefined && { cwd: options.cwd }),
    ...(options.env && { env: options.env }),
    ...options.user,
  });

  const exited = new Promise<ExitInfo>((resolve) => {
    child.once('exit', (code, signal) => {
      child.stdio[3]?.destroy();
      const done = () => resolve({ code, signal });
      child.once('close', done);
      setTimeout(done, lastOutputMs).unref();
    });
  });
  const lastLines: string[] = [];
  const take = (line: string, stream: OutputStream) => {
    lastLines.push(line);
    if (lastLines.length > keptLines) lastLines.shift();
    options.onLine?.(line, stream);
  };
  if (child.stdout) splitLines(child.stdout, (line) => take(line, 'stdout'));
  if (child.stderr) splitLines(child.stderr, (line) => take(line, 'stderr'));

  const pid = await new Promise<number>((resolve, reject) => {
    child.once('error', (error) => reject(new Error(`${options.name} can't be started: ${error.message}`)));
    child.once('spawn', () => {
      if (child.pid !== undefined) resolve(child.pid);
    });
  });
  const running = () => child.exitCode === null && child.signalCode === null;
  const kill = () => {
    if (running()) signalGroup(pid);
  };
  return {
    name: options.name,
    pid,
    lastLines,
    exited,
    kill,
    async stop(timeoutMs) {
      if (running()) child.kill(stopSignal);
      const timer = setTimeout(kill, timeoutMs);
      await exited;
      clearTimeout(timer);
    },
  };
}

function signalGroup(pid: number): void {
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // It has just ended by itself.
  }
}
