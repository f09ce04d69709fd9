import { resolve } from 'node:path';
import { z } from 'zod';
import { gatewaySettings } from '../../services/gateway/config.ts';
import { ledgerSettings, readLedgerSettings } from '../../services/ledger/config.ts';
import { settlerSettings } from '../../services/settler/config.ts';
import { anyText } from '../../shared/config/fields.ts';
import { parseSettings, type Environment } from '../../shared/config/parse-settings.ts';

/** The settings that only running on one machine has. */
export const localSettings = z.object({
  DATA_DIR: anyText({
    description: 'The folder in which `npm start` keeps the data of its PostgreSQL and NATS.',
    default: '.data',
    expected: 'the path of a folder',
  }),
});

export type LocalSettings = ReturnType<typeof readLocalSettings>;

/**
 * Reads the settings of all processes that will be started, so that whatever is wrong is named before any of them is.
 * Throws a `SettingsError` that names all invalid settings at once.
 */
export function readLocalSettings(env: Environment) {
  const everything = z.object({
    ...gatewaySettings.shape,
    ...ledgerSettings.shape,
    ...settlerSettings.shape,
    ...localSettings.shape,
  });
  const given = parseSettings(everything, env);
  return {
    dataDir: resolve(given.DATA_DIR),
    host: given.HOST,
    port: given.PORT,
    /** Of one's own; undefined when we start PostgreSQL ourselves. */
    database: isSet(env['DB_HOST']) ? readLedgerSettings(env).database : undefined,
    databaseName: given.DB_NAME,
    /** Of one's own; undefined when we start nats-server ourselves. */
    natsUrl: isSet(env['NATS_URL']) ? given.NATS_URL.join(',') : undefined,
    /** Undefined is any free port. */
    ledgerOpsPort: given.LEDGER_OPS_PORT.port,
    settlerOpsPort: given.SETTLER_OPS_PORT.port,
    opsHost: given.OPS_HOST,
    logLevel: given.LOG_LEVEL,
  };
}

function isSet(text: string | undefined): boolean {
  return text !== undefined && text.trim() !== '';
}
