import { readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { freePort, isPortFree } from './free-port.ts';
import { serverFailure } from './server-failure.ts';
import { messageOf } from '../../shared/telemetry/describe-error.ts';

type ServerName = 'postgres' | 'nats';
type ServerPorts = Partial<Record<ServerName, number>>;

/**
 * The port for a server of this data folder: the one it had at the last start while that is free, so that a tool
 * pointed at it keeps working, else a new one, remembered in the file `server-ports.json`.
 */
export async function chooseServerPort(dataDir: string, server: ServerName): Promise<number> {
  const file = join(dataDir, 'server-ports.json');
  const ports = await readPorts(file);
  const remembered = ports[server];
  if (remembered !== undefined && (await isPortFree(remembered))) return remembered;
  const taken = new Set(Object.values(ports));
  let port = await freePort();
  while (taken.has(port)) port = await freePort();
  try {
    await writeFile(`${file}.new`, `${JSON.stringify({ ...ports, [server]: port })}\n`);
    await rename(`${file}.new`, file);
  } catch (error) {
    throw serverFailure(server, [messageOf(error)], []);
  }
  return port;
}

async function readPorts(file: string): Promise<ServerPorts> {
  try {
    const value: unknown = JSON.parse(await readFile(file, 'utf8'));
    return { ...portOf(value, 'postgres'), ...portOf(value, 'nats') };
  } catch {
    // Missing or damaged: it only costs the servers new ports.
    return {};
  }
}

function portOf(value: unknown, server: ServerName): ServerPorts {
  if (typeof value !== 'object' || value === null) return {};
  const port: unknown = Reflect.get(value, server);
  return Number.isInteger(port) && Number(port) > 0 && Number(port) < 65_536
    ? { [server]: Number(port) }
    : {};
}
