import { loadEnvFile } from '../../../shared/config/load-env-file.ts';
import { SettingsError } from '../../../shared/config/parse-settings.ts';
import { exitCodes } from '../../../shared/lifecycle/run-service.ts';
import { readSigningSettings } from '../auth/settings.ts';
import { signToken } from '../auth/sign-token.ts';
import { readOptions, usage, WrongOptions } from './options.ts';

/* `npm run token`: a token for the HTTP API, alone on standard output, so that a shell can take it. */
try {
  const request = readOptions(process.argv.slice(2));
  if (request === undefined) {
    process.stdout.write(`${usage}\n`);
  } else {
    loadEnvFile(process.env, process.cwd());
    process.stdout.write(`${await signToken(request, readSigningSettings(process.env))}\n`);
  }
} catch (error) {
  if (!(error instanceof SettingsError || error instanceof WrongOptions)) throw error;
  process.stderr.write(`No token: ${error.message}\n`);
  process.exitCode = exitCodes.settings;
}
