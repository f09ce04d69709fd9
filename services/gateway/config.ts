import { z } from 'zod';
import { host, listenPort } from '../../shared/config/fields.ts';
import { parseSettings, type Environment } from '../../shared/config/parse-settings.ts';
import { logSettings, natsSettings } from '../../shared/config/setting-groups.ts';

/** Every setting of the gateway. */
export const gatewaySettings = z.object({
  PORT: listenPort({ description: 'The port on which the gateway answers HTTP.', default: '8080' }),
  HOST: host({ description: 'The address on which the gateway answers HTTP.', default: '127.0.0.1' }),
  ...natsSettings,
  ...logSettings,
});

export type GatewaySettings = ReturnType<typeof readGatewaySettings>;

/** Throws a `SettingsError` that names all invalid settings at once. */
export function readGatewaySettings(env: Environment) {
  const given = parseSettings(gatewaySettings, env);
  return {
    port: given.PORT,
    host: given.HOST,
    natsUrls: given.NATS_URL,
    logLevel: given.LOG_LEVEL,
  };
}
