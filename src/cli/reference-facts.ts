import { DEFAULT_CONFIG_FILE } from './terminal/context.ts';

/** Something that a user of the command line should know by its name or number. */
export interface Fact {
  readonly term: string;
  readonly about: string;
}

/** What a command's exit code says; the numbers above 2 are those of sysexits.h. */
export const EXIT_STATUS: readonly Fact[] = [
  { term: '0', about: 'ok' },
  { term: '1', about: 'failed' },
  { term: '2', about: 'wrong usage' },
  { term: '69', about: 'unavailable: the daemon, a port or a device' },
  { term: '77', about: 'this user may not' },
  { term: '78', about: 'the configuration is not valid' },
];

/** Variables that change what every command does. */
export const ENVIRONMENT: readonly Fact[] = [
  { term: 'MILLGATE_CONFIG', about: 'configuration file, where --config names none' },
  { term: 'MILLGATE_SOCKET', about: 'socket of the gateway to talk to, whatever the configuration says' },
  { term: 'NO_COLOR', about: 'when set, nothing is coloured' },
  { term: 'LC_ALL, LC_CTYPE, LANG', about: 'where they name no UTF-8, a terminal gets nothing but ASCII' },
  { term: 'MILLGATE_DEBUG', about: 'when set, a bug is told with the place in the program where it happened' },
];

/** Files by their default places. */
export const FILES: readonly Fact[] = [
  {
    term: DEFAULT_CONFIG_FILE,
    about: 'the configuration; conf.d/*.yaml beside it are merged, profiles/ has your profiles',
  },
  { term: '/var/lib/millgate', about: 'the store' },
  { term: '/run/millgate/api.sock', about: 'the socket of the service' },
];
