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

  it('are lost by themselves when they are noise, and make no other reading bad; they are counted', async () => {
    const { end, watch, driver, clock } = await lineBench();
    const { heard, values } = watch([weight]);
    for (let second = 0; second < 60; second++) {
      end.say('\x80\xff\x01garbage\xfe\r\nST,GS,1.5kg\r\n');
      await clock.advance(1000);
    }
    expect(new Set(values())).toEqual(new Set([1.5]));
    expect(heard).toHaveLength(60);
    expect(driver.statistics().devices.gauge?.garbled).toBe(60);
  });

  it('are bad readings when nothing but noise comes: a wrong baud rate', async () => {
    const { end, watch, clock } = await lineBench();
    const { heard, values } = watch([weight]);
    for (let second = 0; second < 25; second++) {
      end.say('\x80\xff\r\n');
      await clock.advance(1000);
    }
    expect(values()).toEqual(['garbled', 'garbled']);
    expect(heard[0]!.result).toMatchObject({ detail: 'byte 0x80 in a line of text' });
  });

  it('with a wrong checksum are no values', async () => {
    const { end, watch } = await lineBench({ checksum: 'nmea' });
    const latitude = lineTag('gps/lat', { pattern: 'GGA,[^,]*,(?<value>[^,]*),(?<hemisphere>[NS])', type: 'degrees' });
    const { values } = watch([latitude]);
    const sentence = '$GPGGA,123519,4807.038,N,01131.000,E,1,08,0.9,545.4,M,46.9,M,,*47\r\n';
    end.say(sentence.replace('4807', '4817'));
    end.say(sentence);
    expect(values()).toEqual([48 + 7.038 / 60]);
  });

  it('that fit nothing are left out, and are not taken for another master', async () => {
    const { end, watch, driver } = await lineBench();
    const { heard } = watch([weight]);
    end.say('Firmware 1.2\r\n');
    expect(heard).toEqual([]);
    expect(driver.statistics().unsolicitedBytes).toBe(0);
  });

  it('are thinned out to the newest of each interval where the file says how often at most', async () => {
    const { end, watch, clock } = await lineBench();
    const paced = lineTag('gauge/weight', WEIGHT, undefined, { maxRate: 2 });
    const { values } = watch([paced]);
    for (let line = 0; line < 20; line++) {
      end.say(`ST,GS,${line}kg\r\n`);
      await clock.advance(100);
    }
    await clock.advance(1000);
    expect(values()).toEqual([0, 4, 9, 14, 19]);
  });

  it('are no number where a space parts the digits; a sign may stand apart', async () => {
    const { end, watch } = await lineBench();
    const { values } = watch([lineTag('gauge/weight', { pattern: '^(?<value>[-+0-9. ]+)kg' })]);
    end.say('12 34.5kg\r\n-  29.18kg\r\n');
    expect(values()).toEqual(['decode-error', -29.18]);
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

  it('may be several for one request', async () => {
    const { end, driver, signal, clock } = await lineBench();
    const gross = lineTag('scale/gross', { pattern: '^G\\s+(?<value>[0-9.]+)' }, 'P\r\n');
    const net = lineTag('scale/net', { pattern: '^N\\s+(?<value>[0-9.]+)' }, 'P\r\n');
    const tare = lineTag('scale/tare', { pattern: '^T\\s+(?<value>[0-9.]+)' }, 'P\r\n');
    end.onRequest = () => {
      void clock.after(20, () => end.say('G 12.5\r\n'));
      void clock.after(60, () => end.say('N 11.0\r\n'));
    };
    const results = await settled(clock, driver.read([gross, net, tare], signal));
    expect(results).toMatchObject([{ value: 12.5 }, { value: 11 }, { ok: false, why: 'decode-error' }]);
    expect(end.sent).toEqual(['P\r\n']);
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

describe('commands', () => {
  const zero = lineTag('scale/zero', { send: 'Z\r\n', reply: '^Z A' });
  const target = lineTag('scale/target', { send: 'SP {value}\r\n' });

  it('send their text with the value, and await the answer where the file says which', async () => {
    const { end, driver, signal, clock } = await lineBench();
    end.onRequest = (text) => void clock.after(30, () => end.say(text === 'Z\r\n' ? 'Z A\r\n' : ''));
    expect(await settled(clock, driver.write(target, 12.5, signal))).toEqual({ ok: true, readBack: undefined });
    expect(await settled(clock, driver.write(zero, 1, signal))).toEqual({ ok: true, readBack: undefined });
    expect(end.sent).toEqual(['SP 12.5\r\n', 'Z\r\n']);
  });

  it('whose answer does not come are told of as sent, with what was heard instead', async () => {
    const { end, driver, signal, clock } = await lineBench();
    end.onRequest = () => end.say('Z I\r\n');
    const result = await settled(clock, driver.write(zero, 1, signal));
    expect(result).toMatchObject({ ok: false, kind: 'failed', why: expect.stringContaining('"Z I"') });
  });

  it('take no line as their value, and are not asked for with the request of their device', async () => {
    const { end, watch } = await lineBench();
    const { heard } = watch([zero]);
    end.say('ST,GS,1kg\r\n');
    expect(heard).toEqual([]);
    expect(lineTag('scale/zero', { send: 'Z\r\n' }, 'SI\r\n').address.request).toBeUndefined();
  });
});
