import { expect, it } from 'vitest';
import { lineBench, lineTag } from '../double/serial-line.ts';

/** A reader whose codes have nothing behind them: only the pause tells that a code is whole. */
const READER = { delimiter: 'idle' };
const CODE = lineTag('reader/code', {});

it('takes what came together for one code, in however many pieces', async () => {
  const { clock, end, watch } = await lineBench(READER);
  const { values } = watch([CODE]);
  for (const piece of ['97887', '4294', '04404']) {
    end.say(piece);
    await clock.advance(16);
  }
  expect(values()).toEqual([]);
  await clock.advance(200);
  end.say('97887429404404');
  await clock.advance(200);
  expect(values()).toEqual(['97887429404404', '97887429404404']);
});

it('leaves out what some readers put behind a code all the same', async () => {
  const { clock, end, watch } = await lineBench(READER);
  const { values } = watch([CODE]);
  end.say('4711\r\n');
  await clock.advance(200);
  end.say('\r\n');
  await clock.advance(200);
  expect(values()).toEqual(['4711']);
});

it('drops what has no end at all, and is there again after it', async () => {
  const { clock, end, watch } = await lineBench({ ...READER, maxLine: 16 });
  const { values } = watch([CODE]);
  for (let piece = 0; piece < 10; piece++) end.say('0123456789');
  await clock.advance(200);
  end.say('4711');
  await clock.advance(200);
  expect(values()).toEqual(['4711']);
});

it('says to whoever expects an ending that there is none', async () => {
  const { clock, end, watch } = await lineBench();
  const { heard } = watch([CODE]);
  for (let code = 0; code < 20; code++) {
    end.say('97887429404404');
    await clock.advance(1000);
  }
  expect(heard[0]?.result).toMatchObject({ ok: false, why: 'garbled' });
  expect(heard[0]?.result).toHaveProperty('detail', expect.stringContaining('delimiter: idle'));
});
