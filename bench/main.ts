import { tmpdir } from 'node:os';
import { freeDisk } from '../deploy/local/postgres-server.ts';
import { say } from '../deploy/local/progress.ts';
import { measureAuditSpeed } from './audit-speed.ts';
import { measureGrowth } from './growth.ts';
import { readOptions } from './options.ts';
import { measureOverload } from './overload.ts';
import { measureSoak, soakSettings } from './soak.ts';
import { measureStandard } from './standard.ts';
import { measureTelemetryCost } from './telemetry-cost.ts';
import { withStacks } from './with-stacks.ts';

const wrongOptionsExitCode = 2;

/** As many as are written in the time that a run takes. */
const logFiles = { all: Infinity, quick: 34, smoke: 0 } as const;

/** `npm run bench`: measures as asked, audits the books, prints tables. Resolves with the exit code. */
export async function runBench(root: string, args: readonly string[]): Promise<number> {
  const options = readOptions(args);
  if (options === undefined) return wrongOptionsExitCode;
  const { env } = process;
  const { profileDir } = options;
  const nodeOptions = profileDir === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${profileDir}`];
  const disk = await freeDisk(tmpdir());
  const stack = { root, env, report: say, nodeOptions, disk, logFiles: logFiles[options.extent] };
  switch (options.mode) {
    case 'standard':
      return withStacks([stack], ([only]) => measureStandard({ root, stack: only }, options));
    case 'growth':
      return withStacks([stack, stack], ([small, grown]) => measureGrowth(root, { small, grown }, options));
    case 'telemetry-cost':
      return withStacks([{ ...stack, telemetry: false }, stack], ([off, on]) =>
        measureTelemetryCost(root, { off, on }, options),
      );
    case 'overload':
      return withStacks([stack], ([only]) => measureOverload(root, only, options));
    case 'soak':
      return withStacks([{ ...stack, settings: soakSettings }], ([only]) => measureSoak(root, only, options));
    case 'audit':
      return measureAuditSpeed(root, env, options);
  }
}
