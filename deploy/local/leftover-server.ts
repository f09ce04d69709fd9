import { readdir, readFile, readlink } from 'node:fs/promises';
import { basename } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { runCommand } from './run-command.ts';

export interface LeftoverOptions {
  /** The server's working folder, absolute and without symbolic links. */
  readonly folder: string;
  /** What the name of its executable begins with. */
  readonly executable: string;
  /** Where it writes its process id. */
  readonly pidFile: string;
  /** Asked in this order, each given `patienceMs`, and killed after the last. */
  readonly signals: readonly NodeJS.Signals[];
  readonly patienceMs: number;
  readonly report?: (line: string) => void;
}

const pollMs = 50;

/**
 * Makes sure that no server of an earlier start still works on the folder: one that is just stopping is waited for,
 * one whose supervisor was killed together with its watcher is stopped. The caller has made sure that no other
 * supervisor uses the folder.
 */
export async function stopLeftoverServer(options: LeftoverOptions): Promise<void> {
  for (const signal of [...options.signals, 'SIGKILL' as const]) {
    const pids = await leftovers(options);
    if (pids.length === 0) return;
    options.report?.(
      `an earlier ${options.executable} still works on ${options.folder}: stopping it (${signal})`,
    );
    const server = await pidIn(options.pidFile);
    // Only the server itself is asked: to a child of Postgres the same signal means something else.
    for (const pid of pids) if (pid === server || signal === 'SIGKILL') send(pid, signal);
    const end = performance.now() + options.patienceMs;
    while (performance.now() < end && (await leftovers(options)).length > 0) await delay(pollMs);
  }
  const [pid] = await leftovers(options);
  if (pid === undefined) return;
  throw new Error(
    `an earlier ${options.executable} (pid ${pid}) still works on ${options.folder} and can't be stopped: ` +
      'stop it by hand, or choose another DATA_DIR',
  );
}

function leftovers(options: LeftoverOptions): Promise<number[]> {
  return process.platform === 'linux' ? workingIn(options) : namedByPidFile(options);
}

async function workingIn({ folder, executable }: LeftoverOptions): Promise<number[]> {
  const found: number[] = [];
  for (const name of await readdir('/proc')) {
    if (!/^\d+$/u.test(name)) continue;
    try {
      if ((await readlink(`/proc/${name}/cwd`)) !== folder) continue;
      // A fetched one has its version behind the name, one that was replaced on disk shows as "… (deleted)".
      if (basename(await readlink(`/proc/${name}/exe`)).startsWith(executable)) found.push(Number(name));
    } catch {
      // It has ended meanwhile, or belongs to someone else.
    }
  }
  return found;
}

async function namedByPidFile({ folder, executable, pidFile }: LeftoverOptions): Promise<number[]> {
  const pid = await pidIn(pidFile);
  if (pid === undefined) return [];
  const { lines } = await runCommand('ps', ['-o', 'command=', '-p', String(pid)], { timeoutMs: 5_000 });
  const command = lines.join(' ');
  return command.includes(executable) && command.includes(folder) ? [pid] : [];
}

/** The process id on the first line of the file. */
async function pidIn(pidFile: string): Promise<number | undefined> {
  const pid = Number.parseInt(await readFile(pidFile, 'utf8').catch(() => ''), 10);
  return pid > 1 ? pid : undefined;
}

function send(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // It has ended meanwhile; if we are not allowed to, the caller finds it still there.
  }
}
