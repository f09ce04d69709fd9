import { readFileSync } from 'node:fs';
import { processTree } from '../deploy/local/process-tree.ts';
import { medianOf } from './sample.ts';

const lookEveryMs = 1_000;

/** What processes take of memory for themselves, by name, in MiB; looked at once a second. Linux only. */
export class MemoryWatch {
  readonly #pids: Readonly<Record<string, number>>;
  readonly #timer: NodeJS.Timeout;
  #looks: Record<string, number>[] = [];

  constructor(pids: Readonly<Record<string, number>>) {
    this.#pids = pids;
    this.#timer = setInterval(() => this.#looks.push(this.now()), lookEveryMs);
  }

  now(): Record<string, number> {
    return Object.fromEntries(Object.entries(this.#pids).map(([name, pid]) => [name, ownMiB(pid)]));
  }

  /** All looks since the last time it was asked. */
  taken(): readonly Record<string, number>[] {
    const looks = this.#looks;
    this.#looks = [];
    return looks;
  }

  stop(): void {
    clearInterval(this.#timer);
  }
}

/** The median of what a process took. */
export function medianMiB(looks: readonly Record<string, number>[], name: string): number {
  return Math.round(medianOf(looks.map((look) => look[name] ?? 0)) * 10) / 10;
}

/** Whether a process takes more, under the same load, than chance explains. */
export function hasGrown(fromMiB: number, toMiB: number): boolean {
  return toMiB > fromMiB * 1.25 + 32;
}

/**
 * MiB of memory of a process and its children, files and all; what several of them share, such as PostgreSQL's buffers,
 * counts once. Linux only.
 */
export function memoryMiB(pid: number): number {
  return processTree(pid).reduce((sum, each) => sum + kibOf(each, 'Pss'), 0) / 1024;
}

/** Anonymous memory: files in the page cache and Postgres' shared buffers are not what a leak grows in. */
function ownMiB(pid: number): number {
  const kib = processTree(pid).reduce((sum, each) => sum + kibOf(each, 'Pss_Anon'), 0);
  return Math.round((kib / 1024) * 10) / 10;
}

function kibOf(pid: number, figure: 'Pss' | 'Pss_Anon'): number {
  try {
    const text = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8');
    return Number(new RegExp(String.raw`^${figure}:\s+(\d+)`, 'mu').exec(text)?.[1] ?? 0);
  } catch {
    // It has ended meanwhile.
    return 0;
  }
}
