import { runCommand } from '../run-command.ts';
import { parseVersion } from '../../../shared/messaging/nats-server-version.ts';

const versionMs = 5_000;

/** The version that an executable says it is; undefined when it doesn't run here. */
export async function readVersion(executable: string): Promise<string | undefined> {
  const { code, lines } = await runCommand(executable, ['--version'], { timeoutMs: versionMs });
  return code === 0 ? parseVersion(lines.join('\n')) : undefined;
}
