import { Refusal } from '../answer.ts';
import { type Input, objects, optionalText, texts } from '../input.ts';
import type { SsmOperations } from './operations.ts';

export type Tags = Readonly<Record<string, string>>;

export const readTags = (input: Input): Tags =>
  Object.fromEntries(
    objects(input, 'Tags').map((tag) => [optionalText(tag, 'Key') ?? '', optionalText(tag, 'Value') ?? '']),
  );

export const listOfTags = (tags: Tags): readonly object[] =>
  Object.entries(tags).map(([Key, Value]) => ({ Key, Value }));

/** What AddTagsToResource calls a kind of resource, and how its tags are kept. */
export interface TaggableKind {
  readonly type: 'Parameter' | 'Document';
  /** Undefined where there is no such resource. */
  readonly tagsOf: (id: string) => Tags | undefined;
  readonly setTags: (id: string, tags: Tags) => void;
}

export const createTagging = (kinds: readonly TaggableKind[]): SsmOperations => {
  const find = (input: Input) => {
    const type = optionalText(input, 'ResourceType');
    const kind = kinds.find((one) => one.type === type);
    if (!kind) throw new Refusal('InvalidResourceType', `The local cloud has no ${type ?? '(none)'} to tag.`);
    const id = optionalText(input, 'ResourceId') ?? '';
    const tags = kind.tagsOf(id);
    if (!tags) throw new Refusal('InvalidResourceId', 'The resource ID is not valid.');
    return { kind, id, tags };
  };
  return {
    AddTagsToResource: (input) => {
      const { kind, id, tags } = find(input);
      kind.setTags(id, { ...tags, ...readTags(input) });
      return {};
    },
    RemoveTagsFromResource: (input) => {
      const { kind, id, tags } = find(input);
      const keys = texts(input, 'TagKeys');
      kind.setTags(id, Object.fromEntries(Object.entries(tags).filter(([key]) => !keys.includes(key))));
      return {};
    },
    ListTagsForResource: (input) => ({ TagList: listOfTags(find(input).tags) }),
  };
};
