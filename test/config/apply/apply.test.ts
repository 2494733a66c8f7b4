import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { seededRandom } from '../../../src/core/random.ts';
import type { PowerDisk } from '../../double/power-disk.ts';
import { boot, EXTRA, FILE, NEW, OLD, STORE, start, text } from '../double/applying.ts';

describe('a configuration that is applied', () => {
  it('is in force at once, and takes the place of the file only when data flows', async () => {
    const { applying, clock, disk, limit, told, world } = await start();
    world.isGood = false;
    await applying.apply({ text: NEW, by: 'ann' });
    expect([limit(), disk.text(FILE)]).toEqual([210, OLD]);
    await clock.advance(10_000);
    expect((await applying.status()).pending).toMatchObject({ awaits: 'data', by: 'ann' });
    world.isGood = true;
    await clock.advance(1000);
    expect([limit(), disk.text(FILE), world.settled]).toEqual([210, NEW, 1]);
    expect(told()).toEqual(['apply', 'apply-kept']);
    expect((await applying.status()).history[0]).toMatchObject({
      outcome: 'kept',
      changes: ['alarm hot: above 200 → 210'],
    });
  });

  it('is rolled back when no data comes, with the reason in the journal', async () => {
    const { applying, clock, disk, limit, events, world } = await start();
    world.isGood = false;
    await applying.apply({ text: NEW, by: 'ann' });
    await clock.advance(31_000);
    expect([limit(), disk.text(FILE), disk.text(`${FILE}.new`)]).toEqual([200, OLD, undefined]);
    expect(events.at(-1)).toMatchObject({
      ...{ kind: 'audit', what: 'apply-rolled-back', by: 'ann' },
      why: 'no good reading came from oven (waited 30s), which read good before',
    });
  });

  it('with a confirmation wanted waits for it, and for the data, and is kept with both', async () => {
    const { applying, clock, disk, told } = await start();
    await applying.apply({ text: NEW, by: 'ann', confirmMs: 120_000 });
    await clock.advance(60_000);
    expect((await applying.status()).pending).toMatchObject({ awaits: 'confirmation' });
    await applying.confirm('bob');
    await clock.advance(1000);
    expect(disk.text(FILE)).toBe(NEW);
    expect(told()).toEqual(['apply', 'confirm', 'apply-kept']);
  });

  it('is not kept by a confirmation when its data has stopped since, but by one when it flows again', async () => {
    const { applying, clock, disk, limit, told, world } = await start();
    await applying.apply({ text: NEW, by: 'ann', confirmMs: 600_000 });
    await clock.advance(60_000);
    world.silentSinceMs = clock.monoMs();
    await clock.advance(60_000);
    await expect(applying.confirm('bob')).rejects.toThrow(/no good reading comes any more from oven\./);
    const late = { device: 'oven', state: 'late' };
    expect((await applying.status()).pending).toMatchObject({ awaits: 'data', devices: [late] });
    world.silentSinceMs = undefined;
    await clock.advance(1000);
    await applying.confirm('bob');
    expect([limit(), disk.text(FILE)]).toEqual([210, NEW]);
    expect(told()).toEqual(['apply', 'confirm', 'apply-kept']);
  });

  it('is rolled back at the end of its time when the data has stopped and the confirmation was refused', async () => {
    const { applying, clock, disk, limit, world } = await start();
    await applying.apply({ text: NEW, by: 'ann', confirmMs: 120_000 });
    await clock.advance(1000);
    world.silentSinceMs = clock.monoMs();
    await clock.advance(60_000);
    await expect(applying.confirm('bob')).rejects.toThrow('oven');
    await clock.advance(60_000);
    expect([limit(), disk.text(FILE)]).toEqual([200, OLD]);
  });

  it('is rolled back without the confirmation, and by hand', async () => {
    const { applying, clock, limit, told } = await start();
    await applying.apply({ text: NEW, by: 'ann', confirmMs: 120_000 });
    await clock.advance(121_000);
    expect(limit()).toBe(200);
    await applying.apply({ text: NEW, by: 'ann', confirmMs: 120_000 });
    await expect(applying.apply({ text: text(220), by: 'bob' })).rejects.toThrow(/applied by ann, is on trial/);
    await applying.rollback('bob');
    expect(limit()).toBe(200);
    expect(told()).toEqual(['apply', 'apply-rolled-back', 'apply', 'apply-rolled-back']);
  });

  it('is refused as a whole when it is not valid, or needs a restart, or what runs does not let go', async () => {
    const { applying, disk, limit, archive, told, world } = await start();
    const answer = await applying.apply({ text: text(210).replace('above', 'abve'), by: 'ann' });
    expect(answer).toMatchObject({
      ok: false,
      problems: [{ line: 4 }, { file: FILE, line: 4, path: 'alarms.hot.abve' }],
    });
    const moved = applying.apply({ text: NEW.replace(STORE, '/data'), by: 'ann' });
    await expect(moved).rejects.toThrow(/store: path .* is fixed while the gateway runs: systemctl stop/);
    expect(told()).toEqual([]);
    world.refuses = true;
    await expect(applying.apply({ text: NEW, by: 'ann' })).rejects.toThrow('does not let go');
    expect([limit(), disk.text(FILE), disk.text(`${FILE}.new`)]).toEqual([200, OLD, undefined]);
    expect(archive.ledger()).toMatchObject({ history: [{ outcome: 'failed' }, { how: 'start' }] });
  });

  it('goes back by hand to the one before, and no further than there is', async () => {
    const { applying, clock, disk, limit } = await start();
    for (const each of [NEW, text(220)]) {
      await applying.apply({ text: each, by: 'ann' });
      await clock.advance(1000);
    }
    await applying.rollback('bob');
    expect([limit(), disk.text(FILE)]).toEqual([210, NEW]);
    await applying.rollback('bob');
    expect([limit(), disk.text(FILE)]).toEqual([200, OLD]);
    await expect(applying.rollback('bob')).rejects.toThrow('no earlier configuration');
  });

  it('is kept at once when only comments differ', async () => {
    const { applying, clock, disk, world } = await start();
    world.isGood = false;
    await applying.apply({ text: `# new\n${OLD}`, by: 'ann' });
    await clock.advance(300);
    expect(disk.text(FILE)).toBe(`# new\n${OLD}`);
  });

  it('remembers the last twenty', async () => {
    const { applying, clock, archive, disk } = await start();
    for (let limit = 201; limit < 230; limit++) {
      await applying.apply({ text: text(limit), by: 'ann' });
      await clock.advance(300);
    }
    expect(archive.ledger().history).toHaveLength(20);
    expect((await disk.list(`${STORE}/configurations`)).length).toBeLessThanOrEqual(22);
  });
});

describe('a reload', () => {
  it('of a broken file is refused as a whole, and what runs goes on', async () => {
    const { applying, disk, limit, events } = await start();
    await disk.write(FILE, 'channels: [');
    await applying.reload();
    expect(limit()).toBe(200);
    expect(events.at(-1)).toMatchObject({ kind: 'audit', what: 'reload-refused' });
    expect((await applying.status()).onDisk).toBe('different');
  });

  it('of a file that stops the data puts the old one back, and the new one aside', async () => {
    const { applying, clock, disk, limit, world } = await start();
    await disk.write(FILE, NEW);
    await disk.write(EXTRA, 'uplinks: {plant: {type: mqtt, url: "mqtt://broker"}}\n');
    world.isGood = false;
    await applying.reload();
    expect(limit()).toBe(210);
    await clock.advance(31_000);
    expect([limit(), disk.text(FILE), disk.text(`${FILE}.rejected`)]).toEqual([200, OLD, NEW]);
    expect([disk.text(EXTRA), (await applying.status()).onDisk]).toEqual([undefined, 'same']);
  });
});

describe('a file that was edited in its place and is then applied', () => {
  it('is put aside when it stops the data, and the old one is back', async () => {
    const { applying, clock, disk, limit, world } = await start();
    await disk.write(FILE, NEW);
    world.isGood = false;
    await applying.apply({ text: NEW, by: 'ann' });
    await clock.advance(31_000);
    expect([limit(), disk.text(FILE), disk.text(`${FILE}.rejected`)]).toEqual([200, OLD, NEW]);
    expect((await applying.status()).history[0]).toMatchObject({ outcome: 'rolled-back', by: 'ann' });
  });

  it('is not taken for one that was kept when the gateway ends while it is on trial', async () => {
    const first = await start();
    await first.disk.write(FILE, NEW);
    await first.disk.syncFolder('/etc/millgate');
    first.world.isGood = false;
    await first.applying.apply({ text: NEW, by: 'ann' });
    const second = await boot(first.disk.afterCut(seededRandom(1)));
    expect([second.limit(), second.disk.text(FILE)]).toEqual([200, OLD]);
    expect(second.disk.text(`${FILE}.rejected`)).toBe(NEW);
    expect(second.told()).toEqual(['apply-rolled-back']);
  });
});

describe('a disk that refuses', () => {
  /** The folder of the configuration can be written no more. */
  const closeFolder = (disk: PowerDisk) => {
    const write = disk.write.bind(disk);
    disk.write = (path, content) =>
      path.startsWith('/etc/millgate/')
        ? Promise.reject(Object.assign(new Error('read-only'), { code: 'EROFS' }))
        : write(path, content);
  };

  it('to put the old file back after a reload: the next start does it', async () => {
    const first = await start();
    await first.disk.write(FILE, NEW);
    await first.disk.syncFolder('/etc/millgate');
    first.world.isGood = false;
    await first.applying.reload();
    closeFolder(first.disk);
    await first.clock.advance(31_000);
    expect([first.limit(), first.disk.text(FILE)]).toEqual([200, NEW]);
    const second = await boot(first.disk.afterCut(seededRandom(1)));
    expect([second.limit(), second.disk.text(FILE)]).toEqual([200, OLD]);
    expect(second.archive.ledger().trial).toBeUndefined();
  });

  it('to put the old file back, and a technician who wrote another one meanwhile: that one is left alone', async () => {
    const first = await start();
    await first.disk.write(FILE, NEW);
    await first.disk.syncFolder('/etc/millgate');
    first.world.isGood = false;
    await first.applying.reload();
    closeFolder(first.disk);
    await first.clock.advance(31_000);
    const disk = first.disk.afterCut(seededRandom(1));
    await disk.write(FILE, text(190));
    const second = await boot(disk);
    expect([second.limit(), second.archive.ledger().trial]).toEqual([190, undefined]);
    expect(second.told()).toEqual(['configuration-changed']);
  });

  it('in the middle of a rollback by hand: the files are those of what runs', async () => {
    const { applying, clock, disk, limit } = await start();
    await disk.write(EXTRA, 'uplinks: {plant: {type: mqtt, url: "mqtt://broker"}}\n');
    await disk.write(FILE, NEW);
    await applying.reload();
    await clock.advance(1000);
    const write = disk.write.bind(disk);
    let refused = 0;
    disk.write = (path, content) =>
      path.startsWith(FILE) && refused++ === 0
        ? Promise.reject(Object.assign(new Error('full'), { code: 'ENOSPC' }))
        : write(path, content);
    await expect(applying.rollback('bob')).rejects.toThrow('the disk is full');
    expect([limit(), disk.text(FILE)]).toEqual([210, NEW]);
    expect((await applying.status()).onDisk).toBe('same');
  });
});

describe('a power cut', () => {
  type Deed = 'apply' | 'apply-late' | 'apply-unconfirmed' | 'reload-late' | 'rollback';
  const DEEDS: readonly Deed[] = ['apply', 'apply-late', 'apply-unconfirmed', 'reload-late', 'rollback'];

  async function act(deed: Deed, daemon: Awaited<ReturnType<typeof boot>>): Promise<void> {
    const { applying, clock, disk, world, limit } = daemon;
    world.isGood = deed === 'apply' || deed === 'apply-unconfirmed' || deed === 'rollback';
    if (deed === 'reload-late') {
      await disk.write(`${FILE}.new`, NEW);
      await disk.rename(`${FILE}.new`, FILE);
      await disk.syncFolder('/etc/millgate');
      await applying.reload();
      world.tried = limit() === 210;
    } else if (deed === 'rollback') await applying.rollback('ann');
    else await applying.apply({ text: NEW, by: 'ann', ...(deed === 'apply-unconfirmed' && { confirmMs: 20_000 }) });
    await clock.advance(31_000);
  }

  it('at any step leaves the old file or the new one, and the next start has one whole configuration and nothing on trial', async () => {
    const runs = fc.record({ deed: fc.constantFrom(...DEEDS), steps: fc.nat(40), seed: fc.nat() });
    await fc.assert(
      fc.asyncProperty(runs, async ({ deed, steps, seed }) => {
        const first = await start();
        if (deed === 'rollback') {
          await first.applying.apply({ text: text(190), by: 'ann' });
          await first.clock.advance(1000);
        }
        first.disk.cutAfter(steps);
        await act(deed, first).catch(() => {});
        first.applying.close();
        const disk = first.disk.afterCut(seededRandom(seed));
        expect([OLD, NEW, text(190)]).toContain(disk.text(FILE));
        const second = await boot(disk);
        const { history, pending, onDisk } = await second.applying.status();
        expect([pending, onDisk]).toEqual([undefined, 'same']);
        expect(second.archive.ledger().trial).toBeUndefined();
        expect(second.archive.ledger().good[0]).toBe(second.config().hash);
        expect([200, 210, 190]).toContain(second.limit());
        if (deed === 'apply-late' || deed === 'apply-unconfirmed' || first.world.tried)
          expect(second.limit()).toBe(200);
        expect(history.length).toBeGreaterThan(0);
      }),
      { numRuns: 250 },
    );
  });

  it('while a file is on trial: the next start has the one before, and says so', async () => {
    const first = await start();
    await first.applying.apply({ text: NEW, by: 'ann', confirmMs: 600_000 });
    await first.clock.advance(5000);
    const second = await boot(first.disk.afterCut(seededRandom(1)));
    expect(second.limit()).toBe(200);
    expect(second.told()).toEqual(['apply-rolled-back']);
    expect(second.archive.ledger().history[0]).toMatchObject({ outcome: 'rolled-back', by: 'ann' });
  });

  it('order of an apply: the new file beside the old, both kept, the note, and the name last', async () => {
    const { applying, clock, disk } = await start();
    disk.steps.length = 0;
    await applying.apply({ text: NEW, by: 'ann' });
    await clock.advance(1000);
    const steps = disk.steps.map((step) => step.replaceAll(/[0-9a-f]{12}/g, 'HASH'));
    const at = (step: string) => steps.indexOf(step);
    const order = [
      'write millgate.yaml.new',
      'rename HASH.files.json.new HASH.files.json',
      'rename ledger.json.new ledger.json',
    ];
    const named = [...order, 'rename millgate.yaml.new millgate.yaml', 'sync millgate'].map(at);
    expect(
      named.every((place) => place >= 0),
      steps.join('\n'),
    ).toBe(true);
    expect(named.slice(0, 4)).toEqual([...named.slice(0, 4)].sort((a, b) => a - b));
    expect(steps[at('rename millgate.yaml.new millgate.yaml') + 1]).toBe('sync millgate');
  });
});
