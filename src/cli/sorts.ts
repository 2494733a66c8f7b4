/** Orders of the rows of a live table: by device as in the file, by name, or what wants a look first. */
export const SORTS = ['device', 'name', 'quality', 'age', 'rate'] as const;

/** One of {@link SORTS}. */
export type Sort = (typeof SORTS)[number];
