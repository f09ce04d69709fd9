import { access, mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { runCommand, type CommandResult } from '../run-command.ts';
import { SourceUnavailable, type SourceContext } from './source.ts';

/** Debian 13: has 2.10.27. Debian 12's own is 2.9.10, too old. */
const debianSuite = 'trixie';
const debianMirror = 'http://deb.debian.org/debian';
const keyrings = [
  '/usr/share/keyrings/debian-archive-keyring.gpg',
  '/usr/share/keyrings/debian-archive-keyring.pgp',
];

/** The suite's package list is 10 MB and the package 5 MB. */
const updateMs = 60_000;
const downloadMs = 60_000;
const quickMs = 10_000;

/** An executable, and the package that has it. */
export interface WantedExecutable {
  readonly packageName: string;
  readonly name: string;
  /** Of Debian. */
  readonly suite: string;
}

const natsServer: WantedExecutable = { packageName: 'nats-server', name: 'nats-server', suite: debianSuite };

/**
 * Fetches Debian's package with an apt configuration of its own: package list, caches and states are in the work
 * folder, signatures are checked with the distribution's keyring, no root rights are needed and the system is not
 * touched. Resolves with the executable's path in the work folder.
 */
export async function fetchDebianPackage(
  context: SourceContext,
  wanted: WantedExecutable = natsServer,
): Promise<string> {
  const keyring = await firstThatExists(keyrings);
  const [apt, dpkg] = await Promise.all([runs('apt-get', '--version'), runs('dpkg-deb', '--version')]);
  if (keyring === undefined || !apt || !dpkg) {
    throw new SourceUnavailable("this is no Debian with apt-get, dpkg-deb and Debian's keyring");
  }
  const problems: string[] = [];
  for (const mirror of await mirrors()) {
    try {
      return await fetchFrom(mirror, keyring, context, wanted);
    } catch (error) {
      if (!(error instanceof SourceUnavailable)) throw error;
      problems.push(error.message);
    }
  }
  throw new SourceUnavailable(problems.join('; '));
}

async function fetchFrom(
  mirror: string,
  keyring: string,
  context: SourceContext,
  { packageName, name, suite }: WantedExecutable,
): Promise<string> {
  context.report(`fetching Debian's ${packageName} (${suite}) from ${mirror}, for Holdfast alone`);
  const config = await writeAptConfig(
    context.workDir,
    `deb [signed-by=${keyring}] ${mirror} ${suite} main\n`,
  );
  const apt = async (args: readonly string[], timeoutMs: number) => {
    const result = await runCommand('apt-get', [`--config-file=${config}`, ...args], {
      timeoutMs,
      cwd: context.workDir,
    });
    if (result.code !== 0) throw new SourceUnavailable(`${mirror}: ${whyAptFailed(result, timeoutMs)}`);
  };
  // A source that can't be reached is an error, not a warning about an old list.
  await apt(['update', '--error-on=any'], updateMs);
  context.report('  the package list is there, fetching the package');
  await apt(['download', packageName], downloadMs);

  const file = (await readdir(context.workDir)).find((each) => each.endsWith('.deb'));
  const unpacked = join(context.workDir, 'unpacked');
  const { code, lines } = await runCommand(
    'dpkg-deb',
    ['--extract', join(context.workDir, file ?? ''), unpacked],
    {
      timeoutMs: downloadMs,
    },
  );
  const executable = await firstThatExists(['usr/sbin', 'usr/bin'].map((dir) => join(unpacked, dir, name)));
  if (code !== 0 || executable === undefined) {
    throw new SourceUnavailable(`Debian's package can't be unpacked: ${lines.join(' ')}`);
  }
  return executable;
}

/** Everything apt would read or write of the system, moved; the system's proxy settings still hold. */
async function writeAptConfig(workDir: string, sources: string): Promise<string> {
  const dir = join(workDir, 'apt');
  await mkdir(join(dir, 'lists', 'partial'), { recursive: true });
  await mkdir(join(dir, 'cache', 'archives', 'partial'), { recursive: true });
  await writeFile(join(dir, 'sources.list'), sources);
  await writeFile(join(dir, 'status'), '');
  const config = join(dir, 'apt.conf');
  await writeFile(
    config,
    `Dir::Etc::sourcelist "${dir}/sources.list";
Dir::Etc::sourceparts "/dev/null";
Dir::Etc::preferences "/dev/null";
Dir::Etc::preferencesparts "/dev/null";
Dir::State "${dir}";
Dir::State::lists "${dir}/lists";
Dir::State::status "${dir}/status";
Dir::Cache "${dir}/cache";
Dir::Log "${dir}";
// What the system does after an update of its own lists.
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
// As root apt would switch to a user that can't write here.
APT::Sandbox::User "";
#clear APT::Architectures;
APT::Architectures { "${debianArchitectures[process.arch] ?? process.arch}"; };
Acquire::Languages "none";
#clear Acquire::IndexTargets::deb::DEP-11;
#clear Acquire::IndexTargets::deb::CNF;
// A mirror that doesn't answer costs seconds.
Acquire::Retries "0";
Acquire::http::Timeout "5";
Acquire::https::Timeout "5";
`,
  );
  return config;
}

const debianArchitectures: Readonly<Record<string, string>> = {
  x64: 'amd64',
  ia32: 'i386',
  arm: 'armhf',
  ppc64: 'ppc64el',
};

/** The Debian mirror that this machine uses, which may be the only one it reaches, then Debian's own. */
async function mirrors(): Promise<readonly string[]> {
  const args = ['indextargets', '--format', '$(REPO_URI)', 'Created-By: Packages'];
  const { lines } = await runCommand('apt-get', args, { timeoutMs: quickMs });
  const own = lines
    .map((line) => line.replace(/\/$/u, ''))
    .find((uri) => /^https?:\/\/\S+\/debian$/u.test(uri));
  return [...new Set([...(own === undefined ? [] : [own]), debianMirror])];
}

function whyAptFailed({ timedOut, lines }: CommandResult, timeoutMs: number): string {
  if (timedOut) return `not done after ${timeoutMs / 1000} s`;
  return (
    lines
      .filter((line) => /^(?:E|W|Err)\b/u.test(line))
      .slice(-2)
      .join(' ') || lines.slice(-2).join(' ')
  );
}

async function runs(command: string, ...args: string[]): Promise<boolean> {
  return (await runCommand(command, args, { timeoutMs: quickMs })).code === 0;
}

async function firstThatExists(paths: readonly string[]): Promise<string | undefined> {
  for (const path of paths)
    if (
      await access(path).then(
        () => true,
        () => false,
      )
    )
      return path;
  return undefined;
}
