import { mkdir, writeFile } from 'node:fs/promises';
import { cpus, totalmem } from 'node:os';
import { join } from 'node:path';
import { say } from '../deploy/local/progress.ts';

/** Keeps a run's figures with the machine's facts, as `bench/results/<time><suffix>.json`; resolves with its path. */
export async function writeResultFile(
  root: string,
  suffix: string,
  natsServer: string,
  figures: object,
): Promise<string> {
  const folder = join(root, 'bench/results');
  const file = join(folder, `${new Date().toISOString().replaceAll(':', '-')}${suffix}.json`);
  await mkdir(folder, { recursive: true });
  await writeFile(file, `${JSON.stringify({ machine: machineFacts(natsServer), ...figures }, null, 2)}\n`);
  say(`written to ${file}`);
  return file;
}

/** What the figures were measured on. */
export function machineFacts(natsServer: string) {
  const [processor] = cpus();
  return {
    node: process.version,
    platform: `${process.platform} ${process.arch}`,
    processors: cpus().length,
    processor: processor?.model,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    natsServer,
  };
}
