import { join } from 'node:path';
import { runCommand } from '../run-command.ts';
import { downloadFile, downloadText, type DownloadLimits } from './download.ts';
import { SourceUnavailable, type SourceContext } from './source.ts';

/** Tried with Holdfast; a newer one is no use without a reason. */
export const archiveVersion = '2.14.7';

/** Where the NATS project publishes its releases. */
export const releasesUrl = 'https://github.com/nats-io/nats-server/releases/download';

const limits: DownloadLimits = { silenceMs: 5_000, totalMs: 60_000, maxBytes: 64 * 1024 * 1024 };
const unpackMs = 30_000;
const progressMs = 1_000;

const systems: Readonly<Record<string, string>> = { linux: 'linux', darwin: 'darwin', freebsd: 'freebsd' };
const processors: Readonly<Record<string, string>> = {
  x64: 'amd64',
  arm64: 'arm64',
  arm: 'arm7',
  ia32: '386',
  ppc64: 'ppc64le',
  s390x: 's390x',
  riscv64: 'riscv64',
  loong64: 'loong64',
};

/**
 * Fetches the release archive for this platform, checks it against the sums of the same release and unpacks it.
 * Resolves with the executable's path in the work folder.
 */
export async function fetchReleaseArchive(context: SourceContext): Promise<string> {
  const name = archiveName(process.platform, process.arch);
  if (name === undefined) {
    throw new SourceUnavailable(`the NATS project has no archive for ${process.platform} on ${process.arch}`);
  }
  const release = `${context.archiveBaseUrl}/v${archiveVersion}`;
  context.report(`fetching nats-server ${archiveVersion} from ${release}`);
  const expected = sumOf(await downloadText(`${release}/SHA256SUMS`, limits), `${name}.tar.gz`);
  if (expected === undefined)
    throw new SourceUnavailable(`${release}/SHA256SUMS does not name ${name}.tar.gz`);

  const archive = join(context.workDir, 'archive.tar.gz');
  let told = performance.now();
  const { sha256 } = await downloadFile(`${release}/${name}.tar.gz`, archive, limits, (received, total) => {
    if (performance.now() - told < progressMs) return;
    told = performance.now();
    context.report(`  ${megabytes(received)} of ${total === undefined ? '?' : megabytes(total)} MB`);
  });
  if (sha256 !== expected) {
    throw new SourceUnavailable(
      `${release}/${name}.tar.gz is not what its SHA256SUMS says: damaged or tampered with`,
    );
  }
  const member = `${name}/nats-server`;
  const args = ['-xzf', archive, '-C', context.workDir, member];
  const { code, lines } = await runCommand('tar', args, { timeoutMs: unpackMs });
  if (code !== 0) throw new SourceUnavailable(`${name}.tar.gz can't be unpacked: ${lines.join(' ')}`);
  return join(context.workDir, member);
}

/** The archive's name for a platform as Node names it, without its ending; undefined when there is none. */
export function archiveName(platform: string, arch: string): string | undefined {
  const [system, processor] = [systems[platform], processors[arch]];
  if (system === undefined || processor === undefined) return undefined;
  return `nats-server-v${archiveVersion}-${system}-${processor}`;
}

/** The sum for one file in a text of lines `<sum>  <file>`. */
export function sumOf(sums: string, file: string): string | undefined {
  for (const line of sums.split('\n')) {
    const [, sum, name] = /^([0-9a-f]{64})[ \t]+\*?(\S+)\s*$/u.exec(line) ?? [];
    if (name === file) return sum;
  }
  return undefined;
}

function megabytes(bytes: number): string {
  return (bytes / 1e6).toFixed(1);
}
