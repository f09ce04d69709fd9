import { randomBytes } from 'node:crypto';
import {
  access,
  chown,
  constants,
  cp,
  lstat,
  mkdir,
  mkdtemp,
  realpath,
  rename,
  rm,
  stat,
  symlink,
} from 'node:fs/promises';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { runCommand } from './run-command.ts';
import { messageOf } from '../../shared/telemetry/describe-error.ts';

/** How to run Postgres's programs: as whom, from where and on which folder. */
export interface PostgresPlace {
  /** The folder with `bin`, `lib` and `share`. */
  readonly native: string;
  /** The folder that holds the cluster. */
  readonly folder: string;
  /** What comes before the command. */
  readonly prefix: readonly string[];
  readonly user?: { readonly uid: number; readonly gid: number };
}

export interface PostgresPlaceOptions {
  readonly dataDir: string;
  readonly native: string;
  readonly report?: (line: string) => void;
  /** Where root puts what an unprivileged user can't read at its place, in a home of mode 0700 for instance. */
  readonly outsideDir?: string;
  /** False tries no user namespace. */
  readonly namespaces?: boolean;
}

const outsideDir = '/var/lib/holdfast';
const probeMs = 10_000;

/** A user made for this purpose where there is one; nobody is everywhere. */
const unprivilegedUsers = ['postgres', 'nobody'];

/**
 * Finds a way to run Postgres. An ordinary user just does. Postgres refuses to run as root: then a user namespace in
 * which root has another number (all files stay root's), or, where that is not allowed, an unprivileged user.
 */
export async function findPostgresPlace(options: PostgresPlaceOptions): Promise<PostgresPlace> {
  const { native, dataDir } = options;
  const folder = join(dataDir, 'postgres');
  const isRoot = process.geteuid?.() === 0;
  if (!isRoot && hasName()) {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    return { native, folder, prefix: [] };
  }
  // Root made it for another user at an earlier start, or that user did.
  const owner = isRoot ? await stat(folder).catch(() => undefined) : undefined;
  if (owner && owner.uid !== 0) return placeOfUser(options, { uid: owner.uid, gid: owner.gid });

  const prefix = options.namespaces === false ? undefined : await namespacePrefix(native, dataDir);
  if (prefix) {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    return { native, folder, prefix };
  }
  if (!isRoot) {
    throw new Error(
      `the user with id ${process.geteuid?.()} has no name on this system, which PostgreSQL needs, and user namespaces ` +
        'are not allowed: start as a user in /etc/passwd, or set DB_HOST to a PostgreSQL of your own',
    );
  }
  const user = await unprivilegedUser();
  if (!user) throw noWay(`there is no user ${unprivilegedUsers.join(' or ')}`);
  return placeOfUser(options, user);
}

function hasName(): boolean {
  try {
    return userInfo().username !== '';
  } catch {
    return false;
  }
}

/** In the namespace our files belong to the unprivileged user, and everything keeps its place. */
async function namespacePrefix(native: string, dataDir: string): Promise<readonly string[] | undefined> {
  const user = await unprivilegedUser();
  if (process.platform !== 'linux' || !user) return undefined;
  const prefix = ['unshare', '--user', `--map-user=${user.uid}`, `--map-group=${user.gid}`, '--'];
  // Without root's power over other people's files: they may lie where it can't reach any more.
  const probe = [
    ...prefix,
    'sh',
    '-c',
    'test -w "$1" && exec "$2" --version',
    'probe',
    dataDir,
    join(native, 'bin/postgres'),
  ];
  return (await succeeds(probe)) ? prefix : undefined;
}

async function unprivilegedUser(): Promise<{ uid: number; gid: number } | undefined> {
  for (const name of unprivilegedUsers) {
    const [uid, gid] = await Promise.all([numberOf(['id', '-u', name]), numberOf(['id', '-g', name])]);
    if (uid !== undefined && gid !== undefined) return { uid, gid };
  }
  return undefined;
}

async function numberOf([command = '', ...args]: string[]): Promise<number | undefined> {
  const { code, lines } = await runCommand(command, args, { timeoutMs: probeMs });
  const number = Number(lines[0]);
  return code === 0 && Number.isInteger(number) && number > 0 ? number : undefined;
}

async function succeeds(
  [command = '', ...args]: readonly string[],
  user?: PostgresPlace['user'],
): Promise<boolean> {
  const { code } = await runCommand(command, args, { timeoutMs: probeMs, cwd: '/', ...(user && { user }) });
  return code === 0;
}

/** As that user: in place when it can get there, else with programs and data in a folder outside. */
async function placeOfUser(
  options: PostgresPlaceOptions,
  user: { readonly uid: number; readonly gid: number },
): Promise<PostgresPlace> {
  const { dataDir, native, report } = options;
  const outside = options.outsideDir ?? outsideDir;
  const folder = join(dataDir, 'postgres');
  try {
    const runsInPlace = await succeeds([join(native, 'bin/postgres'), '--version'], user);
    const programs = runsInPlace ? native : await copyPrograms(native, outside, report);
    if (!(await exists(folder))) {
      const reachesData = await succeeds(['sh', '-c', 'cd "$1"', 'probe', dataDir], user);
      if (reachesData) {
        await mkdir(folder, { mode: 0o700 });
        await chown(folder, user.uid, user.gid);
      } else {
        await mkdir(outside, { recursive: true, mode: 0o755 });
        const target = await mkdtemp(join(outside, 'data-'));
        await chown(target, user.uid, user.gid);
        await symlink(target, folder);
        report?.(
          `PostgreSQL can't run as root and its user can't reach ${dataDir}: its data is in ${target}`,
        );
      }
    }
    // By its real name: the user may not be able to come the way we do.
    const place = await realpath(folder);
    if (await succeeds(['sh', '-c', 'cd "$1" && test -w .', 'probe', place], user)) {
      return { native: programs, folder: place, prefix: [], user };
    }
  } catch (error) {
    throw noWay(messageOf(error));
  }
  throw noWay(`user ${user.uid} can't write to ${folder}`);
}

async function copyPrograms(
  native: string,
  outside: string,
  report?: (line: string) => void,
): Promise<string> {
  await mkdir(outside, { recursive: true, mode: 0o755 });
  // Another version of the package has another size of its server.
  const { size } = await stat(join(native, 'bin/postgres'));
  const target = join(outside, `postgres-${process.arch}-${size}`);
  if (await exists(target)) return target;
  report?.(`copying PostgreSQL's programs to ${target}, where its user can read them`);
  const copy = `${target}.${randomBytes(4).toString('hex')}`;
  try {
    for (const part of ['bin', 'lib', 'share']) {
      await cp(join(native, part), join(copy, part), { recursive: true, verbatimSymlinks: true });
    }
    await rename(copy, target);
  } catch (error) {
    await rm(copy, { recursive: true, force: true });
    // Another start may have been faster.
    await access(join(target, 'bin/postgres'), constants.X_OK).catch(() => {
      throw error;
    });
  }
  return target;
}

async function exists(path: string): Promise<boolean> {
  return (await lstat(path).catch(() => undefined)) !== undefined;
}

function noWay(reason: string): Error {
  return new Error(
    `PostgreSQL does not run as root, and there is no way around it here: user namespaces are not allowed, and ${reason}. ` +
      'Start as an ordinary user, or set DB_HOST to a PostgreSQL of your own',
  );
}
