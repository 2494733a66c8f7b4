import { describe, expect, it } from 'vitest';
import { readSecret } from '../../../src/config/file/secrets.ts';

/** Files in memory; `modes` are permission bits. */
function world(files: Record<string, string>, mode = 0o600) {
  const warnings: string[] = [];
  return {
    warnings,
    env: { MQTT_PASSWORD: 'hunter2', EMPTY: '' },
    readFile: (path: string): string => {
      const text = files[path];
      if (path === '/locked') throw Object.assign(new Error('locked'), { code: 'EACCES' });
      if (text === undefined) throw Object.assign(new Error('none'), { code: 'ENOENT' });
      return text;
    },
    modeOf: () => mode,
    warn: (message: string) => void warnings.push(message),
  };
}

describe('a secret', () => {
  it('comes from a variable or from a file, without the line end editors add', () => {
    const sources = world({ '/a': 'hunter2\n', '/b': ' with spaces \r\n' });
    expect(readSecret({ env: 'MQTT_PASSWORD' }, sources)).toBe('hunter2');
    expect(readSecret({ file: '/a' }, sources)).toBe('hunter2');
    expect(readSecret({ file: '/b' }, sources)).toBe(' with spaces ');
    expect(sources.warnings).toEqual([]);
  });

  it.each([
    [
      { env: 'OTHER' },
      'secret: the environment variable OTHER is not set. Set it for the service, or use {file: PATH}.',
    ],
    [{ env: 'EMPTY' }, 'secret: the environment variable EMPTY is empty. Set it for the service, or use {file: PATH}.'],
    [{ file: '/none' }, 'secret: there is no file /none. Create it, readable by the millgate user only.'],
    [{ file: '/locked' }, 'secret: /locked may not be read. Give it to the millgate user: chown millgate /locked'],
    [{ file: '/empty' }, 'secret: /empty is empty. Write the secret into its first line.'],
    [{ file: '/lines' }, 'secret: /lines has more than one line. Keep only the secret in it.'],
  ])('that cannot be had says why and what to do: %j', (ref, message) => {
    expect(() => readSecret(ref, world({ '/empty': '\n', '/lines': 'hunter2\nx\n' }))).toThrow(message);
  });

  it('that anyone may read works, with a warning that does not repeat it', () => {
    const sources = world({ '/a': 'hunter2' }, 0o644);
    expect(readSecret({ file: '/a' }, sources)).toBe('hunter2');
    expect(sources.warnings).toEqual(['secret: any user may read /a. Run: chmod o-rwx /a']);
  });
});
