/** Tags of anything, as imgrec has them. */
export type Tags = Readonly<Record<string, string>>;

/** As most services take them. */
export const tagList = (tags: Tags): { Key: string; Value: string }[] =>
  Object.entries(tags).map(([Key, Value]) => ({ Key, Value }));

/** As most services give them back. */
export const tagsOf = (
  list: readonly { readonly Key?: string | undefined; readonly Value?: string | undefined }[] | undefined,
): Tags => Object.fromEntries((list ?? []).map(({ Key = '', Value = '' }) => [Key, Value]));

/** Filters of EC2 that only what carries all these tags passes. */
export const tagFilters = (tags: Tags): { Name: string; Values: string[] }[] =>
  Object.entries(tags).map(([key, value]) => ({ Name: `tag:${key}`, Values: [value] }));
