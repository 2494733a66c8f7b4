/** The shells that `completion` knows. */
export const SHELLS = ['bash', 'zsh', 'fish'] as const;

/** One of {@link SHELLS}. */
export type Shell = (typeof SHELLS)[number];

/** The word by which a shell asks what may come next. Like the next it is no command: help does not show it. */
export const COMPLETE = '__complete';

/** The word by which the reference and the manual page are made. */
export const REFERENCE = '__reference';
