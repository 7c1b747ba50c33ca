import { randomBytes } from 'node:crypto';
import type { BenchImage } from './images.ts';

/** A request body, ready to be sent any number of times. */
export interface Upload {
  readonly name: string;
  readonly contentType: string;
  readonly body: Buffer;
}

/** As browsers do it (WHATWG HTML, "multipart/form-data encoding algorithm"): a name cannot end its header line. */
const escapeName = (name: string): string =>
  name.replaceAll('"', '%22').replaceAll('\r', '%0D').replaceAll('\n', '%0A');

/** The form field of the course project's clients. */
const fieldName = 'myfile';

/** Encodes images as forms with one file each, once: the generator shares the machine's cores with what it measures. */
export const encodeUploads = (images: readonly BenchImage[]): readonly Upload[] => {
  // 128 random bits cannot occur in an image by accident.
  const boundary = `imgrec-${randomBytes(16).toString('hex')}`;
  return images.map(({ name, mediaType, bytes }) => ({
    name,
    contentType: `multipart/form-data; boundary=${boundary}`,
    body: Buffer.concat([
      Buffer.from(
        `--${boundary}\r\n` +
          `Content-Disposition: form-data; name="${fieldName}"; filename="${escapeName(name)}"\r\n` +
          `Content-Type: ${mediaType}\r\n\r\n`,
      ),
      bytes,
      Buffer.from(`\r\n--${boundary}--\r\n`),
    ]),
  }));
};
