import { readFileSync } from 'node:fs';
import { processTree } from '../deploy/local/process-tree.ts';

/** Seconds of CPU (user and system) that a process and its children, living and ended, have used so far. Linux only. */
export function cpuSeconds(pid: number): number {
  return processTree(pid).reduce((sum, each) => sum + ticksOf(each), 0) / ticksPerSecond;
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
