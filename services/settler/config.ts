import { z } from 'zod';
import { integer, optionalPort } from '../../shared/config/fields.ts';
import { readNatsAccess } from '../../shared/config/nats-access.ts';
import { parseSettings, type Environment } from '../../shared/config/parse-settings.ts';
import {
  logLevelOf,
  logSettings,
  natsSettings,
  opsSettings,
  streamSettings,
} from '../../shared/config/setting-groups.ts';

/** Every setting of the settler. */
export const settlerSettings = z.object({
  ...natsSettings,
  ...streamSettings,
  SETTLER_WORKERS: integer({
    description: 'How many requests to settle are under way at once; each is for all that is due by then.',
    default: '2',
    formerName: 'HUEY_WORKERS',
    min: 1,
    // More would only queue at the ledger, which takes settling and live batches in turns.
    max: 64,
  }),
  SETTLER_OPS_PORT: optionalPort({
    description: 'The port on which the settler answers GET /metrics, /healthz and /readyz; 0 is off.',
    default: '0',
  }),
  SETTLER_LOG_LEVEL: logLevelOf('settler'),
  ...opsSettings,
  ...logSettings,
});

/** Throws a `SettingsError` that names all settings that are invalid by themselves, or else the first that contradict each other. */
export function readSettlerSettings(env: Environment) {
  const given = parseSettings(settlerSettings, env);
  return {
    nats: readNatsAccess(given),
    streamReplicas: given.NATS_STREAM_REPLICAS,
    workers: given.SETTLER_WORKERS,
    /** Undefined is off. */
    opsPort: given.SETTLER_OPS_PORT.port,
    opsHost: given.OPS_HOST,
    logLevel: given.SETTLER_LOG_LEVEL ?? given.LOG_LEVEL,
  };
}
