/** The shells that `completion` knows. */
export const SHELLS = ['bash', 'zsh', 'fish'] as const;

/** One of {@link SHELLS}. */
export type Shell = (typeof SHELLS)[number];

/** The word by which a shell asks what may come next. It is no command, so that help and reference do not show it. */
export const COMPLETE = '__complete';
