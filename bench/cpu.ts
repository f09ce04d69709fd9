import { readdirSync, readFileSync } from 'node:fs';

/** Seconds of CPU (user and system) that a process and its children, living and ended, have used so far. Linux only. */
export function cpuSeconds(pid: number): number {
  return processTree(pid).reduce((sum, each) => sum + ticksOf(each), 0) / ticksPerSecond;
}

/** A process and all that it and its children have started and that lives. Linux only. */
export function processTree(pid: number): number[] {
  return [pid, ...descendantsOf(pid)];
}

/** What Linux counts CPU time in, on every platform that Node supports. */
const ticksPerSecond = 100;

/** utime, stime, and the same of ended children: fields 14 to 17 of proc_pid_stat(5). */
function ticksOf(pid: number): number {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields.slice(11, 15).reduce((sum, ticks) => sum + Number(ticks), 0);
  } catch {
    return 0;
  }
}

function descendantsOf(pid: number): number[] {
  const found: number[] = [];
  for (const thread of listed(`/proc/${pid}/task`)) {
    for (const child of childrenOf(pid, thread)) found.push(child, ...descendantsOf(child));
  }
  return found;
}

function childrenOf(pid: number, thread: string): number[] {
  try {
    const text = readFileSync(`/proc/${pid}/task/${thread}/children`, 'utf8').trim();
    return text === '' ? [] : text.split(' ').map(Number);
  } catch {
    return [];
  }
}

function listed(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}
