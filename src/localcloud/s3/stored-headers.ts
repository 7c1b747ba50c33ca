import { type Call, headerOf, Refusal } from '../answer.ts';

export const notImplemented = (what: string): Refusal =>
  new Refusal('NotImplemented', `The local cloud does not have ${what}.`, 501);

/** Headers of an object that come back as they were sent. */
const keptHeaders = new Set([
  'content-type',
  'content-disposition',
  'content-language',
  'cache-control',
  'expires',
]);

/** Headers that would change what a PutObject means; ignoring one would be a silent success. */
const refusedHeaders =
  /^x-amz-(copy-source-server-side|server-side-encryption-customer|object-lock|website-redirect|tagging|grant-|write-offset)/;

/** Values that say what happens anyway. */
const acceptedValues: Readonly<Record<string, ReadonlySet<string>>> = {
  'x-amz-acl': new Set(['private', 'bucket-owner-full-control']),
  'x-amz-server-side-encryption': new Set(['AES256']),
  'x-amz-storage-class': new Set(['STANDARD']),
};

/** The headers of a PutObject or CopyObject that belong to the object. Throws NotImplemented for what would be ignored. */
export const readStoredHeaders = (call: Call): Record<string, string> => {
  const kept: Record<string, string> = {};
  for (const name in call.headers) {
    if (name.startsWith('x-amz-')) {
      if (refusedHeaders.test(name)) throw notImplemented(`the header ${name}`);
      const accepted = Object.hasOwn(acceptedValues, name) ? acceptedValues[name] : undefined;
      if (accepted && !accepted.has(headerOf(call.headers, name) ?? ''))
        throw notImplemented(`${name}: ${headerOf(call.headers, name)}`);
      if (!name.startsWith('x-amz-meta-')) continue;
    } else if (!keptHeaders.has(name)) continue;
    const value = headerOf(call.headers, name);
    if (value !== undefined) kept[name] = value;
  }
  const encodings = (headerOf(call.headers, 'content-encoding') ?? '')
    .split(',')
    .map((encoding) => encoding.trim())
    .filter((encoding) => encoding !== '' && encoding !== 'aws-chunked');
  if (encodings.length > 0) kept['content-encoding'] = encodings.join(',');
  kept['content-type'] ??= 'binary/octet-stream';
  return kept;
};
