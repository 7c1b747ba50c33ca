import { Refusal } from '../answer.ts';
import { indexesOf, listOf, type Parameters } from '../query.ts';
import type { Tags } from './tags.ts';

/** AWS's wildcards: * for any characters, ? for one; a backslash takes their meaning away. */
export const wildcard = (pattern: string): RegExp => {
  let source = '';
  for (let i = 0; i < pattern.length; i++) {
    const character = pattern[i] ?? '';
    if (character === '*') source += '[\\s\\S]*';
    else if (character === '?') source += '[\\s\\S]';
    else {
      const literal = character === '\\' && i + 1 < pattern.length ? (pattern[++i] ?? '') : character;
      source += literal.replace(/[\\^$.*+?()[\]{}|/-]/g, '\\$&');
    }
  }
  return new RegExp(`^${source}$`);
};

/** By the name of a filter, the values of a resource that it looks at. */
export type Filterable<T> = Readonly<Record<string, (resource: T) => readonly string[]>>;

/** Of what cannot be tagged. */
export const noTags = (): Tags => ({});

const valuesOf = <T>(filterable: Filterable<T>, tagsOf: (resource: T) => Tags, name: string) => {
  if (name.startsWith('tag:')) {
    const key = name.slice('tag:'.length);
    return (resource: T): readonly string[] => {
      const tags = tagsOf(resource);
      return Object.hasOwn(tags, key) ? [tags[key] ?? ''] : [];
    };
  }
  if (name === 'tag-key') return (resource: T): readonly string[] => Object.keys(tagsOf(resource));
  const read = Object.hasOwn(filterable, name) ? filterable[name] : undefined;
  if (!read) throw new Refusal('InvalidParameterValue', `The filter '${name}' is invalid`);
  return read;
};

/** All filters must hold; of one filter's values, one must match. Every kind of resource has `tag:KEY` and `tag-key`. */
export const readFilters = <T>(
  parameters: Parameters,
  filterable: Filterable<T>,
  tagsOf: (resource: T) => Tags,
): ((resource: T) => boolean) => {
  const filters = indexesOf(parameters, 'Filter').map((index) => {
    const read = valuesOf(filterable, tagsOf, parameters.get(`Filter.${index}.Name`) ?? '');
    const patterns = listOf(parameters, `Filter.${index}.Value`).map(wildcard);
    return (resource: T): boolean =>
      read(resource).some((value) => patterns.some((pattern) => pattern.test(value)));
  });
  return (resource) => filters.every((filter) => filter(resource));
};
