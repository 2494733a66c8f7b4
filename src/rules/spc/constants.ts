/** The constants of control charts by size of the subgroup: d2, d3 and c4. */

/**
 * Mean and standard deviation of the range of n standard normal values, n = 2…25, to the last bit: integrals of the
 * distribution of the range (Tippett 1925), evaluated with 25 digits.
 */
const RANGE: readonly { readonly d2: number; readonly d3: number }[] = [
  { d2: 1.1283791670955126, d3: 0.8525024664274218 },
  { d2: 1.692568750643269, d3: 0.8883680040452043 },
  { d2: 2.058750746007928, d3: 0.8798082028249833 },
  { d2: 2.325928947281039, d3: 0.8640819410995041 },
  { d2: 2.534412721222943, d3: 0.8480396861174953 },
  { d2: 2.7043567512138087, d3: 0.8332053356222937 },
  { d2: 2.8472006120905555, d3: 0.819831489791944 },
  { d2: 2.970026324418474, d3: 0.8078342745533225 },
  { d2: 3.077505461670346, d3: 0.7970506735194113 },
  { d2: 3.1728727038160005, d3: 0.7873146205503282 },
  { d2: 3.258455279743826, d3: 0.7784783412033843 },
  { d2: 3.335980354098255, d3: 0.7704162020637548 },
  { d2: 3.406763108199953, d3: 0.7630230956247903 },
  { d2: 3.4718268898820748, d3: 0.756211429727944 },
  { d2: 3.531982786109576, d3: 0.7499080894099159 },
  { d2: 3.5878839617653817, d3: 0.7440517839607315 },
  { d2: 3.6400637579374444, d3: 0.7385908533781779 },
  { d2: 3.6889630232076493, d3: 0.7334814955188684 },
  { d2: 3.734950119596641, d3: 0.7286863457073053 },
  { d2: 3.778335829842621, d3: 0.7241733407174991 },
  { d2: 3.8193846433628327, d3: 0.7199148084342234 },
  { d2: 3.858323423285007, d3: 0.7158867354918145 },
  { d2: 3.8953481484513564, d3: 0.7120681751479372 },
  { d2: 3.930629219507113, d3: 0.708440765888655 },
];

/** Mean of the range of `size` values in units of σ; `size` 2…25. */
export function d2(size: number): number {
  return rangeOf(size).d2;
}

/** Standard deviation of the range of `size` values in units of σ; `size` 2…25. */
export function d3(size: number): number {
  return rangeOf(size).d3;
}

function rangeOf(size: number): { readonly d2: number; readonly d3: number } {
  const found = RANGE[size - 2];
  if (!found) throw new RangeError(`range factors exist for 2 to 25 values, not for ${size}`);
  return found;
}

/**
 * Mean of the sample standard deviation of `size` ≥ 2 values in units of σ: √(2/(n−1))·Γ(n/2)/Γ((n−1)/2), the quotient
 * by its recurrence over every second n.
 */
export function c4(size: number): number {
  if (!Number.isInteger(size) || size < 2) throw new RangeError(`c4 exists from 2 values on, not for ${size}`);
  let quotient = size % 2 === 0 ? 1 / Math.sqrt(Math.PI) : Math.sqrt(Math.PI) / 2;
  for (let step = size % 2 === 0 ? 2 : 3; step < size; step += 2) quotient *= step / (step - 1);
  return quotient * Math.sqrt(2 / (size - 1));
}
