import { isNativeError } from 'node:util/types';
import { SettingsError } from '../config/parse-settings.ts';

/** Where a server was to listen, and the settings that say so. */
export interface ListenPlace {
  host: string;
  port: number;
  hostSetting: string;
  portSetting: string;
}

/** The error of a failed `listen`, in words that say how to mend it where only a setting can. */
export function listenProblem(error: unknown, place: ListenPlace): unknown {
  const { host, port, hostSetting, portSetting } = place;
  const code = isNativeError(error) && 'code' in error ? error.code : undefined;
  switch (code) {
    case 'EADDRINUSE':
      return new SettingsError([
        `${portSetting} is ${port}, but another process already listens there: stop that one, or choose another port`,
      ]);
    case 'EACCES':
      return new SettingsError([
        `${portSetting} is ${port}, but this user may not listen there: choose a port from 1024 on`,
      ]);
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
      return new SettingsError([`${hostSetting} is "${host}", but this machine has no such address`]);
    default:
      return error;
  }
}
