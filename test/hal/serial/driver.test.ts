import { describe, expect, it } from 'vitest';
import { NotConnected } from '../../../hal/driver.ts';
import { settled } from '../../double/i2c-driver.ts';
import { lineBench, lineTag } from '../../double/serial-line.ts';

const WEIGHT = { pattern: '^ST,GS,\\s*(?<value>[-+0-9.]+)\\s*kg' };
const weight = lineTag('gauge/weight', WEIGHT);
const stable = lineTag('gauge/state', { pattern: '^(?<value>ST|US),', type: 'text' });
const code = lineTag('reader/code', {});
const asked = lineTag('scale/weight', { pattern: 'S S\\s+(?<value>[-0-9.]+) g' }, 'SI\r\n');
const other = lineTag('other/weight', { pattern: 'S S\\s+(?<value>[-0-9.]+) g' }, '2SI\r\n');

describe('lines that come by themselves', () => {
  it('give a reading to every tag whose pattern fits, all of one instant', async () => {
    const { end, watch } = await lineBench();
    const { heard, values } = watch([weight, stable]);
    end.say('ST,GS,  12.34 kg\r\nUS,GS,  13.00 kg\r\n');
    expect(heard.map(({ tag }) => tag)).toEqual(['gauge/weight', 'gauge/state', 'gauge/state']);
    expect(values()).toEqual([12.34, 'ST', 'US']);
    expect(heard[0]!.result.at).toBe(heard[1]!.result.at);
  });

  it('give the whole line where there is no pattern: a barcode reader', async () => {
    const { end, watch } = await lineBench();
    const { values } = watch([code]);
    end.say('4006381333931\r\n');
    expect(values()).toEqual(['4006381333931']);
  });

  it('are bad readings when they are noise, at most one a second, and all are counted', async () => {
    const { end, watch, driver, clock } = await lineBench();
    const { heard, values } = watch([weight]);
    for (let line = 0; line < 50; line++) end.say('\x80\xff\x01garbage\xfe\r\n');
    expect(values()).toEqual(['garbled']);
    expect(heard[0]!.result).toMatchObject({ detail: 'byte 0x80 in a line of text' });
    expect(driver.statistics().devices.gauge?.garbled).toBe(50);
    await clock.advance(1000);
    end.say('\xff\r\nST,GS,1.5kg\r\n');
    expect(values()).toEqual(['garbled', 'garbled', 1.5]);
  });

  it('are bad when they stay half for ever', async () => {
    const { end, watch, clock } = await lineBench();
    const { heard } = watch([weight]);
    end.say('ST,GS,  12');
    await clock.advance(499);
    expect(heard).toEqual([]);
    await clock.advance(2);
    expect(heard[0]!.result).toMatchObject({ why: 'garbled', detail: 'half a line, and then nothing' });
  });

  it('with a wrong checksum are no values', async () => {
    const { end, watch } = await lineBench({ checksum: 'nmea' });
    const latitude = lineTag('gps/lat', { pattern: 'GGA,[^,]*,(?<value>[^,]*),(?<hemisphere>[NS])', type: 'degrees' });
    const { values } = watch([latitude]);
    const sentence = '$GPGGA,123519,4807.038,N,01131.000,E,1,08,0.9,545.4,M,46.9,M,,*47\r\n';
    end.say(sentence.replace('4807', '4817'));
    end.say(sentence);
    expect(values()).toEqual(['garbled', 48 + 7.038 / 60]);
  });

  it('that fit nothing are left out and counted', async () => {
    const { end, watch, driver } = await lineBench();
    const { heard } = watch([weight]);
    end.say('Firmware 1.2\r\n');
    expect(heard).toEqual([]);
    expect(driver.statistics().unsolicitedBytes).toBe(12);
  });

  it('end with the port: the loss is told once, and nothing follows', async () => {
    const { end, watch } = await lineBench();
    const { heard, lost } = watch([weight]);
    end.say('ST,GS,  12');
    end.unplug();
    end.say('.5kg\r\n');
    expect(lost).toEqual([expect.any(NotConnected)]);
    expect(heard).toEqual([]);
  });

  it('can be waited for, once', async () => {
    const { end, driver, signal, clock } = await lineBench();
    const reading = driver.read([weight], signal);
    end.say('ST,GS,7.25kg\r\n');
    expect((await reading)[0]).toMatchObject({ ok: true, value: 7.25 });
    expect((await settled(clock, driver.read([weight], signal)))[0]).toMatchObject({ ok: false, why: 'timeout' });
  });
});

describe('lines that are asked for', () => {
  it('are sent for, and give the value of the answer', async () => {
    const { end, driver, signal, clock } = await lineBench();
    end.onRequest = () => void clock.after(40, () => end.say('S S     100.00 g\r\n'));
    const startMs = clock.monoMs();
    const [result] = await settled(clock, driver.read([asked], signal));
    expect(result).toMatchObject({ ok: true, value: 100, at: { monoMs: startMs + 20 } });
    expect(end.sent).toEqual(['SI\r\n']);
  });

  it('are tried again, and then say what to look at', async () => {
    const { end, driver, signal, clock } = await lineBench({ timeout: '200ms' });
    const [result] = await settled(clock, driver.read([asked], signal));
    expect(result).toMatchObject({ why: 'timeout', detail: expect.stringContaining('check baud rate') });
    expect(end.sent).toHaveLength(2);
  });

  it('are garbled when something came, but not the answer', async () => {
    const { end, driver, signal, clock } = await lineBench();
    end.onRequest = () => end.say('ES\r\n');
    const [result] = await settled(clock, driver.read([asked], signal));
    expect(result).toMatchObject({ why: 'garbled', detail: 'no pattern fits the line "ES"' });
  });

  it('never give the late answer of one request to another', async () => {
    const { end, driver, signal, clock } = await lineBench({ timeout: '200ms', retries: 0 });
    end.onRequest = (request) => {
      const isFirst = request === 'SI\r\n';
      void clock.after(isFirst ? 300 : 50, () => end.say(`S S ${isFirst ? '1.00' : '2.00'} g\r\n`));
    };
    expect((await settled(clock, driver.read([asked], signal)))[0]).toMatchObject({ why: 'timeout' });
    expect((await settled(clock, driver.read([other], signal)))[0]).toMatchObject({ ok: true, value: 2 });
  });

  it('leave lines that come by themselves to whom they belong', async () => {
    const { end, driver, signal, clock, watch } = await lineBench();
    const { values } = watch([weight]);
    end.onRequest = () => end.say('ST,GS,5kg\r\nS S 6.00 g\r\n');
    expect((await settled(clock, driver.read([asked], signal)))[0]).toMatchObject({ value: 6 });
    expect(values()).toEqual([5]);
  });

  it('end as NotConnected when the plug is pulled in the middle', async () => {
    const { end, driver, signal } = await lineBench();
    end.onRequest = () => end.say('S S  1');
    const reading = driver.read([asked], signal);
    const ended = expect(reading).rejects.toThrow(/the port is gone/);
    end.unplug();
    await ended;
    await expect(driver.read([asked], signal)).rejects.toThrow(NotConnected);
    await driver.connect(signal);
    end.onRequest = () => end.say('S S 3.00 g\r\n');
    expect((await driver.read([asked], signal))[0]).toMatchObject({ value: 3 });
  });
});
