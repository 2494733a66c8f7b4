import { describe, expect, it } from 'vitest';
import { EXTRA, FILE, NEW, OLD, start, text } from './double/applying.ts';

const EDITED = text(195, '# by hand');
const EDIT_KEPT = `An edit by hand that was not in force is kept as ${FILE}.edited`;

describe('a file that somebody edits in its place while another one is on trial', () => {
  it('is kept beside the one that takes its place, and the journal says so', async () => {
    const { applying, clock, disk, events } = await start();
    await applying.apply({ text: NEW, by: 'ann', confirmMs: 60_000 });
    await disk.write(FILE, EDITED);
    await clock.advance(1000);
    await applying.confirm('ann');
    expect([disk.text(FILE), disk.text(`${FILE}.edited`)]).toEqual([NEW, EDITED]);
    expect(events.at(-1)).toMatchObject({ what: 'apply-kept', message: expect.stringContaining(EDIT_KEPT) });
  });

  it('is kept when a reload is rolled back over it, beside the rejected one', async () => {
    const { applying, clock, disk, events, world } = await start();
    await disk.write(FILE, NEW);
    world.isGood = false;
    await applying.reload();
    await disk.write(FILE, EDITED);
    await clock.advance(31_000);
    const beside = ['', '.rejected', '.edited'].map((suffix) => disk.text(`${FILE}${suffix}`));
    expect(beside).toEqual([OLD, NEW, EDITED]);
    expect(events.at(-1)).toMatchObject({ what: 'apply-rolled-back', message: expect.stringContaining(EDIT_KEPT) });
  });

  it('is left where it is when the one on trial is taken back', async () => {
    const { applying, disk } = await start();
    await applying.apply({ text: NEW, by: 'ann', confirmMs: 60_000 });
    await disk.write(FILE, EDITED);
    await applying.rollback('ann');
    expect([disk.text(FILE), disk.text(`${FILE}.edited`)]).toEqual([EDITED, undefined]);
  });

  it('is kept under another name when there is a copy of an earlier one', async () => {
    const { applying, clock, disk } = await start({ [`${FILE}.edited`]: 'earlier' });
    await disk.write(FILE, EDITED);
    await applying.apply({ text: NEW, by: 'ann' });
    await clock.advance(1000);
    expect([disk.text(`${FILE}.edited`), disk.text(`${FILE}.edited.2`)]).toEqual(['earlier', EDITED]);
  });
});

describe('a file that somebody edited in its place', () => {
  it('is kept when the running one is applied again, and when a rollback by hand replaces it', async () => {
    const { applying, clock, disk, events } = await start();
    await disk.write(FILE, EDITED);
    await applying.apply({ text: OLD, by: 'ann' });
    expect([disk.text(FILE), disk.text(`${FILE}.edited`)]).toEqual([OLD, EDITED]);
    expect(events.at(-1)).toMatchObject({ what: 'apply', message: expect.stringContaining(EDIT_KEPT) });
    await applying.apply({ text: NEW, by: 'ann' });
    await clock.advance(1000);
    await disk.write(FILE, text(190));
    await applying.rollback('bob');
    expect([disk.text(FILE), disk.text(`${FILE}.edited.2`)]).toEqual([OLD, text(190)]);
  });
});

describe('a file in conf.d that was edited and is not in force', () => {
  const UPLINK = 'uplinks: {plant: {type: mqtt, url: "mqtt://broker"}}\n';

  it('is named, and nothing is applied, as a rollback would leave a mix that nobody tried', async () => {
    const { applying, disk, limit, archive } = await start();
    await disk.write(EXTRA, UPLINK);
    const refusal = `conf.d/extra.yaml beside ${FILE}: edited, and not in force. Apply that first (systemctl reload millgate)`;
    await expect(applying.apply({ text: NEW, by: 'ann' })).rejects.toThrow(refusal);
    expect([limit(), disk.text(FILE), archive.ledger().trial]).toEqual([200, OLD, undefined]);
  });

  it('is named when it is gone from the disk', async () => {
    const { applying, disk } = await start({ [EXTRA]: UPLINK });
    await disk.remove(EXTRA);
    await expect(applying.apply({ text: NEW, by: 'ann' })).rejects.toThrow('conf.d/extra.yaml beside');
  });

  it('is in no way once a reload put it in force', async () => {
    const { applying, clock, disk, limit } = await start();
    await disk.write(EXTRA, UPLINK);
    await applying.reload();
    await clock.advance(1000);
    await applying.apply({ text: NEW, by: 'ann' });
    await clock.advance(1000);
    expect([limit(), disk.text(FILE), disk.text(EXTRA)]).toEqual([210, NEW, UPLINK]);
  });
});
