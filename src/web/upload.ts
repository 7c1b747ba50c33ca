import multipart from '@fastify/multipart';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { messageOf } from '../errors.ts';

/** An image as it was uploaded. The name is the client's own and is only ever shown, never used as a key or path. */
export interface Upload {
  readonly bytes: Buffer;
  readonly name: string;
}

export type Received =
  | { readonly ok: true; readonly upload: Upload }
  | { readonly ok: false; readonly status: 400 | 413 | 415; readonly detail: string };

const maxNameLength = 255;

/** Room for a form's other fields and the lines between the parts. */
const formOverheadBytes = 64 * 1_024;

const displayName = (name: string | undefined): string => (name ?? '').slice(0, maxNameLength);

const rawImageTypes = /^(image\/[a-z0-9.+-]+|application\/octet-stream)/i;

/** Reads bodies: forms as streams with limits on every count, images as they are. */
export const acceptUploads = async (app: FastifyInstance, maxImageBytes: number): Promise<void> => {
  await app.register(multipart, {
    throwFileSizeLimit: false,
    limits: {
      files: 1,
      parts: 20,
      fields: 19,
      fieldNameSize: 200,
      fieldSize: 1_024,
      fileSize: maxImageBytes,
      headerPairs: 20,
    },
  });
  app.addContentTypeParser(
    rawImageTypes,
    { parseAs: 'buffer', bodyLimit: maxImageBytes },
    (_request, body, done) => done(null, body),
  );
};

const tooLarge = (maxImageBytes: number): Received => ({
  ok: false,
  status: 413,
  detail: `the image is larger than ${maxImageBytes} bytes`,
});

/**
 * The image of a request: the first file of a form, whatever its field is called, or the raw body.
 * Refuses by Content-Length before reading.
 */
export const readUpload = async (request: FastifyRequest, maxImageBytes: number): Promise<Received> => {
  if (Buffer.isBuffer(request.body)) return { ok: true, upload: { bytes: request.body, name: '' } };
  if (!request.isMultipart())
    return {
      ok: false,
      status: 415,
      detail: 'send a form with a file (multipart/form-data), or the image itself',
    };
  // @fastify/multipart bounds each part, not the sum of all.
  if (Number(request.headers['content-length'] ?? 0) > maxImageBytes + formOverheadBytes)
    return tooLarge(maxImageBytes);
  try {
    for await (const part of request.parts()) {
      if (part.type !== 'file') continue;
      const bytes = await part.toBuffer();
      if (part.file.truncated) return tooLarge(maxImageBytes);
      return { ok: true, upload: { bytes, name: displayName(part.filename) } };
    }
  } catch (error) {
    // A status means a limit that was exceeded; without one, the body is not the form that its header promises.
    if ((error as { statusCode?: number }).statusCode !== undefined) throw error;
    return { ok: false, status: 400, detail: `the form cannot be read: ${messageOf(error)}` };
  }
  return { ok: false, status: 400, detail: 'the form has no file' };
};
