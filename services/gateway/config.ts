import { z } from 'zod';
import { host, listenPort, onOff, optionalPort, webPrefix } from '../../shared/config/fields.ts';
import { readNatsAccess } from '../../shared/config/nats-access.ts';
import { parseSettings, type Environment } from '../../shared/config/parse-settings.ts';
import { logLevelOf, logSettings, natsSettings, opsSettings } from '../../shared/config/setting-groups.ts';
import { readTestClock, testClockSettings } from '../../shared/config/test-clock.ts';
import { accessSettings, readAccess } from './auth/settings.ts';

/** Every setting of the gateway. */
export const gatewaySettings = z.object({
  PORT: listenPort({ description: 'The port on which the gateway answers HTTP.', default: '8080' }),
  HOST: host({ description: 'The address on which the gateway answers HTTP.', default: '127.0.0.1' }),
  ...accessSettings,
  JSON_AS_ASCII: onOff({
    description: 'Whether answers write what is not ASCII as \\uXXXX.',
    default: 'off',
  }),
  ...natsSettings,
  GATEWAY_OPS_PORT: optionalPort({
    description: 'The port on which the gateway answers GET /metrics, /healthz and /readyz; 0 is off.',
    default: '0',
  }),
  TRACE_URL: webPrefix({
    description:
      'Where people look at traces: with a trace’s id at its end it is the `trace` link of problem answers.',
  }),
  GATEWAY_LOG_LEVEL: logLevelOf('gateway'),
  ...opsSettings,
  ...logSettings,
  ...testClockSettings,
});

export type GatewaySettings = ReturnType<typeof readGatewaySettings>;

/** Throws a `SettingsError` that names all settings that are invalid by themselves, or else the first that contradict each other. */
export function readGatewaySettings(env: Environment) {
  const given = parseSettings(gatewaySettings, env);
  return {
    port: given.PORT,
    host: given.HOST,
    access: readAccess(given),
    jsonAsAscii: given.JSON_AS_ASCII,
    testClock: readTestClock(given),
    /** Undefined links nowhere. */
    traceUrl: given.TRACE_URL,
    nats: readNatsAccess(given),
    /** Undefined is off. */
    opsPort: given.GATEWAY_OPS_PORT.port,
    opsHost: given.OPS_HOST,
    logLevel: given.GATEWAY_LOG_LEVEL ?? given.LOG_LEVEL,
  };
}
