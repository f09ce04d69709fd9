import { cp, mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Mutant, Patch } from './mutant.ts';

/** A copy of the build with a mistake in it, below `folder`. Throws when a text to replace is not there exactly once. */
export async function buildMutant(root: string, folder: string, { patches }: Mutant): Promise<void> {
  await mkdir(folder, { recursive: true });
  await cp(join(root, 'dist'), join(folder, 'dist'), { recursive: true });
  await cp(join(root, 'package.json'), join(folder, 'package.json'));
  await symlink(join(root, 'node_modules'), join(folder, 'node_modules'));
  for (const patch of patches)
    await writeFile(join(folder, 'dist', patch.file), await patchedText(folder, patch));
}

/** A file of the build below `root`, with its mistake. Throws when the text to replace is not there exactly once. */
export async function patchedText(root: string, { file, search, replace }: Patch): Promise<string> {
  const [before, after, ...more] = (await readFile(join(root, 'dist', file), 'utf8')).split(search);
  if (before === undefined || after === undefined || more.length > 0)
    throw new Error(`a mutant looks for this in dist/${file}, once, and it is not so:\n${search}`);
  return before + replace + after;
}
