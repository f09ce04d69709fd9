import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { keepInCache, listCached, natsCacheDirs } from './cache.ts';
import { fetchDebianPackage } from './debian-package.ts';
import { findOnPath } from './on-path.ts';
import { readVersion } from './read-version.ts';
import { releasesUrl, archiveVersion, fetchReleaseArchive } from './release-archive.ts';
import { SourceUnavailable, type FetchFromSource } from './source.ts';
import { isNewEnough, oldestVersion, versionWarning } from '../../../shared/messaging/nats-server-version.ts';

export interface FindNatsServerOptions {
  /** Folders in which an earlier start may have left it; a fetched one goes into the first that can be written. */
  readonly cacheDirs: readonly string[];
  /** What we are doing, for people to read. */
  readonly report: (line: string) => void;
  /** The PATH to look on first. */
  readonly searchPath: string;
  /** Where the release archives are; the NATS project's own when not given. */
  readonly archiveBaseUrl?: string;
  /** What to fetch from when there is none on this machine; the archive, then the package, when not given. */
  readonly sources?: readonly NatsServerSource[];
}

export interface NatsServerSource {
  readonly source: 'archive' | 'package';
  readonly fetchFrom: FetchFromSource;
}

const sources: readonly NatsServerSource[] = [
  { source: 'archive', fetchFrom: fetchReleaseArchive },
  { source: 'package', fetchFrom: fetchDebianPackage },
];

export interface FoundNatsServer {
  readonly path: string;
  readonly version: string;
  readonly source: 'path' | 'cache' | 'archive' | 'package';
}

/**
 * The usual one for whoever starts something with this environment: see {@link findNatsServer}.
 *
 * @param folder where it is kept when the home can't be written.
 */
export async function provideNatsServer(
  folder: string,
  env: NodeJS.ProcessEnv,
  report: (line: string) => void = () => undefined,
): Promise<FoundNatsServer> {
  return findNatsServer({ cacheDirs: natsCacheDirs(folder, env), searchPath: env['PATH'] ?? '', report });
}

/**
 * Finds a nats-server that we may start: on PATH, fetched earlier, the NATS project's release archive, the
 * distribution's package. Rejects with the ways to get it when none of them has one.
 */
export async function findNatsServer(options: FindNatsServerOptions): Promise<FoundNatsServer> {
  const { report, cacheDirs } = options;
  const onPath = await findOnPath('nats-server', options.searchPath);
  if (onPath !== undefined) {
    const version = await readVersion(onPath);
    const problem = version === undefined ? 'does not run' : versionWarning(version);
    if (version !== undefined && problem === undefined) return { path: onPath, version, source: 'path' };
    report(`not using ${onPath}: ${problem}`);
  }
  for (const path of await listCached(cacheDirs)) {
    const version = await readVersion(path);
    if (version !== undefined && isNewEnough(version)) return { path, version, source: 'cache' };
  }
  const archiveBaseUrl = options.archiveBaseUrl ?? releasesUrl;
  const problems: string[] = [];
  for (const { source, fetchFrom } of options.sources ?? sources) {
    const workDir = await mkdtemp(join(tmpdir(), 'holdfast-nats-'));
    try {
      return {
        ...(await keepInCache(await fetchFrom({ report, workDir, archiveBaseUrl }), cacheDirs)),
        source,
      };
    } catch (error) {
      if (!(error instanceof SourceUnavailable)) throw error;
      problems.push(error.message);
      report(`no nats-server from this source: ${error.message}`);
    } finally {
      await rm(workDir, { recursive: true, force: true });
    }
  }
  throw new Error(waysToGetIt(problems, cacheDirs));
}

function waysToGetIt(problems: readonly string[], cacheDirs: readonly string[]): string {
  return [
    `nats-server ${oldestVersion} or newer is needed, and was not found:`,
    ...problems.map((problem) => `  - ${problem}`),
    'Any of these helps:',
    '  - install it so that it is on PATH: https://docs.nats.io/running-a-nats-service/introduction/installation',
    `  - unpack ${releasesUrl}/v${archiveVersion} for this platform elsewhere, and put nats-server on PATH`,
    '  - set NATS_URL to a nats-server of your own, with JetStream',
    `(fetched ones are kept in ${cacheDirs.join(' or ')})`,
  ].join('\n');
}
