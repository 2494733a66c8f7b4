import { describe, expect, it } from 'vitest';
import { openArchive } from '../../../src/config/apply/archive.ts';
import { EXIT } from '../../../src/core/errors.ts';
import { PowerDisk } from '../../double/power-disk.ts';

describe('an archive of configurations', () => {
  it('that this user may not read says so, and not that he may not write', async () => {
    const disk = new PowerDisk({});
    disk.read = () => Promise.reject(Object.assign(new Error('permission denied'), { code: 'EACCES' }));
    await expect(openArchive('/var/lib/millgate/configurations', disk)).rejects.toMatchObject({
      code: EXIT.permission,
      message: expect.stringMatching(/^\/var\/lib\/millgate\/configurations: this user may not read it\. Use sudo -u/),
    });
  });
});
