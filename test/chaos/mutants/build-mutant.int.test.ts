import { expect, test } from '@jest/globals';
import { patchedText } from './build-mutant.ts';
import { mutants } from './mutant.ts';

test.each(mutants)('mutant "$name" is still made of the code as it is', async ({ patches }) => {
  const texts = await Promise.all(patches.map((patch) => patchedText(process.cwd(), patch)));
  expect(texts).not.toHaveLength(0);
});
