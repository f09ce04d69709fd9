import { readdirSync, readFileSync } from 'node:fs';

/** A process and all that it and its children have started and that lives, itself first. Linux only. */
export function processTree(pid: number): number[] {
  return [pid, ...childrenOf(pid).flatMap(processTree)];
}

/** Sends a signal to each that is still there. */
export function signalAll(pids: readonly number[], signal: NodeJS.Signals): void {
  for (const pid of pids) {
    try {
      process.kill(pid, signal);
    } catch {
      // It has ended meanwhile.
    }
  }
}

/** Bytes of memory that a process has in use; undefined when it is not there. Linux only. */
export function residentBytes(pid: number): number | undefined {
  try {
    const [, kib] = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
    return kib === undefined ? undefined : Number(kib) * 1024;
  } catch {
    return undefined;
  }
}

/** Linux keeps them with the thread that started each. */
function childrenOf(pid: number): number[] {
  const folder = `/proc/${pid}/task`;
  return unlessEnded(() => readdirSync(folder)).flatMap((thread) =>
    unlessEnded(() => readFileSync(`${folder}/${thread}/children`, 'utf8').split(' ').filter(Boolean)).map(
      Number,
    ),
  );
}

/** Processes and threads may end while we look. */
function unlessEnded(look: () => string[]): string[] {
  try {
    return look();
  } catch {
    return [];
  }
}
