import { chmod, copyFile, mkdir, mkdtemp, readdir, rename, rm } from 'node:fs/promises';
import { homedir } from 'node:os';
import { isAbsolute, join } from 'node:path';
import { readVersion } from './read-version.ts';
import { SourceUnavailable } from './source.ts';
import { compareVersions, isNewEnough, parseVersion } from '../../../shared/messaging/nats-server-version.ts';
import { messageOf } from '../../../shared/telemetry/describe-error.ts';

/**
 * Where fetched executables are kept: one cache per person, so that tests, benchmarks and a second clone don't fetch
 * again, and the data folder for when a home can't be written.
 */
export function natsCacheDirs(dataDir: string, env: { readonly XDG_CACHE_HOME?: string }): readonly string[] {
  const { XDG_CACHE_HOME: given } = env;
  const personal = given !== undefined && isAbsolute(given) ? given : join(homedir(), '.cache');
  return [join(personal, 'holdfast'), join(dataDir, 'bin')];
}

const prefix = 'nats-server-';
const platform = `-${process.platform}-${process.arch}`;

/** The executables kept in the folders, newest version first. */
export async function listCached(cacheDirs: readonly string[]): Promise<readonly string[]> {
  const found: { file: string; version: string }[] = [];
  for (const folder of cacheDirs) {
    for (const name of await readdir(folder).catch(() => [])) {
      const version = name.startsWith(prefix) && name.endsWith(platform) ? parseVersion(name) : undefined;
      if (version !== undefined) found.push({ file: join(folder, name), version });
    }
  }
  return found.toSorted((a, b) => compareVersions(b.version, a.version)).map(({ file }) => file);
}

/**
 * Keeps an executable in the first folder that can be written and run from, under its version; whole or not at all,
 * also when two starts do it at once.
 */
export async function keepInCache(
  file: string,
  cacheDirs: readonly string[],
): Promise<{ path: string; version: string }> {
  const problems: string[] = [];
  for (const folder of cacheDirs) {
    try {
      await mkdir(folder, { recursive: true });
      const draft = await mkdtemp(join(folder, '.new-'));
      try {
        return await moveUnderItsVersion(file, draft, folder);
      } finally {
        await rm(draft, { recursive: true, force: true });
      }
    } catch (error) {
      problems.push(messageOf(error));
    }
  }
  throw new SourceUnavailable(problems.join('; '));
}

async function moveUnderItsVersion(
  file: string,
  draft: string,
  folder: string,
): Promise<{ path: string; version: string }> {
  const copy = join(draft, 'nats-server');
  await copyFile(file, copy);
  await chmod(copy, 0o755);
  const version = await readVersion(copy);
  if (version === undefined) throw new Error(`it does not run in ${folder}`);
  if (!isNewEnough(version)) throw new Error(`it is version ${version}`);
  const path = join(folder, `${prefix}${version}${platform}`);
  await rename(copy, path);
  return { path, version };
}
