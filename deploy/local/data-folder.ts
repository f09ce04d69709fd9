import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { SettingsError } from '../../shared/config/parse-settings.ts';
import { hasCode, messageOf } from '../../shared/telemetry/describe-error.ts';
import {
  identifyProcess,
  isRunning,
  processIdentitySchema,
  type ProcessIdentity,
} from './process-identity.ts';

const runningSchema = z.object({
  supervisor: processIdentitySchema,
  /** Where the gateway answers HTTP. */
  httpUrl: z.string().optional(),
  natsUrl: z.string().optional(),
  postgres: z.object({ host: z.string(), port: z.int(), user: z.string(), database: z.string() }).optional(),
  ledgerOpsUrl: z.string().optional(),
  settlerOpsUrl: z.string().optional(),
  /** Where traces are kept; missing when they go elsewhere. */
  tracesUrl: z.string().optional(),
  /** The services, for a start after one that was killed. */
  services: z.record(z.string(), processIdentitySchema).default({}),
});

/** What runs on a data folder, and where it answers. */
export type Running = z.output<typeof runningSchema>;

export type Addresses = Omit<Running, 'supervisor' | 'services'>;

/** A data folder that is ours until `release`. */
export interface DataFolder {
  /** Services of an earlier start that still run, because it was killed together with their watchers. */
  readonly leftovers: readonly (ProcessIdentity & { name: string })[];
  /** Tells other commands where everything is. */
  announce(addresses: Addresses): void;
  announceService(name: string, pid: number): void;
  release(): void;
}

const runningFile = 'running.json';

/** A file without content is either being written just now, or its writer was killed in the middle of it. */
const writingMs = 5_000;

/** Thrown when another supervisor uses the data folder. */
export class AlreadyRunning extends Error {}

/**
 * Makes the folder when it is missing and takes it for this process. Throws `AlreadyRunning`, or a `SettingsError` when
 * the folder can't be written. A folder whose owner was killed is free.
 */
export function takeDataFolder(dataDir: string): DataFolder {
  const file = join(dataDir, runningFile);
  const supervisor = identifyProcess(process.pid);
  if (supervisor === undefined) throw new Error('this process can not be found among the running ones');
  let leftovers: DataFolder['leftovers'];
  try {
    makeFolder(dataDir);
    leftovers = takeFile(dataDir, file, supervisor);
  } catch (error) {
    if (error instanceof AlreadyRunning) throw error;
    throw new SettingsError([
      `DATA_DIR is "${dataDir}", but it can't be written (${messageOf(error)}): mend that, or choose another folder`,
    ]);
  }

  let running: Running = { supervisor, services: {} };
  const write = () => {
    writeFileSync(`${file}.new`, `${JSON.stringify(running, undefined, 2)}\n`, { mode: 0o600 });
    renameSync(`${file}.new`, file);
  };
  return {
    leftovers,
    announce: (addresses) => {
      running = { ...running, ...addresses };
      write();
    },
    announceService: (name, pid) => {
      const identity = identifyProcess(pid);
      if (identity === undefined) return;
      running = { ...running, services: { ...running.services, [name]: identity } };
      write();
    },
    release: () => rmSync(file, { force: true }),
  };
}

/** Not `recursive`: where a system refuses folders as /proc does, Node 20 tries for ever. */
function makeFolder(path: string): void {
  if (existsSync(path)) return;
  makeFolder(dirname(path));
  try {
    mkdirSync(path, { mode: 0o700 });
  } catch (error) {
    // Another start may have been faster.
    if (!hasCode(error, 'EEXIST')) throw error;
  }
}

/** What runs on the data folder now; undefined when nothing does. */
export function readRunning(dataDir: string): Running | undefined {
  const running = readFile(join(dataDir, runningFile));
  return running !== undefined && isRunning(running.supervisor) ? running : undefined;
}

function takeFile(dataDir: string, file: string, supervisor: ProcessIdentity): DataFolder['leftovers'] {
  let leftovers: DataFolder['leftovers'] = [];
  for (;;) {
    try {
      writeFileSync(file, JSON.stringify({ supervisor }), { flag: 'wx', mode: 0o600 });
      return leftovers;
    } catch (error) {
      if (!hasCode(error, 'EEXIST')) throw error;
    }
    const taken = `${file}.${process.pid}`;
    try {
      refuseWhenRunning(dataDir, file);
      renameSync(file, taken);
    } catch (error) {
      // Given up, or taken by another start, while we looked.
      if (hasCode(error, 'ENOENT')) continue;
      throw error;
    }
    // Someone else may have been faster since we looked, and have taken it: then theirs goes back.
    try {
      refuseWhenRunning(dataDir, taken);
    } catch (error) {
      renameSync(taken, file);
      throw error;
    }
    leftovers = listLeftovers(readFile(taken));
    rmSync(taken);
  }
}

function refuseWhenRunning(dataDir: string, file: string): void {
  const running = readFile(file);
  if (running === undefined) {
    if (Date.now() - statSync(file).mtimeMs > writingMs) return;
    throw new AlreadyRunning(`another start is just taking the data folder ${dataDir}.`);
  }
  if (!isRunning(running.supervisor)) return;
  const { pid } = running.supervisor;
  const where = running.httpUrl === undefined ? '' : ` and answers on ${running.httpUrl}`;
  throw new AlreadyRunning(
    `Holdfast already runs on the data folder ${dataDir}: it is process ${pid}${where}.\n` +
      `Use that one, stop it (Ctrl-C in its terminal, or \`kill ${pid}\`), or start this one with a folder and a port ` +
      'of its own:\n  DATA_DIR=.data2 PORT=8081 npm start',
  );
}

function listLeftovers(running: Running | undefined): DataFolder['leftovers'] {
  return Object.entries(running?.services ?? {})
    .map(([name, identity]) => ({ name, ...identity }))
    .filter(isRunning);
}

function readFile(file: string): Running | undefined {
  try {
    return runningSchema.safeParse(JSON.parse(readFileSync(file, 'utf8'))).data;
  } catch (error) {
    if (error instanceof SyntaxError || hasCode(error, 'ENOENT')) return undefined;
    throw error;
  }
}
