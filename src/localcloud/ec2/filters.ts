import { Refusal } from '../answer.ts';
import { indexesOf, listOf, type Parameters } from '../query.ts';
import type { Instance } from './instances.ts';

export type InstanceFilter = (instance: Instance) => boolean;

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

const valuesOf = (name: string): ((instance: Instance) => readonly string[]) => {
  if (name.startsWith('tag:')) {
    const key = name.slice('tag:'.length);
    return ({ tags }) => (Object.hasOwn(tags, key) ? [tags[key] ?? ''] : []);
  }
  switch (name) {
    case 'tag-key':
      return ({ tags }) => Object.keys(tags);
    case 'instance-state-name':
      return ({ state }) => [state];
    case 'instance-id':
      return ({ id }) => [id];
    case 'instance-type':
      return ({ instanceType }) => [instanceType];
    case 'client-token':
      return ({ clientToken }) => [clientToken];
    default:
      throw new Refusal('InvalidParameterValue', `The filter '${name}' is invalid`);
  }
};

/** All filters must hold; of one filter's values, one must match. */
export const readFilters = (parameters: Parameters): InstanceFilter => {
  const filters = indexesOf(parameters, 'Filter').map((index): InstanceFilter => {
    const read = valuesOf(parameters.get(`Filter.${index}.Name`) ?? '');
    const patterns = listOf(parameters, `Filter.${index}.Value`).map(wildcard);
    return (instance) => read(instance).some((value) => patterns.some((pattern) => pattern.test(value)));
  });
  return (instance) => filters.every((filter) => filter(instance));
};
