import { transformFileSync } from '@swc/core';
import { fileURLToPath } from 'node:url';

/** Lets a process that a test starts run TypeScript sources as they are, as the ES modules that they become in the build. */
export function load(url, context, nextLoad) {
  if (!url.endsWith('.ts')) return nextLoad(url, context);
  const { code } = transformFileSync(fileURLToPath(url), {
    jsc: { target: 'es2022', parser: { syntax: 'typescript' } },
    module: { type: 'es6' },
    sourceMaps: 'inline',
  });
  return { format: 'module', source: code, shortCircuit: true };
}
