import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { bandRms, spectrumOf, vibrationOf } from '../../../hal/i2c/chips/vibration.ts';
import { seededRandom } from '../../../src/core/random.ts';

const RATE_HZ = 800;
const COUNT = 512;

function sine(hz: number, peak: number, offset = 0): Float64Array {
  return Float64Array.from(
    { length: COUNT },
    (_, index) => offset + peak * Math.sin((2 * Math.PI * hz * index) / RATE_HZ),
  );
}

/** A transform by the definition, to judge the fast one. */
function slowSpectrum(samples: Float64Array): number[] {
  const mean = samples.reduce((sum, value) => sum + value, 0) / samples.length;
  const windowed = samples.map(
    (value, i) => (value - mean) * (0.5 - 0.5 * Math.cos((2 * Math.PI * i) / samples.length)),
  );
  return Array.from({ length: samples.length / 2 }, (_, bin) => {
    if (bin === 0) return 0;
    let re = 0;
    let im = 0;
    windowed.forEach((value, i) => {
      re += value * Math.cos((2 * Math.PI * bin * i) / samples.length);
      im -= value * Math.sin((2 * Math.PI * bin * i) / samples.length);
    });
    return (2 * (re * re + im * im)) / (samples.length ** 2 * 0.375);
  });
}

describe('a window of samples', () => {
  it('of a sine: RMS peak/√2, crest factor √2, kurtosis 1.5, whatever gravity adds', () => {
    const { rms, peak, crest, kurtosis } = vibrationOf(sine(50, 0.4, 1));
    expect(rms).toBeCloseTo(0.4 / Math.SQRT2, 9);
    expect(peak).toBeCloseTo(0.4, 9);
    expect(crest).toBeCloseTo(Math.SQRT2, 9);
    expect(kurtosis).toBeCloseTo(1.5, 9);
  });

  it('of normal noise: kurtosis near 3; with the blows of a bad bearing, far above', () => {
    const random = seededRandom(4);
    const normal = () => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
    const noise = Float64Array.from({ length: 8192 }, normal);
    expect(vibrationOf(noise).kurtosis).toBeCloseTo(3, 0);
    const blows = noise.map((value, index) => (index % 512 === 0 ? value + 15 : value));
    expect(vibrationOf(blows).kurtosis).toBeGreaterThan(10);
  });

  it('has a spectrum as by the definition of the transform', () => {
    fc.assert(
      fc.property(
        fc.array(fc.double({ min: -16, max: 16, noNaN: true }), { minLength: 64, maxLength: 64 }),
        (values) => {
          const samples = Float64Array.from(values);
          const slow = slowSpectrum(samples);
          spectrumOf(samples).forEach((power, bin) => {
            expect(power).toBeCloseTo(slow[bin]!, 9);
          });
        },
      ),
      { numRuns: 20 },
    );
  });

  it('shows a line in its band with its RMS, and next to nothing elsewhere', () => {
    const spectrum = spectrumOf(sine(120, 0.3));
    expect(bandRms(spectrum, RATE_HZ, 100, 150)).toBeCloseTo(0.3 / Math.SQRT2, 3);
    expect(bandRms(spectrum, RATE_HZ, 10, 100)).toBeLessThan(0.001);
    expect(bandRms(spectrum, RATE_HZ, 150, 400)).toBeLessThan(0.001);
  });
});
