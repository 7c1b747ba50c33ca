import { type Answer, wholeBody } from '../answer.ts';

/** One bit of the body changed, at the place that `draw` in [0, 1) says. */
export const withFlippedBit = (answer: Answer, draw: number): Answer => {
  const body = Buffer.from(wholeBody(answer.body));
  const at = Math.floor(draw * body.length);
  const byte = body[at];
  // The lowest bit of a letter or digit makes another one, so that JSON and XML stay well-formed more often than not.
  if (byte !== undefined) body[at] = byte ^ 1;
  return { ...answer, body };
};

const another = (digest: string): string => {
  const at = digest.search(/[0-9a-zA-Z]/);
  return at < 0 ? digest : digest.slice(0, at) + (digest[at] === '0' ? '1' : '0') + digest.slice(at + 1);
};

const isDigestHeader = (name: string): boolean => name === 'etag' || name.startsWith('x-amz-checksum-');

/** ETag and checksum headers, and the MD5s in a JSON body, each with one digit changed. */
export const withWrongChecksums = (answer: Answer): Answer => ({
  status: answer.status,
  headers: Object.fromEntries(
    Object.entries(answer.headers).map(([name, value]) => [
      name,
      isDigestHeader(name.toLowerCase()) ? another(String(value)) : value,
    ]),
  ),
  body: String(answer.headers['content-type'] ?? '').includes('json')
    ? wholeBody(answer.body)
        .toString()
        .replace(
          /("MD5Of\w+":\s*")([0-9a-f]{32})/g,
          (_, name: string, digest: string) => name + another(digest),
        )
    : answer.body,
});
