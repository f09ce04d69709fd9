import { cp, mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Mutant } from './mutant.ts';

/** A copy of the build with a mistake in it, below `folder`. Throws when a text to replace is not there exactly once. */
export async function buildMutant(root: string, folder: string, { name, patches }: Mutant): Promise<void> {
  await mkdir(folder, { recursive: true });
  await cp(join(root, 'dist'), join(folder, 'dist'), { recursive: true });
  await cp(join(root, 'package.json'), join(folder, 'package.json'));
  await symlink(join(root, 'node_modules'), join(folder, 'node_modules'));
  for (const { file, search, replace } of patches) {
    const path = join(folder, 'dist', file);
    const [before, after, ...more] = (await readFile(path, 'utf8')).split(search);
    if (before === undefined || after === undefined || more.length > 0)
      throw new Error(
        `the mutant "${name}" looks for this in dist/${file}, once, and it is not so:\n${search}`,
      );
    await writeFile(path, before + replace + after);
  }
}
