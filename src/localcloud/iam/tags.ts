import { Refusal } from '../answer.ts';
import { indexesOf, listOf, type Parameters } from '../query.ts';
import type { QueryOperations } from '../query-service.ts';
import type { XmlElement } from '../xml.ts';
import { required } from './names.ts';

export type Tags = Readonly<Record<string, string>>;

/** https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html */
const maxTags = 50;

/** What an entity may carry. Throws LimitExceeded. */
const checked = (tags: Tags): Tags => {
  if (Object.keys(tags).length > maxTags)
    throw new Refusal('LimitExceeded', `The number of tags has reached the maximum limit: ${maxTags}.`, 409);
  return tags;
};

/** The tags that a request gives. */
export const readTags = (parameters: Parameters): Tags =>
  checked(
    Object.fromEntries(
      indexesOf(parameters, 'Tags.member').map((index) => [
        required(parameters, `Tags.member.${index}.Key`),
        parameters.get(`Tags.member.${index}.Value`) ?? '',
      ]),
    ),
  );

export const tagsXml = (tags: Tags): XmlElement => ({
  member: Object.entries(tags).map(([Key, Value]) => ({ Key, Value })),
});

/** TagX, UntagX and ListXTags of one kind of entity: of a `Role`. */
export const tagOperations = <T extends { readonly tags: Tags }>(
  kind: string,
  named: (parameters: Parameters) => T,
  setTags: (one: T, tags: Tags) => undefined,
): QueryOperations => ({
  [`Tag${kind}`]: (parameters) => {
    const one = named(parameters);
    return setTags(one, checked({ ...one.tags, ...readTags(parameters) }));
  },
  [`Untag${kind}`]: (parameters) => {
    const one = named(parameters);
    const keys = listOf(parameters, 'TagKeys.member');
    return setTags(one, Object.fromEntries(Object.entries(one.tags).filter(([key]) => !keys.includes(key))));
  },
  [`List${kind}Tags`]: (parameters) => ({ Tags: tagsXml(named(parameters).tags), IsTruncated: false }),
});
