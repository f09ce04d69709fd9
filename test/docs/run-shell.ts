import { startChild, type OutputStream } from '../../deploy/local/child-process.ts';

const limitMs = 60_000;

/** Runs a command, or a script until its first command that fails, as a shell does. */
export async function runShell(
  script: string,
  { cwd, env }: { readonly cwd: string; readonly env: NodeJS.ProcessEnv },
): Promise<{ code: number | null } & Record<OutputStream, string>> {
  const lines: Record<OutputStream, string[]> = { stdout: [], stderr: [] };
  const child = await startChild({
    name: 'sh',
    command: 'sh',
    args: ['-e', '-c', script],
    cwd,
    env,
    onLine: (line, stream) => lines[stream].push(line),
  });
  const timer = setTimeout(() => child.kill(), limitMs);
  const { code } = await child.exited;
  clearTimeout(timer);
  return { code, stdout: lines.stdout.join('\n'), stderr: lines.stderr.join('\n') };
}
