/** What a window of samples says of a vibration; the mean (gravity, offset) is taken out first. In the samples' unit. */
export interface Vibration {
  readonly rms: number;
  /** Largest distance from the mean. */
  readonly peak: number;
  /** peak / rms; √2 for a sine. NaN without any movement. */
  readonly crest: number;
  /** Fourth moment over the squared second; 1.5 for a sine, 3 for noise. NaN without any movement. */
  readonly kurtosis: number;
}

/** The vibration of a window of at least one sample. */
export function vibrationOf(samples: Float64Array): Vibration {
  const mean = meanOf(samples);
  let second = 0;
  let fourth = 0;
  let peak = 0;
  for (const value of samples) {
    const square = (value - mean) ** 2;
    second += square;
    fourth += square * square;
    peak = Math.max(peak, Math.abs(value - mean));
  }
  const variance = second / samples.length;
  const rms = Math.sqrt(variance);
  return { rms, peak, crest: peak / rms, kurtosis: fourth / samples.length / variance ** 2 };
}

/** Arithmetic mean. */
export function meanOf(samples: Float64Array): number {
  return samples.reduce((sum, value) => sum + value, 0) / samples.length;
}

/**
 * Mean square of a window by frequency: bin k is around k·rate/N Hz, 0 < k < N/2. A Hann window keeps strong lines from
 * leaking over the whole spectrum; its loss of power (3/8) is given back, so that the sum over all bins is the variance.
 *
 * @param samples N of them, a power of two
 */
export function spectrumOf(samples: Float64Array): Float64Array {
  const count = samples.length;
  const mean = meanOf(samples);
  const re = samples.map((value, index) => (value - mean) * (0.5 - 0.5 * Math.cos((2 * Math.PI * index) / count)));
  const im = new Float64Array(count);
  transform(re, im);
  const power = new Float64Array(count / 2);
  for (let bin = 1; bin < count / 2; bin++)
    power[bin] = (2 * (re[bin]! ** 2 + im[bin]! ** 2)) / (count * count * (3 / 8));
  return power;
}

/** RMS of the part of a spectrum between two frequencies, `fromHz` included, `toHz` not. */
export function bandRms(spectrum: Float64Array, rateHz: number, fromHz: number, toHz: number): number {
  const perBin = rateHz / (2 * spectrum.length);
  let sum = 0;
  for (let bin = 1; bin < spectrum.length; bin++) {
    const hz = bin * perBin;
    if (hz >= fromHz && hz < toHz) sum += spectrum[bin]!;
  }
  return Math.sqrt(sum);
}

/** Fourier transform in place, radix 2 (Cooley and Tukey, 1965). */
function transform(re: Float64Array, im: Float64Array): void {
  const count = re.length;
  reorder(re, im);
  for (let size = 2; size <= count; size *= 2) {
    const half = size / 2;
    for (let start = 0; start < count; start += size) {
      for (let k = 0; k < half; k++) {
        const angle = (-2 * Math.PI * k) / size;
        const cos = Math.cos(angle);
        const sin = Math.sin(angle);
        const low = start + k;
        const high = low + half;
        const turnedRe = re[high]! * cos - im[high]! * sin;
        const turnedIm = re[high]! * sin + im[high]! * cos;
        re[high] = re[low]! - turnedRe;
        im[high] = im[low]! - turnedIm;
        re[low]! += turnedRe;
        im[low]! += turnedIm;
      }
    }
  }
}

/** Swaps every element with the one whose index has the same bits backwards. */
function reorder(re: Float64Array, im: Float64Array): void {
  for (let index = 1, mirror = 0; index < re.length; index++) {
    let bit = re.length >> 1;
    for (; mirror & bit; bit >>= 1) mirror ^= bit;
    mirror |= bit;
    if (index >= mirror) continue;
    [re[index], re[mirror]] = [re[mirror]!, re[index]!];
    [im[index], im[mirror]] = [im[mirror]!, im[index]!];
  }
}
