/** One thing wrong with a part of the configuration. `path` is relative to the part that was checked. */
export interface Problem {
  readonly path: readonly (string | number)[];
  /** What is wrong and what to write instead, in one line. */
  readonly message: string;
}

/** The result of a pure check: the value, or everything that is wrong. */
export type Checked<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly problems: readonly Problem[] };

/** A passed check. */
export function passed<T>(value: T): Checked<T> {
  return { ok: true, value };
}

/** A failed check with one problem at `path`. */
export function failed(path: readonly (string | number)[], message: string): Checked<never> {
  return { ok: false, problems: [{ path, message }] };
}

/**
 * A schema that is made when it is first asked for, and once. Schemas are dear to make, and a start whose file was checked
 * before needs next to none of them.
 */
export function lazily<T>(make: () => T): () => T {
  let made: { readonly value: T } | undefined;
  return () => {
    made ??= { value: make() };
    return made.value;
  };
}
