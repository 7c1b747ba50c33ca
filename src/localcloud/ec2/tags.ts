import { Refusal } from '../answer.ts';
import { indexesOf, listOf, type Parameters } from '../query.ts';
import type { XmlElement } from '../xml.ts';
import type { Ec2Operations } from './operations.ts';

export type Tags = Readonly<Record<string, string>>;

/** https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/Using_Tags.html#tag-restrictions */
const maxTags = 50;
const maxKeyLength = 128;
const maxValueLength = 256;

/** How EC2 lists tags in an answer. */
export const tagsXml = (tags: Tags): XmlElement => ({
  item: Object.entries(tags).map(([key, value]) => ({ key, value })),
});

const checkKey = (key: string): void => {
  if (key === '' || key.length > maxKeyLength || key.toLowerCase().startsWith('aws:'))
    throw new Refusal('InvalidParameterValue', `Tag key '${key}' is invalid.`);
};

/** What a resource may carry. Throws TagLimitExceeded; tags that AWS itself set do not count. */
const checkedTags = (tags: Tags): Tags => {
  if (Object.keys(tags).filter((key) => !key.startsWith('aws:')).length > maxTags)
    throw new Refusal('TagLimitExceeded', `A resource has at most ${maxTags} tags.`);
  return tags;
};

const readTagList = (parameters: Parameters, prefix: string): Tags =>
  Object.fromEntries(
    indexesOf(parameters, prefix).map((number) => {
      const key = parameters.get(`${prefix}.${number}.Key`) ?? '';
      const value = parameters.get(`${prefix}.${number}.Value`) ?? '';
      checkKey(key);
      if (value.length > maxValueLength)
        throw new Refusal(
          'InvalidParameterValue',
          `Tag value exceeds the maximum length of ${maxValueLength} characters`,
        );
      return [key, value];
    }),
  );

/** The tags that a call's `TagSpecification.N` gives to resources of one type; those for others are for what does not exist here. */
export const readTags = (parameters: Parameters, resourceType: string): Tags => {
  let tags: Tags = {};
  for (const index of indexesOf(parameters, 'TagSpecification')) {
    const prefix = `TagSpecification.${index}`;
    if (parameters.get(`${prefix}.ResourceType`) === resourceType)
      tags = { ...tags, ...readTagList(parameters, `${prefix}.Tag`) };
  }
  return checkedTags(tags);
};

/** A kind of resource that CreateTags and DeleteTags know. */
export interface Taggable {
  /** Of its ids, without the hyphen. */
  readonly prefix: string;
  /** Throws the kind's own NotFound. */
  readonly find: (id: string) => { readonly tags: Tags };
  readonly setTags: (id: string, tags: Tags) => void;
}

export const createTagging = (kinds: readonly Taggable[]): Ec2Operations => {
  const kindOf = (id: string): Taggable => {
    const kind = kinds.find(({ prefix }) => id.startsWith(`${prefix}-`));
    if (!kind) throw new Refusal('InvalidID', `The ID '${id}' is not valid`);
    return kind;
  };

  /** All are found before any is changed. */
  const change = (parameters: Parameters, next: (tags: Tags) => Tags): XmlElement => {
    const ids = listOf(parameters, 'ResourceId');
    if (ids.length === 0)
      throw new Refusal('MissingParameter', 'The request must contain the parameter resourceIdSet');
    const changes = ids.map((id) => {
      const kind = kindOf(id);
      return { id, kind, tags: next(kind.find(id).tags) };
    });
    for (const { id, kind, tags } of changes) kind.setTags(id, tags);
    return { return: true };
  };

  return {
    CreateTags: (parameters) => {
      const given = readTagList(parameters, 'Tag');
      if (Object.keys(given).length === 0)
        throw new Refusal('MissingParameter', 'The request must contain the parameter tagSet');
      return change(parameters, (tags) => checkedTags({ ...tags, ...given }));
    },
    // A value in the request spares a tag with another value; without any tag all go that AWS did not set itself.
    DeleteTags: (parameters) => {
      const given = indexesOf(parameters, 'Tag').map((number) => ({
        key: parameters.get(`Tag.${number}.Key`) ?? '',
        value: parameters.get(`Tag.${number}.Value`),
      }));
      const isMeant = (key: string, value: string): boolean =>
        given.length === 0
          ? !key.startsWith('aws:')
          : given.some((tag) => tag.key === key && (tag.value === undefined || tag.value === value));
      return change(parameters, (tags) =>
        Object.fromEntries(Object.entries(tags).filter(([key, value]) => !isMeant(key, value))),
      );
    },
  };
};
