import type { IncomingHttpHeaders } from 'node:http';
import { headerOf, Refusal } from '../answer.ts';
import type { ObjectInfo } from './objects.ts';

export const preconditionFailed = (): Refusal =>
  new Refusal('PreconditionFailed', 'At least one of the pre-conditions you specified did not hold', 412);

export const matchesEtag = (list: string, etag: string): boolean =>
  list.split(',').some((one) => {
    const tag = one.trim();
    return tag === '*' || tag.replace(/^"|"$/g, '') === etag;
  });

/**
 * `If-None-Match: *` and `If-Match` of a PutObject. Throws PreconditionFailed, NoSuchKey or NotImplemented.
 * Source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html
 */
export const checkWriteConditions = (headers: IncomingHttpHeaders, present: ObjectInfo | undefined): void => {
  const noneMatch = headerOf(headers, 'if-none-match');
  const match = headerOf(headers, 'if-match');
  if (noneMatch !== undefined && noneMatch.trim() !== '*')
    throw new Refusal(
      'NotImplemented',
      'A header you provided implies functionality that is not implemented',
      501,
    );
  if (noneMatch !== undefined && present) throw preconditionFailed();
  if (match === undefined) return;
  if (!present) throw new Refusal('NoSuchKey', 'The specified key does not exist.', 404);
  if (!matchesEtag(match, present.etag)) throw preconditionFailed();
};

/** @returns whether the answer is 304 Not Modified; throws PreconditionFailed */
export const isNotModified = (headers: IncomingHttpHeaders, info: ObjectInfo): boolean => {
  const match = headerOf(headers, 'if-match');
  const noneMatch = headerOf(headers, 'if-none-match');
  if (match !== undefined && !matchesEtag(match, info.etag)) throw preconditionFailed();
  return noneMatch !== undefined && matchesEtag(noneMatch, info.etag);
};
